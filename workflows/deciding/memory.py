"""What the ledger remembers of one resource, and of one stack: read tolerantly, written whole.

A record changes by its events alone, which are methods here: everybody else holds frozen values and asks them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import reduce
from typing import Any

from infra.ledger import Item, Key
from workflows.deciding.state import Seen, time_text
from workflows.document.compare import either

#: The form of the items. A reader takes this and the one before: 1 knew no submitter but a text, and no consent.
SCHEMA = 2
#: Seconds after which a call without an answer arrives no more.
LATEST_ARRIVAL = 3600.0
#: References of secrets that are remembered of one resource.
_MOST_SECRETS = 10
#: Unanswered calls that one mark keeps.
_MOST_DOUBTS = 5
#: Actions whose calls carry a declaration.
_DECLARING = frozenset({"CREATE", "UPDATE", "TAG"})
#: Members that are lists in an item.
_TUPLES = ("waits_on", "forms", "secrets", "stale_tags", "former_ids")


class LedgerTooNew(OSError):  # noqa: N818 - it says what the ledger is
    """The ledger was written by a newer version, whose words this one does not know."""


def readable(item: Item) -> Item:
    """Return an item that this version can read. Raises LedgerTooNew."""
    if int(item.get("schema", 1)) > SCHEMA:
        message = f"the ledger has items of form {item['schema']}, and this version knows {SCHEMA}: upgrade it"
        raise LedgerTooNew(message)
    return item


def stack_key(partition: str) -> Key:
    """Return the key of a stack's own item."""
    return Key(partition, "stack")


def resource_key(partition: str, address: str) -> Key:
    """Return the key of a resource's item."""
    return Key(partition, f"resource#{address}")


def partition_of(account: str, region: str, stack: str) -> str:
    """Return the partition of a stack: one account and Region, one name."""
    return f"{account}/{region}/{stack}"


@dataclass(frozen=True)
class Declaration:
    """What a document says of one resource, as it is recorded: a fingerprint without secrets, and what goes with it."""

    members: Mapping[str, Any]
    waits_on: tuple[str, ...] = ()
    #: The references of its secrets.
    secrets: tuple[str, ...] = ()
    retain: bool = False
    delete_endpoints: bool = False
    #: Members of the delete request.
    ending: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Intent:
    """One mutating call that is about to be sent."""

    action: str
    #: Seconds since the epoch.
    at: float
    #: The request, or its rollback, for which it is sent.
    scope: str
    generation: int = 0
    token: str = ""
    #: A digest of what a creation is derived from: the same one is repeated under the same token.
    digest: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Memory:
    """One resource. Times are seconds since the epoch; `applied` is a fingerprint, without secrets."""

    address: str
    kind: str
    name: str
    parent: str | None = None
    parent_id: str | None = None
    id: str | None = None
    arn: str | None = None
    #: The generation in which it was made by us; 0: it was taken over.
    made_in: int = 0
    #: Counts the lives of this name; raised before anything is created again.
    incarnation: int = 0
    #: The mark of a mutating call that was about to go out: {"action", "at", "doubtful"}; the last is a list of
    #: {"declared", "versions", "token"?}.
    #: While it stands, nobody knows which of the doubtful declarations are in force.
    pending: Mapping[str, Any] | None = None
    applied: Mapping[str, Any] | None = None
    #: The fingerprint of an update that the service took and that is not known to be in force yet.
    sent: Mapping[str, Any] | None = None
    #: What was shown where that update was to change members, by path, as digests.
    stood: Mapping[str, str] = field(default_factory=dict)
    #: When the service accepted that update (seconds since the epoch), for which request, and how often it did;
    #: since when reads of the resource at rest show it otherwise, 0 where they do not.
    sent_at: float = 0.0
    unforced_since: float = 0.0
    sent_for: str = ""
    sent_times: int = 0
    #: Paths at which the service shows what is declared in an accepted form of its own.
    forms: tuple[str, ...] = ()
    #: The fingerprint of what updates before that set, which a failed one may leave in force.
    lingering: Mapping[str, Any] | None = None
    #: Until when that is kept: a call without an answer may still arrive.
    lingers_until: float = 0.0
    #: The ids of what bore this name, that reads do not show any more and nobody saw go.
    former_ids: tuple[str, ...] = ()
    waits_on: tuple[str, ...] = ()
    secret_versions: Mapping[str, str] = field(default_factory=dict)
    #: The references of secrets that were sent with it: what the service says of it may quote them.
    secrets: tuple[str, ...] = ()
    #: Creates, updates and deletions begun for a request or its rollback, and what the last failed one said.
    attempts: int = 0
    attempts_for: str = ""
    last_reason: str = ""
    #: Tags that an unanswered call may have set and that an update, which sends no tags, left in doubt.
    stale_tags: tuple[str, ...] = ()
    #: Since when the service refuses it for passing reasons, to which request; 0 when it does not.
    refused_since: float = 0.0
    refused_to: str = ""
    #: The last request for which it was synchronized, and how often.
    synchronized_for: str = ""
    synchronizations: int = 0
    #: The service's time of creation, for kinds whose id is their name: another one is another resource.
    created: str = ""
    created_at: float = 0.0
    #: Whether our tag was put on what somebody else had made.
    adopted: bool = False
    ever_ready: bool = False
    #: The generation in which it was as declared first; 0 where that is not known.
    ready_in: int = 0
    #: The service's own times, as text: when we last changed it, and its state when we last looked closely.
    changed: str = ""
    seen_updated: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    retain: bool = False
    delete_endpoints: bool = False
    #: Members of the delete request, as declared last.
    ending: Mapping[str, Any] = field(default_factory=dict)
    #: Members of the stored item that this version of the code does not know.
    unknown: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def read(cls, item: Item) -> "Memory":
        """Read an item, keeping what this code does not know."""
        readable(item)
        known = {one.name for one in fields(cls)} - {"unknown"}
        mine = {name: value for name, value in item.items() if name in known}
        mine |= {name: tuple(mine.get(name, ())) for name in _TUPLES}
        rest = {name: value for name, value in item.items() if name not in known}
        return cls(**mine, unknown=rest)

    def item(self) -> Item:
        """Return the item to store."""
        mine = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "unknown"}
        lists = {name: list(mine[name]) for name in _TUPLES}
        return {**self.unknown, **mine, **lists, "schema": SCHEMA}

    @property
    def declared_once(self) -> bool:
        """Whether a document that declared it was ever worked on; what was only taken note of is nobody's to remove."""
        return self.ever_ready or self.incarnation > 0 or self.pending is not None or self.applied is not None

    @property
    def exists(self) -> bool:
        """Whether something of this name may exist that we made."""
        return self.id is not None or self.pending is not None

    @property
    def in_doubt_since(self) -> float | None:
        """When a creation was begun that has no answer yet; None where there is none."""
        mark = self.pending or {}
        return float(mark.get("at", 0.0)) if mark.get("action") == "CREATE" and self.id is None else None

    def identifies(self, seen: Seen) -> bool:
        """Whether what is seen is what this ledger knows: by its id and, where that is a name, its time of creation."""
        if self.id is None or self.id != seen.id:
            return False
        created = time_text(seen.body.get(seen.kind.created_member))
        return seen.kind.id_member != "name" or (bool(self.created) and self.created == created)

    @property
    def deletion_begun(self) -> bool:
        """Whether a deletion was marked last; what is seen since then, at rest, it did not delete."""
        return (self.pending or {}).get("action") == "DELETE"

    def undeleted(self) -> "Memory":
        """Return the memory without its mark of a deletion; what had no answer before is as doubtful as it was."""
        return replace(self, pending={**(self.pending or {}), "action": "UPDATE"} if self.doubtful else None)

    def born(self, *, ours: bool) -> int:
        """Return the generation in which what is seen was made by us; 0: it was there, or nobody can tell.

        A creation without an answer is ours once what bears its name is known to be.
        """
        if self.in_doubt_since is None:
            return self.made_in if ours else 0
        return int((self.pending or {}).get("generation", 0)) if ours else 0

    def was_ready_by(self, generation: int) -> bool:
        """Whether it was as declared in a generation or before, so that somebody may use it."""
        return self.ever_ready and self.ready_in <= generation

    @property
    def doubtful(self) -> list[Mapping[str, Any]]:
        """What was sent without an answer: each declaration's fingerprint and its secrets' versions."""
        return list((self.pending or {}).get("doubtful", ()))

    @property
    def doubtful_tokens(self) -> set[str]:
        """The client tokens of creations without an answer."""
        return {one["token"] for one in self.doubtful if "token" in one}

    @property
    def doubtful_tags(self) -> set[str]:
        """The keys of tags that unanswered calls may have set."""
        return {*self.stale_tags, *(key for one in self.doubtful for key in one["declared"].get("tags") or {})}

    @property
    def ever_declared(self) -> Mapping[str, Any] | None:
        """The members of every declaration that may be in force, or was and may have left some of them."""
        known = (self.applied, self.sent, self.lingering, *(one["declared"] for one in self.doubtful))
        united: Mapping[str, Any] | None = reduce(either, known)
        return united

    def repeats_creation(self, digest: str) -> bool:
        """Whether a creation is the one that was begun last and has no answer."""
        mark = self.pending or {}
        return mark.get("action") == "CREATE" and mark.get("digest") == digest

    @property
    def may_be_in_force(self) -> list[Mapping[str, Any]]:
        """The fingerprints of every declaration that may be in force, the last certain one first."""
        certain = [one for one in (self.sent, self.applied) if one is not None]
        lingering = [self.lingering] if self.lingering is not None else []
        return [*certain, *lingering, *(one["declared"] for one in self.doubtful)]

    def tries(self, what: str) -> int:
        """Return how many changes were begun for a request, or for its rollback."""
        return self.attempts if self.attempts_for == what else 0

    def trying(self, what: str) -> "Memory":
        """Return the memory with one more try counted."""
        return replace(self, attempts=self.tries(what) + 1, attempts_for=what)

    # --- events -----------------------------------------------------------------------------------------------------

    def begun(self, intent: Intent, declaration: Declaration) -> "Memory":
        """Record an intent before its call is sent; earlier ones that had no answer are kept in it."""
        doubt: dict[str, Any] = {"declared": declaration.members, "versions": dict(intent.versions)}
        doubt |= {"token": intent.token} if intent.token else {}
        doubtful = [one for one in self.doubtful if one != doubt]
        doubtful += [doubt] if intent.action in _DECLARING else []
        pending: dict[str, Any] = {"action": intent.action, "at": intent.at, "doubtful": doubtful[-_MOST_DOUBTS:]}
        if intent.action == "CREATE":
            pending |= {"digest": intent.digest, "generation": intent.generation}
            pending |= {"token": intent.token} if intent.token else {}
        return replace(self, pending=pending, secrets=self._secrets_with(declaration))

    def before_creation(self, now: float, *, again: bool) -> "Memory":
        """Return the record on which a creation is begun: a life of its own, unless the same one is repeated."""
        left = replace(self.vanished(now), refused_since=self.refused_since, refused_to=self.refused_to)
        return replace(left, incarnation=self.incarnation + (not again), pending=self.pending)

    def refused(self) -> "Memory":
        """The last intent had no effect."""
        return replace(self, pending=None)

    def claimed(self, seen: Seen) -> "Memory":
        """What bears the name is this stack's, as a repeated creation showed."""
        return replace(self, id=seen.id, arn=seen.arn)

    def creation_accepted(
        self, intent: Intent, declaration: Declaration, seen: Seen, *, now: float, parent_id: str | None
    ) -> "Memory":
        """The service took a creation."""
        return replace(
            self._accepted(intent, declaration, seen),
            id=seen.id, arn=seen.arn, created_at=now, parent_id=parent_id, made_in=intent.generation,
            applied=declaration.members, lingering=None, lingers_until=0.0, former_ids=(),
        )  # fmt: skip

    def update_accepted(
        self, intent: Intent, declaration: Declaration, seen: Seen, stood: Mapping[str, str], *, now: float, again: bool
    ) -> "Memory":
        """The service took an update. It is not known to be in force yet; should it fail, an earlier one may be."""
        before = self.lingering_with(now, self.sent)
        return replace(
            self._accepted(intent, declaration, seen),
            lingering=before.lingering, lingers_until=before.lingers_until,
            stale_tags=tuple(sorted(self.doubtful_tags)),
            sent=declaration.members, stood=self.stood if again else stood, sent_at=now, unforced_since=0.0,
            sent_for=intent.scope, sent_times=self.sent_times + 1 if again else 1,
        )  # fmt: skip

    def tags_set(self, declaration: Declaration, seen: Seen, *, adopted: bool) -> "Memory":
        """The tags are as declared."""
        known = replace(self, id=seen.id, arn=seen.arn, pending=None, stale_tags=(), adopted=adopted)
        if known.applied is None:
            return known
        return replace(known, applied={**known.applied, "tags": declaration.members.get("tags") or {}})

    def to_be_deleted(self, seen: Seen) -> "Memory":
        """Record which resource is to be deleted, and why it had failed."""
        return replace(self, id=seen.id, last_reason=seen.reasons or self.last_reason)

    def deletion_accepted(self, intent: Intent) -> "Memory":
        """The service took a deletion."""
        return replace(self.trying(intent.scope), refused_since=0.0)

    def synchronization_accepted(self, intent: Intent, times: int, *, counted: bool) -> "Memory":
        """The service took a synchronization, which says nothing of what else is in doubt."""
        known = self.trying(intent.scope) if counted else self
        pending = self.pending if self.doubtful else None
        return replace(known, pending=pending, changed="", synchronized_for=intent.scope, synchronizations=times)

    def settled(
        self, declaration: Declaration, seen: Seen, *, now: float, generation: int, parent_id: str | None,
        versions: Mapping[str, str], forms: tuple[str, ...],
    ) -> "Memory":  # fmt: skip
        """The resource is at rest, as declared."""
        known = self.lingering_with(now)
        if now > known.lingers_until:
            known = replace(known, lingering=None, lingers_until=0.0)
        by_name = seen.kind.id_member == "name"
        return replace(
            known,
            id=seen.id, arn=seen.arn, parent_id=parent_id, pending=None, applied=declaration.members,
            sent=None, sent_at=0.0, unforced_since=0.0, sent_for="", sent_times=0, stood={}, forms=forms,
            refused_since=0.0, former_ids=(),
            created=time_text(seen.body.get(seen.kind.created_member)) if by_name else "",
            ending=declaration.ending, waits_on=declaration.waits_on,
            secret_versions={**versions, **known.secret_versions}, secrets=self._secrets_with(declaration),
            ever_ready=True, ready_in=known.ready_in if known.ever_ready else generation,
            seen_updated=seen.updated, outputs={**known.outputs, **seen.outputs},
            retain=declaration.retain, delete_endpoints=declaration.delete_endpoints,
        )  # fmt: skip

    def shown_otherwise(self, now: float) -> "Memory":
        """Reads at rest show otherwise what an accepted update was to set."""
        return replace(self, unforced_since=now) if self.sent is not None and not self.unforced_since else self

    def update_failed(self) -> "Memory":
        """The last update failed: that what was there before is there again says nothing then."""
        return replace(self, stood={}, sent_for="", sent_times=0) if self.sent_for else self

    def refused_for_now(self, now: float, scope: str, reason: str) -> "Memory":
        """A change is refused for a reason that passes as a rule."""
        if self.refused_since and self.refused_to == scope:
            return self
        return replace(self, refused_since=now, refused_to=scope, last_reason=reason)

    def to_be_removed(self, *, retain: bool, delete_endpoints: bool) -> "Memory":
        """Record what becomes of it once it leaves the document."""
        return replace(self, retain=retain, delete_endpoints=delete_endpoints)

    def vanished(self, now: float) -> "Memory":
        """Reads do not show it, and nobody saw it go: should it turn up, it is this stack's, as it was left."""
        ids = {*self.former_ids, *([self.id] if self.id else [])}
        lingering = reduce(either, self.may_be_in_force, None)
        until = now + LATEST_ARRIVAL if lingering is not None else 0.0
        return replace(self.gone(), lingering=lingering, lingers_until=until, former_ids=tuple(sorted(ids)))

    def identified(self, seen: Seen, parent_id: str | None) -> "Memory":
        """What is seen is this resource. What is about to be taken over is known by its name until it is tagged."""
        known = replace(self, made_in=self.born(ours=seen.ours))
        return replace(known, id=seen.id, arn=seen.arn or self.arn, parent_id=parent_id) if seen.ours else known

    def lingering_with(self, now: float, *more: Mapping[str, Any] | None) -> "Memory":
        """Keep what calls without an answer declared: they may arrive later yet."""
        doubtful = [one["declared"] for one in self.doubtful]
        until = now + LATEST_ARRIVAL if doubtful else self.lingers_until
        return replace(self, lingering=reduce(either, (self.lingering, *more, *doubtful)), lingers_until=until)

    def _accepted(self, intent: Intent, declaration: Declaration, seen: Seen) -> "Memory":
        """Record what holds for every create and update that the service took."""
        return replace(
            self.trying(intent.scope),
            pending=None, refused_since=0.0,
            # Should it fail, what it needed before it may need yet.
            waits_on=tuple(sorted({*self.waits_on, *declaration.waits_on})),
            secret_versions={**self.secret_versions, **intent.versions},
            changed=time_text(seen.body.get(seen.kind.updated_member)), seen_updated="",
            retain=declaration.retain, delete_endpoints=declaration.delete_endpoints, ending=declaration.ending,
        )  # fmt: skip

    def _secrets_with(self, declaration: Declaration) -> tuple[str, ...]:
        """Return the references of the secrets that were sent for it, with those that are declared now."""
        return tuple(dict.fromkeys((*self.secrets, *sorted(declaration.secrets))))[-_MOST_SECRETS:]

    def gone(self) -> "Memory":
        """Return what is left when the resource is no more: its name and its lives, so that none is taken twice."""
        return Memory(
            address=self.address,
            kind=self.kind,
            name=self.name,
            parent=self.parent,
            incarnation=self.incarnation,
            attempts=self.attempts,
            attempts_for=self.attempts_for,
            last_reason=self.last_reason,
            unknown=self.unknown,
        )
