"""The record of one resource: which object it is, and the log of the operations that were sent for it.

A record changes by its events alone, and only here: each returns a new record, which the run that holds the stack's
lease writes. What else is known of the past is a query over the log: which declarations may be in force, how often a
request tried, which generation created the object, in which form the service shows a member.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, Self

from workflows.document.compare import either
from workflows.kinds.observed import ObservedState, time_text
from workflows.records.log import OperationLog
from workflows.records.operation import Operation, OpState, Verb

#: References of secrets that are kept of one resource.
_MOST_SECRETS = 10


@dataclass(frozen=True)
class OnRemoval:
    """What becomes of a resource once no document declares it."""

    retain: bool = False
    delete_endpoints: bool = False
    #: Members of the delete request, beside the address.
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Declaration:
    """What a document says of one resource, as it is recorded."""

    #: A fingerprint, without secrets.
    members: Mapping[str, Any]
    depends_on: tuple[str, ...] = ()
    #: The references of its secrets.
    secrets: tuple[str, ...] = ()
    on_removal: OnRemoval = OnRemoval()


@dataclass(frozen=True)
class RemoteObject:
    """The object at the service that a resource is."""

    id: str
    arn: str | None = None
    parent_id: str | None = None
    #: The service's time of its creation, for kinds whose id is their name: another time is another object.
    created: str = ""
    #: The service's time of its last change, when it was compared with its declaration last.
    compared: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ResourceRecord:
    """One resource. Times are seconds since the epoch."""

    address: str
    kind: str
    name: str
    parent: str | None = None
    object: RemoteObject | None = None
    #: The ids of earlier objects that reads do not show any more and nobody saw deleted.
    deposed: tuple[str, ...] = ()
    #: Counts the objects of this name; raised before a creation, and part of its client token.
    incarnation: int = 0
    #: Whether the owner tag was set on an object that somebody else had made.
    imported: bool = False
    #: The generation in which the object was as declared first; 0 where that is not known, None where it never was.
    first_ready_generation: int | None = None
    depends_on: tuple[str, ...] = ()
    on_removal: OnRemoval = OnRemoval()
    #: The references of secrets that were sent: messages of the service may quote their values.
    secrets: tuple[str, ...] = ()
    log: OperationLog = field(default_factory=OperationLog)
    #: Members of the stored item that this version does not know.
    unknown: Mapping[str, Any] = field(default_factory=dict, compare=False)

    # --- queries ----------------------------------------------------------------------------------------------------

    @property
    def id(self) -> str | None:
        """The id of the object; None where no object is known."""
        return self.object.id if self.object is not None else None

    @property
    def arn(self) -> str | None:
        """The ARN of the object."""
        return self.object.arn if self.object is not None else None

    @property
    def parent_id(self) -> str | None:
        """The id of the object inside which this one is."""
        return self.object.parent_id if self.object is not None else None

    @property
    def outputs(self) -> Mapping[str, Any]:
        """The ids, ARNs and URLs of the object."""
        return self.object.outputs if self.object is not None else {}

    @property
    def exists(self) -> bool:
        """Whether an object of this name may exist that this stack made."""
        return self.object is not None or self.log.intent is not None

    @property
    def ever_ready(self) -> bool:
        """Whether the object was as declared once."""
        return self.first_ready_generation is not None

    @property
    def was_declared(self) -> bool:
        """Whether a run ever worked on it; an object that was only noted is nobody's to remove."""
        return self.ever_ready or self.incarnation > 0 or self.log.intent is not None or self.last_applied is not None

    @property
    def last_applied(self) -> Mapping[str, Any] | None:
        """The last declaration that is known to have been in force."""
        return self.log.base.declared if self.log.base is not None else None

    @property
    def last_accepted(self) -> Mapping[str, Any] | None:
        """The declaration of an update that the service accepted and that is not known to be in force."""
        return self.log.last_update.declared if self.log.last_update is not None else None

    @property
    def lingering(self) -> Mapping[str, Any] | None:
        """The members that earlier operations may have left in force, folded."""
        return self.log.unanswered.declared if self.log.unanswered is not None else None

    @property
    def unacknowledged(self) -> tuple[Operation, ...]:
        """The operations with a declaration that had no answer."""
        return self.log.pending

    @property
    def possibly_in_force(self) -> list[Mapping[str, Any]]:
        """Every declaration that may be in force, the last certain one first."""
        return self.log.possibly_in_force

    @property
    def ever_declared(self) -> Mapping[str, Any] | None:
        """The members of every declaration that may be in force, or was and may have left some of them."""
        order = (self.last_applied, self.last_accepted, self.lingering, *(op.declared for op in self.unacknowledged))
        united: Mapping[str, Any] | None = reduce(either, order)
        return united

    @property
    def tags_in_doubt(self) -> set[str]:
        """The keys of tags that operations without an answer may have set."""
        return {*self.log.tags_in_doubt, *(key for op in self.unacknowledged for key in op.tags)}

    @property
    def pending_tokens(self) -> set[str]:
        """The client tokens of creations without an answer."""
        return {token for op in self.unacknowledged for token in op.tokens}

    @property
    def pending_creation(self) -> Operation | None:
        """The creation that was begun last and has no answer (Crossplane: external-create-pending)."""
        found = self.log.intent
        return found if found is not None and found.verb is Verb.CREATE and self.object is None else None

    @property
    def deletion_begun(self) -> bool:
        """Whether a deletion was begun last: an object that is at rest since then was not deleted by it."""
        return self.log.intent is not None and self.log.intent.verb is Verb.DELETE

    @property
    def created_at(self) -> float:
        """When the service accepted the creation of the object; 0 where that is not known."""
        made = self._creation
        return made.accepted_at if made is not None else 0.0

    @property
    def changed(self) -> str:
        """The service's time of our last change; empty where a synchronization came after that."""
        return self.log.updated

    @property
    def normalized(self) -> tuple[str, ...]:
        """Paths at which the service shows the declared value in an accepted form of its own."""
        return self.log.base.normalized if self.log.base is not None else ()

    def attempts(self, scope: str) -> int:
        """Return how many changes were begun for a request, or for its rollback."""
        return self.log.attempts(scope)

    def synchronizations(self, scope: str) -> int:
        """Return how often it was synchronized for a request."""
        last = self.log.synchronization
        return last.repeats if last is not None and last.scope == scope else 0

    def refused_since(self, scope: str, error_class: str) -> float:
        """Return since when the service refuses a change for this request and this reason; 0 where it does not."""
        refusal = self.log.refusal
        same = refusal is not None and (refusal.scope, refusal.error_class) == (scope, error_class)
        return refusal.at if refusal is not None and same else 0.0

    def repeats_creation(self, identity: str) -> bool:
        """Tell whether a creation is the one that was begun last and has no answer."""
        return self.pending_creation is not None and self.pending_creation.digest == identity

    def identifies(self, observed: ObservedState) -> bool:
        """Tell whether an object is the recorded one: by its id and, where that is a name, its time of creation."""
        if self.object is None or self.object.id != observed.id:
            return False
        created = time_text(observed.body.get(observed.kind.created_member))
        return observed.kind.id_member != "name" or (bool(self.object.created) and self.object.created == created)

    def created_generation(self, *, ours: bool) -> int:
        """Return the generation in which this stack made the object; 0: it did not, or nobody can tell.

        A creation without an answer made an object of its name that is known to be ours.
        """
        pending, made = self.pending_creation, self._creation
        if not ours:
            return 0
        return pending.generation if pending is not None else (made.generation if made is not None else 0)

    def was_ready_by(self, generation: int) -> bool:
        """Tell whether it was as declared in a generation or before, so that somebody may use it."""
        return self.first_ready_generation is not None and self.first_ready_generation <= generation

    @property
    def _creation(self) -> Operation | None:
        made = self.log.creation
        return made if made is not None and made.object_id == self.id else None

    @classmethod
    def noted(cls, address: str, name: str, parent: str | None, found: ObservedState, parent_id: str | None) -> Self:
        """Return the record of an object that was found and that no run worked on."""
        return cls(address, found.kind.section, name, parent, RemoteObject(str(found.id), found.arn, parent_id))

    # --- events -----------------------------------------------------------------------------------------------------

    def begin(self, intent: Operation, declaration: Declaration) -> "ResourceRecord":
        """An operation is about to be sent."""
        return replace(self, log=self.log.begin(intent), secrets=self._secrets_with(declaration))

    def before_creation(self, now: float, *, again: bool) -> "ResourceRecord":
        """A creation is about to begin: of another object, unless the same creation is repeated."""
        left = replace(self.vanished(now), log=self.log.before_creation(now))
        return replace(left, incarnation=self.incarnation + (not again))

    def refused(self) -> "ResourceRecord":
        """No operation without an answer had an effect."""
        return replace(self, log=self.log.refuse())

    def claimed(self, observed: ObservedState) -> "ResourceRecord":
        """The object of this name is this stack's, as a repeated creation showed."""
        return replace(self, object=self._object(observed, self.parent_id))

    def creation_accepted(
        self, intent: Operation, declaration: Declaration, observed: ObservedState, *, now: float, parent_id: str | None
    ) -> "ResourceRecord":
        """The service took a creation."""
        log = self.log.accept_creation(intent, **_answer(observed, now), object_id=observed.id)
        made = replace(self._accepted(declaration), log=log, deposed=())
        return replace(made, object=self._object(observed, parent_id))

    def update_accepted(
        self,
        intent: Operation,
        declaration: Declaration,
        observed: ObservedState,
        shown_before: Mapping[str, str],
        *,
        now: float,
        again: bool,
    ) -> "ResourceRecord":
        """The service took an update. It is not known to be in force yet; should it fail, an earlier one may be."""
        answer = {**_answer(observed, now), "shown_before": shown_before}
        log = self.log.accept_update(intent, now, again=again, **answer)
        compared = replace(self.object, compared="") if self.object is not None else None
        return replace(self._accepted(declaration), log=log, object=compared)

    def tags_accepted(
        self, intent: Operation, observed: ObservedState, *, now: float, imported: bool
    ) -> "ResourceRecord":
        """The tags are as declared."""
        known = self._object(observed, self.parent_id)
        return replace(self, log=self.log.accept_tags(intent, now), object=known, imported=imported)

    def to_be_deleted(self, observed: ObservedState) -> "ResourceRecord":
        """An observed object is about to be deleted."""
        return replace(self, object=self._object(observed, self.parent_id))

    def deletion_accepted(self, scope: str) -> "ResourceRecord":
        """The service took a deletion, or found nothing to delete."""
        return replace(self, log=self.log.accept_deletion(scope))

    def deletion_refused(self) -> "ResourceRecord":
        """The service did not take a deletion."""
        return replace(self, log=self.log.refuse_deletion())

    def deletion_failed(self, scope: str) -> "ResourceRecord":
        """A deletion came to nothing: that is an attempt."""
        return replace(self, log=self.log.refuse_deletion(attempt_of=scope))

    def synchronization_accepted(self, intent: Operation, repeats: int, *, attempt: bool) -> "ResourceRecord":
        """The service took a synchronization."""
        return replace(self, log=self.log.accept_synchronization(intent, repeats, attempt=attempt))

    def settled(
        self,
        declaration: Declaration,
        observed: ObservedState,
        *,
        now: float,
        generation: int,
        parent_id: str | None,
        versions: Mapping[str, str],
        normalized: tuple[str, ...],
    ) -> "ResourceRecord":
        """The object is at rest, as declared."""
        by_name = observed.kind.id_member == "name"
        known = self._object(observed, parent_id)
        known = replace(
            known,
            created=time_text(observed.body.get(observed.kind.created_member)) if by_name else "",
            compared=observed.updated,
            outputs={**known.outputs, **observed.outputs},
        )
        first = generation if self.first_ready_generation is None else self.first_ready_generation
        return replace(
            self,
            object=known, deposed=(), first_ready_generation=first,
            log=self.log.settle(declaration.members, now, versions=versions, normalized=normalized),
            depends_on=declaration.depends_on, on_removal=declaration.on_removal,
            secrets=self._secrets_with(declaration),
        )  # fmt: skip

    def update_shown_otherwise(self, now: float) -> "ResourceRecord":
        """Reads of the object at rest show other values than an accepted update was to set."""
        last = self.log.last_update
        if last is None or last.unapplied_since:
            return self
        return replace(self, log=self.log.change_update(lambda op: replace(op, unapplied_since=now)))

    def update_failed(self) -> "ResourceRecord":
        """The last update failed: that reads show the earlier values again says nothing then."""
        last = self.log.last_update
        if last is None or last.state is OpState.FAILED:
            return self
        failed = self.log.change_update(lambda op: op.become(OpState.FAILED, shown_before={}, repeats=0))
        return replace(self, log=failed)

    def refused_for_now(self, now: float, scope: str, *, error_class: str, error: str) -> "ResourceRecord":
        """A change is refused for a reason that passes as a rule."""
        refusal = Operation(Verb.UPDATE, OpState.REFUSED, now, scope, error=error, error_class=error_class)
        return replace(self, log=self.log.refuse_for_now(refusal))

    def with_removal(self, *, retain: bool, delete_endpoints: bool) -> "ResourceRecord":
        """The document says what becomes of it once it is not declared any more."""
        return replace(self, on_removal=replace(self.on_removal, retain=retain, delete_endpoints=delete_endpoints))

    def vanished(self, now: float) -> "ResourceRecord":
        """Reads do not show the object, and nobody saw it go: should it turn up, it is this stack's, as it was left."""
        deposed = {*self.deposed, *([self.id] if self.id is not None else [])}
        return replace(self.gone(), log=self.log.vanish(now), deposed=tuple(sorted(deposed)))

    def gone(self) -> "ResourceRecord":
        """The object is no more: the name, the incarnation and the attempts of the request under way are left."""
        left = ResourceRecord(self.address, self.kind, self.name, self.parent, unknown=self.unknown)
        return replace(left, incarnation=self.incarnation, log=self.log.end())

    def identified(self, observed: ObservedState, parent_id: str | None) -> "ResourceRecord":
        """An observed object is this resource. One that is about to be imported is known by its name until then."""
        if not observed.ours:
            return self
        log = self.log.identify(observed.id) if self.pending_creation is not None else self.log
        return replace(self, log=log, object=self._object(observed, parent_id))

    def _object(self, observed: ObservedState, parent_id: str | None) -> RemoteObject:
        """Return an observed object as it is recorded, with what is known of it."""
        before = self.object if self.object is not None and self.object.id == observed.id else None
        known = before or RemoteObject(str(observed.id))
        return replace(known, arn=observed.arn or known.arn, parent_id=parent_id)

    def _accepted(self, declaration: Declaration) -> "ResourceRecord":
        """Return the record after a creation or an update: should it fail, its earlier dependencies matter yet."""
        depends_on = tuple(sorted({*self.depends_on, *declaration.depends_on}))
        return replace(self, depends_on=depends_on, on_removal=declaration.on_removal)

    def _secrets_with(self, declaration: Declaration) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.secrets, *sorted(declaration.secrets))))[-_MOST_SECRETS:]


def _answer(observed: ObservedState, now: float) -> dict[str, Any]:
    """Return what an accepted operation keeps of its answer."""
    return {"accepted_at": now, "updated": time_text(observed.body.get(observed.kind.updated_member))}
