"""An operation: a mutating call, from the intent recorded before sending to the end of the work at the service."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from infra.ledger import Item
from workflows.document.compare import either

#: Seconds after which an unanswered call can no longer take effect.
LATEST_ARRIVAL = 3600.0
#: Seconds by which the clocks of two workers may differ: a recorded time that is further in the future is wrong.
CLOCK_SKEW = 60.0
#: The version of a secret of which two folded operations sent different versions: equals no real version.
_SEVERAL_VERSIONS = "(several)"


class Verb(StrEnum):
    """The verb of an operation. IMPORT is no call: the resource was found to be as declared."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    TAG = "TAG"
    DELETE = "DELETE"
    SYNCHRONIZE = "SYNCHRONIZE"
    IMPORT = "IMPORT"


class OpState(StrEnum):
    """The state of an operation.

    PENDING: the intent is recorded, and no answer yet. ACCEPTED: the service accepted the call and works on the
    resource. SUCCEEDED, FAILED: the resource is at rest again. REFUSED: the service refused the call. UNANSWERED: a
    later operation was answered first; the call may still take effect, until LATEST_ARRIVAL after waiting ended.
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
    """An operation. Times are seconds since the epoch; a declaration is a fingerprint, without secrets."""

    verb: Verb
    state: OpState
    at: float = 0.0
    #: The request that sent the operation, or the rollback of that request.
    scope: str = ""
    generation: int = 0
    #: None where the verb carries no declaration, or where the declaration cannot be in force any more.
    declared: Mapping[str, Any] | None = None
    #: The versions of the secrets that were sent, by path.
    secret_versions: Mapping[str, str] = field(default_factory=dict)
    #: The client token; several where unanswered operations were folded.
    tokens: tuple[str, ...] = ()
    #: Of a creation: a digest of the declaration and the parent. The same creation is repeated under the same token.
    digest: str = ""
    #: Of a creation: the id of the created object.
    object_id: str | None = None
    #: When the service accepted the call.
    accepted_at: float = 0.0
    #: The service's time of the last change of the resource, from the answer.
    updated: str = ""
    #: Of an update: digests of the values that reads showed before the update, by path.
    shown_before: Mapping[str, str] = field(default_factory=dict)
    #: Of an update: since when reads of the resource at rest do not show the declared values; 0 where they do.
    unapplied_since: float = 0.0
    #: Of a success: paths at which the service shows the declared value in an accepted form.
    normalized: tuple[str, ...] = ()
    #: How many attempts of the scope the operation counts for; a call whose answer was lost counts for none.
    attempts: int = 0
    #: How often in succession the service accepted the same call.
    repeats: int = 0
    #: Keys of tags that unanswered operations may have set.
    tags_in_doubt: tuple[str, ...] = ()
    error: str = ""
    error_class: str = ""

    @classmethod
    def intended(cls, verb: Verb, at: float, declared: Mapping[str, Any], **more: Any) -> "Operation":
        """Return the intent of a call that is about to be sent, with the declaration if the verb carries one."""
        return cls(verb, OpState.PENDING, at, declared=declared if verb in DECLARING else None, **more)

    def become(self, state: OpState, **changes: Any) -> "Operation":
        """Return the operation in its next state. Raises AssertionError if TRANSITIONS lacks the transition."""
        if state not in TRANSITIONS[self.state]:
            raise AssertionError(f"{self.verb} is {self.state}, and cannot become {state}")
        return replace(self, state=state, **changes)

    def not_after(self, now: float) -> "Operation":
        """Return the operation with times in the future set to `now`; itself without any."""
        times = (self.at, self.accepted_at, self.unapplied_since)
        if max(times) <= now + CLOCK_SKEW:
            return self
        at, accepted_at, unapplied_since = (min(one, now) for one in times)
        return replace(self, at=at, accepted_at=accepted_at, unapplied_since=unapplied_since)

    def closed(self) -> "Operation":
        """Return the operation without the members that matter only while the declaration may be in force."""
        return Operation(
            self.verb, self.state, self.at, self.scope, self.generation,
            object_id=self.object_id, accepted_at=self.accepted_at, updated=self.updated,
            attempts=self.attempts, error=self.error, error_class=self.error_class,
        )  # fmt: skip

    def folded_with(self, later: "Operation") -> "Operation":
        """Fold two unanswered operations: each of their declarations, tokens and versions may be in force."""
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
        """The declared tags."""
        return (self.declared or {}).get("tags") or {}

    @classmethod
    def read(cls, item: Item, declarations: Mapping[str, Any]) -> "Operation":
        """Read an operation from an item; `declarations` has every declaration of the record, by digest."""
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


def folded(
    operations: list[Operation],
    alike: list[Operation],
    most: int,
    fold: Callable[[Operation, Operation], Operation],
) -> list[Operation]:
    """Fold the two oldest operations in `alike` until at most `most` are left."""
    while len(alike) > most:
        first, second, *others = alike
        both = fold(first, second)
        operations = [both if op is second else op for op in operations if op is not first]
        alike = [both, *others]
    return operations
