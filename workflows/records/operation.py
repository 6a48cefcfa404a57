"""One mutating call, from the intent that is recorded before it is sent to the end of what it began."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from infra.ledger import Item
from workflows.document.compare import either

#: Seconds after which a call without an answer arrives no more.
LATEST_ARRIVAL = 3600.0
#: Stands for a secret's version where two folded operations sent different ones: it equals no version.
_SEVERAL_VERSIONS = "(several)"


class Verb(StrEnum):
    """What an operation does. IMPORT is no call: the resource was found to be as declared."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    TAG = "TAG"
    DELETE = "DELETE"
    SYNCHRONIZE = "SYNCHRONIZE"
    IMPORT = "IMPORT"


class OpState(StrEnum):
    """How far an operation came.

    PENDING: its intent is recorded and no answer is. ACCEPTED: the service took it and works on it. SUCCEEDED, FAILED:
    the resource is at rest again. REFUSED: the service did not take it. UNANSWERED: a later operation was answered
    before this one; it may still take effect, until LATEST_ARRIVAL after it was given up.
    """

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    REFUSED = "REFUSED"
    UNANSWERED = "UNANSWERED"


#: The states that may follow each state.
TRANSITIONS: Mapping[OpState, frozenset[OpState]] = {
    OpState.PENDING: frozenset(OpState) - {OpState.PENDING},
    OpState.ACCEPTED: frozenset({OpState.ACCEPTED, OpState.SUCCEEDED, OpState.FAILED}),
    OpState.SUCCEEDED: frozenset({OpState.SUCCEEDED}),
    OpState.FAILED: frozenset({OpState.SUCCEEDED}),
    OpState.REFUSED: frozenset(),
    OpState.UNANSWERED: frozenset(),
}
#: Verbs of calls that carry a declaration.
DECLARING = frozenset({Verb.CREATE, Verb.UPDATE, Verb.TAG})
#: Members that are lists in an item.
_LISTS = ("tokens", "normalized", "tags_in_doubt")


@dataclass(frozen=True)
class Operation:
    """One operation. Times are seconds since the epoch; a declaration is a fingerprint, without secrets."""

    verb: Verb
    state: OpState
    at: float = 0.0
    #: The request, or its rollback, for which it was sent.
    scope: str = ""
    generation: int = 0
    #: None where it carries no declaration, or where that cannot be in force any more.
    declared: Mapping[str, Any] | None = None
    #: The versions of the secrets that it sent, by path.
    secret_versions: Mapping[str, str] = field(default_factory=dict)
    #: Its client token; several where operations without an answer were folded.
    tokens: tuple[str, ...] = ()
    #: Of a creation: a digest of the declaration and the parent. The same creation is repeated under the same token.
    digest: str = ""
    #: Of a creation: the id of the object that it made.
    object_id: str | None = None
    #: When the service took it.
    accepted_at: float = 0.0
    #: The service's time of its last change, as the answer showed it.
    updated: str = ""
    #: Of an update: digests of the values that reads showed before, by path.
    shown_before: Mapping[str, str] = field(default_factory=dict)
    #: Of an update: since when reads of the resource at rest show other values; 0 where they do not.
    unapplied_since: float = 0.0
    #: Of a success: paths at which the service shows the declared value in an accepted form of its own.
    normalized: tuple[str, ...] = ()
    #: How often it counts among the attempts of its scope; a call whose answer was lost is none.
    attempts: int = 0
    #: How often in succession the service took it.
    repeats: int = 0
    #: Keys of tags that operations without an answer may have set.
    tags_in_doubt: tuple[str, ...] = ()
    error: str = ""
    error_class: str = ""

    @classmethod
    def intended(cls, verb: Verb, at: float, declared: Mapping[str, Any], **more: Any) -> "Operation":
        """Return the intent of a call that is about to be sent, with the declaration where the call carries it."""
        return cls(verb, OpState.PENDING, at, declared=declared if verb in DECLARING else None, **more)

    def become(self, state: OpState, **changes: Any) -> "Operation":
        """Return the operation in its next state."""
        if state not in TRANSITIONS[self.state]:
            raise AssertionError(f"{self.verb} is {self.state}, and cannot become {state}")
        return replace(self, state=state, **changes)

    def closed(self) -> "Operation":
        """Return the operation without the members that matter only while its declaration may be in force."""
        return Operation(
            self.verb, self.state, self.at, self.scope, self.generation,
            object_id=self.object_id, accepted_at=self.accepted_at, updated=self.updated,
            attempts=self.attempts, error=self.error, error_class=self.error_class,
        )  # fmt: skip

    def folded_with(self, later: "Operation") -> "Operation":
        """Return one operation for two without an answer: every declaration, token and version may be in force."""
        both = set(self.secret_versions) & set(later.secret_versions)
        differing = {path for path in both if self.secret_versions[path] != later.secret_versions[path]}
        versions = {**self.secret_versions, **later.secret_versions, **dict.fromkeys(differing, _SEVERAL_VERSIONS)}
        return replace(
            later,
            declared=either(self.declared, later.declared),
            tokens=tuple(dict.fromkeys((*self.tokens, *later.tokens))),
            secret_versions=versions,
        )

    @property
    def tags(self) -> Mapping[str, Any]:
        """The tags that it declares."""
        return (self.declared or {}).get("tags") or {}

    @classmethod
    def read(cls, item: Item, declarations: Mapping[str, Any]) -> "Operation":
        """Read an item; `declarations` has every declaration of the record, by digest."""
        known = {one.name for one in fields(cls)}
        mine = {name: value for name, value in item.items() if name in known}
        mine |= {name: tuple(mine[name]) for name in _LISTS if name in mine}
        if mine.get("declared") is not None:
            mine["declared"] = declarations[mine["declared"]]
        return cls(**{**mine, "verb": Verb(mine["verb"]), "state": OpState(mine["state"])})

    def item(self, digest_of: Any) -> Item:
        """Return the item to store, without members at their defaults; `digest_of` names a declaration."""
        mine: Item = {"verb": str(self.verb), "state": str(self.state)}
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name not in mine and value not in (None, "", 0, 0.0, (), {}):
                mine[one.name] = list(value) if one.name in _LISTS else value
        if self.declared is not None:
            mine["declared"] = digest_of(self.declared)
        return mine
