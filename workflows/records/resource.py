"""The record of a resource in the ledger: the identity of the object at AWS, and the log of its operations.

Theory of operation. A record is frozen. Each event (second half of `ResourceRecord`) returns a new record, which the
run that holds the lease of the stack writes; nothing else changes a record. The ledger stores few facts:

- `object`: the id, ARN and outputs of the object that is this resource; None where no object is known.
- `deposed`: ids of earlier objects that reads no longer show and nobody saw deleted. An object that turns up under
  such an id still belongs to this stack.
- `incarnation`: counts the objects of this name: raised before every new creation, and part of the client token.
- `first_ready_generation`: since which generation the object may be in use, for rollbacks and replacement.
- `log`: the operations, see `log`.

Everything else is a query over the log: `last_applied` (the last declaration known to be in force), `last_accepted`
(accepted, not known to be in force), `unacknowledged` and `lingering` (may be in force because no answer came),
`attempts` (of a request), `created_generation` (for rollbacks), `normalized` (accepted forms).

The life of an operation: `begin` records the intent before the call is sent, so that a run that dies or a lost answer
leaves a record of every declaration that may be in force. The answer follows as `creation_accepted`,
`update_accepted`, `tags_accepted`, `deletion_accepted` or `synchronization_accepted`; `refused` where the call had no
effect; no event at all where the answer was lost, and the intent remains. `settled` follows once reads show the object
as declared: deposed ids are dropped, and the log closes earlier operations. Until then the dependencies of both
declarations are kept, should the update fail.

The end of an object: `gone` where the object is deleted, or no longer managed; `vanished` where reads no longer show
the object and no deletion explains that: the id becomes deposed. Both keep name, incarnation and attempts.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, Self

from workflows.document.compare import either
from workflows.kinds.observed import ObservedState, time_text
from workflows.records.declaration import Declaration, OnRemoval, RemoteObject, answer_of
from workflows.records.log import OperationLog
from workflows.records.operation import Operation, OpState, Verb

_MOST_SECRETS = 10


@dataclass(frozen=True)
class ResourceRecord:
    """The record of a resource. Times are seconds since the epoch."""

    address: str
    kind: str
    name: str
    parent: str | None = None
    object: RemoteObject | None = None
    #: The ids of earlier objects that reads no longer show and nobody saw deleted.
    deposed: tuple[str, ...] = ()
    #: Counts the objects of this name; raised before a creation, and part of the client token.
    incarnation: int = 0
    #: Whether the object was created by somebody else and imported by setting the owner tag.
    imported: bool = False
    #: The first generation in which the object was as declared; 0 where unknown, None where the object never was.
    first_ready_generation: int | None = None
    depends_on: tuple[str, ...] = ()
    on_removal: OnRemoval = field(default_factory=OnRemoval)
    #: The references of secrets that were sent: messages of the service may quote the values.
    secrets: tuple[str, ...] = ()
    #: Paths of members that no service model in force knows and that the service refused in an update.
    refused_members: tuple[str, ...] = ()
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
        """The id of the parent object."""
        return self.object.parent_id if self.object is not None else None

    @property
    def unconfirmed(self) -> tuple[str, ...]:
        """Paths of members that were taken as current at an adoption by tag (`RemoteObject`)."""
        return self.object.unconfirmed if self.object is not None else ()

    @property
    def outputs(self) -> Mapping[str, Any]:
        """The ids, ARNs and URLs of the object."""
        return self.object.outputs if self.object is not None else {}

    @property
    def exists(self) -> bool:
        """Whether an object may exist: an object is recorded, or the end of an operation is unknown."""
        return self.object is not None or self.log.intent is not None

    @property
    def ever_ready(self) -> bool:
        """Whether the object was ever as declared."""
        return self.first_ready_generation is not None

    @property
    def was_declared(self) -> bool:
        """Whether a run ever worked on the resource; an object that was only noted must not be removed."""
        return self.ever_ready or self.incarnation > 0 or self.log.intent is not None or self.last_applied is not None

    @property
    def last_applied(self) -> Mapping[str, Any] | None:
        """The last declaration that is known to have been in force."""
        return self.log.base.declared if self.log.base is not None else None

    @property
    def last_accepted(self) -> Mapping[str, Any] | None:
        """The declaration of the last accepted update, which is not known to be in force."""
        return self.log.last_update.declared if self.log.last_update is not None else None

    @property
    def lingering(self) -> Mapping[str, Any] | None:
        """The members that earlier operations may have left in force, folded."""
        return self.log.unanswered.declared if self.log.unanswered is not None else None

    @property
    def unacknowledged(self) -> tuple[Operation, ...]:
        """The unanswered operations that carry a declaration."""
        return self.log.pending

    @property
    def possibly_in_force(self) -> list[Mapping[str, Any]]:
        """Every declaration that may be in force: last accepted, last applied, folded, unanswered."""
        return self.log.possibly_in_force

    @property
    def ever_declared(self) -> Mapping[str, Any] | None:
        """The union of all declarations that are, were or may be in force: every member that we may have set."""
        order = (self.last_applied, self.last_accepted, self.lingering, *(op.declared for op in self.unacknowledged))
        united: Mapping[str, Any] | None = reduce(either, order)
        return united

    @property
    def tags_in_doubt(self) -> set[str]:
        """The keys of tags that unanswered operations may have set."""
        return {*self.log.tags_in_doubt, *(key for op in self.unacknowledged for key in op.tags)}

    @property
    def pending_tokens(self) -> set[str]:
        """The client tokens of unanswered creations."""
        return {token for op in self.unacknowledged for token in op.tokens}

    @property
    def pending_creation(self) -> Operation | None:
        """The creation that was begun last and has no answer (Crossplane: external-create-pending)."""
        found = self.log.intent
        return found if found is not None and found.verb is Verb.CREATE and self.object is None else None

    @property
    def deletion_begun(self) -> bool:
        """Whether a deletion was begun last: if the object is at rest since then, that deletion had no effect."""
        return self.log.intent is not None and self.log.intent.verb is Verb.DELETE

    @property
    def created_at(self) -> float:
        """When the service accepted the creation of the object; 0 where unknown."""
        made = self._creation
        return made.accepted_at if made is not None else 0.0

    @property
    def changed(self) -> str:
        """The service's time of our last change; empty after a later synchronization."""
        return self.log.updated

    @property
    def normalized(self) -> tuple[str, ...]:
        """Paths at which the service shows the declared value in an accepted form."""
        return self.log.base.normalized if self.log.base is not None else ()

    def attempts(self, scope: str) -> int:
        """Return how many attempts count for a scope: a request, or the rollback of a request."""
        return self.log.attempts(scope)

    def synchronizations(self, scope: str, since: float = math.inf) -> int:
        """Return how often the service accepted a synchronization for a scope, or for another scope after `since`."""
        last = self.log.synchronization
        return last.repeats if last is not None and (last.scope == scope or last.at >= since) else 0

    def refused_since(self, scope: str, error_class: str) -> float:
        """Return since when the service refuses changes with this error class in this scope; 0 without a refusal."""
        refusal = self.log.refusal
        same = refusal is not None and (refusal.scope, refusal.error_class) == (scope, error_class)
        return refusal.at if refusal is not None and same else 0.0

    def refused_while_pending(self, scope: str) -> frozenset[Verb]:
        """Return the verbs that the service refused in this scope because the resource waits for consent."""
        return frozenset(op.verb for op in self.log.refusals_while_pending if op.scope == scope)

    def repeats_creation(self, identity: str) -> bool:
        """Return whether a creation, given by its digest, repeats the unanswered creation that was begun last."""
        return self.pending_creation is not None and self.pending_creation.digest == identity

    def created_generation(self, *, ours: bool) -> int:
        """Return the generation in which this stack created the object; 0 for a foreign object or an unknown origin.

        An owned object of this name counts as created by the unanswered creation, if there is any.
        """
        pending, made = self.pending_creation, self._creation
        if not ours:
            return 0
        return pending.generation if pending is not None else (made.generation if made is not None else 0)

    def was_ready_by(self, generation: int) -> bool:
        """Return whether the object was as declared in this generation or earlier, and so may be in use."""
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
        """A creation is about to begin; unless the same creation is repeated (`again`), a new incarnation starts."""
        left = replace(self.vanished(now), log=self.log.before_creation(now))
        return replace(left, incarnation=self.incarnation + (not again), refused_members=())

    def refused(self) -> "ResourceRecord":
        """No unanswered operation had an effect."""
        return replace(self, log=self.log.refuse())

    def asked_for_consent(self, now: float) -> "ResourceRecord":
        """The object waits for the consent of a person; the first time under the present URL is kept."""
        known = self.object
        return replace(self, object=replace(known, asked_since=known.asked_since or now)) if known is not None else self

    def refused_in_update(self, paths: tuple[str, ...]) -> "ResourceRecord":
        """The service refused members in an update, and later updates are sent without them."""
        return replace(self, refused_members=tuple(sorted({*self.refused_members, *paths})))

    def claimed(self, observed: ObservedState) -> "ResourceRecord":
        """A repeated creation has proven that the object of this name belongs to this stack."""
        return replace(self, object=RemoteObject.of(observed, self.parent_id, self.object))

    def creation_accepted(
        self, intent: Operation, declaration: Declaration, observed: ObservedState, *, now: float, parent_id: str | None
    ) -> "ResourceRecord":
        """The service accepted a creation."""
        log = self.log.accept_creation(intent, **answer_of(observed, now), object_id=observed.id)
        made = replace(self._accepted(declaration), log=log, deposed=())
        return replace(made, object=RemoteObject.of(observed, parent_id, self.object))

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
        """The service accepted an update, not known to be in force yet; if it fails, an earlier declaration may be."""
        answer = {**answer_of(observed, now), "shown_before": shown_before}
        log = self.log.accept_update(intent, now, again=again, **answer)
        known = self.object.updated(intent.secret_versions) if self.object is not None else None
        return replace(self._accepted(declaration), log=log, object=known)

    def tags_accepted(
        self, intent: Operation, observed: ObservedState, *, now: float, imported: bool
    ) -> "ResourceRecord":
        """The service accepted the declared tags."""
        known = RemoteObject.of(observed, self.parent_id, self.object)
        return replace(self, log=self.log.accept_tags(intent, now), object=known, imported=imported)

    def to_be_deleted(self, observed: ObservedState) -> "ResourceRecord":
        """An observed object is about to be deleted."""
        return replace(self, object=RemoteObject.of(observed, self.parent_id, self.object))

    def deletion_accepted(self, scope: str) -> "ResourceRecord":
        """The service accepted a deletion, or found nothing to delete."""
        return replace(self, log=self.log.accept_deletion(scope))

    def deletion_refused(self) -> "ResourceRecord":
        """The service refused a deletion."""
        return replace(self, log=self.log.refuse_deletion())

    def deletion_failed(self, scope: str) -> "ResourceRecord":
        """A deletion had no effect, which counts as an attempt of `scope`."""
        return replace(self, log=self.log.refuse_deletion(attempt_of=scope))

    def synchronization_accepted(self, intent: Operation, repeats: int, *, attempt: bool) -> "ResourceRecord":
        """The service accepted a synchronization."""
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
        """The object is at rest and as declared, with the declaration in force."""
        by_name = observed.kind.id_member == "name"
        known = RemoteObject.of(observed, parent_id, self.object)
        known = replace(
            known,
            created=time_text(observed.body.get(observed.kind.created_member)) if by_name else "",
            compared=observed.updated,
            asked_since=0.0,
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

    def assuming(self, unconfirmed: tuple[str, ...]) -> "ResourceRecord":
        """Nobody has confirmed these members, which were taken as current at an adoption by tag."""
        return replace(self, object=replace(self.object, unconfirmed=unconfirmed)) if self.object else self

    def update_shown_otherwise(self, now: float) -> "ResourceRecord":
        """Reads of the object at rest do not show the values of the accepted update; the first such time is kept."""
        last = self.log.last_update
        if last is None or last.unapplied_since:
            return self
        return replace(self, log=self.log.change_update(lambda op: replace(op, unapplied_since=now)))

    def update_failed(self) -> "ResourceRecord":
        """The last update failed, so reads of the earlier values no longer prove that members were not cleared."""
        last = self.log.last_update
        if last is None or last.state is OpState.FAILED:
            return self
        failed = self.log.change_update(lambda op: op.become(OpState.FAILED, shown_before={}, repeats=0))
        return replace(self, log=failed)

    def refused_for_now(self, now: float, scope: str, *, verb: Verb = Verb.UPDATE, **why: Any) -> "ResourceRecord":
        """The service refused a change for a reason that is usually transient: `error_class` and `error`."""
        return replace(self, log=self.log.refuse_for_now(Operation(verb, OpState.REFUSED, now, scope, **why)))

    def not_after(self, now: float) -> "ResourceRecord":
        """Times in the future, which a wrong clock wrote, are set to now: waits that count from them begin now."""
        log = self.log.not_after(now)
        return self if log is self.log else replace(self, log=log)

    def with_removal(self, *, retain: bool, delete_endpoints: bool) -> "ResourceRecord":
        """The document sets how to remove the resource once no document declares the resource."""
        return replace(self, on_removal=replace(self.on_removal, retain=retain, delete_endpoints=delete_endpoints))

    def vanished(self, now: float) -> "ResourceRecord":
        """Reads no longer show the object, and nobody saw a deletion: the deposed id still belongs to this stack."""
        deposed = {*self.deposed, *([self.id] if self.id is not None else [])}
        return replace(self.gone(), log=self.log.vanish(now), deposed=tuple(sorted(deposed)))

    def gone(self) -> "ResourceRecord":
        """The object is deleted: name, incarnation and attempts of the current request remain."""
        left = ResourceRecord(self.address, self.kind, self.name, self.parent, unknown=self.unknown)
        return replace(left, incarnation=self.incarnation, log=self.log.end())

    def identified(self, observed: ObservedState, parent_id: str | None) -> "ResourceRecord":
        """An observed owned object is this resource; an object of another owner is identified only when imported."""
        if not observed.ours:
            return self
        log = self.log.identify(observed.id) if self.pending_creation is not None else self.log
        return replace(self, log=log, object=RemoteObject.of(observed, parent_id, self.object))

    def _accepted(self, declaration: Declaration) -> "ResourceRecord":
        """Return the record after an accepted call, with the earlier dependencies kept in case the operation fails."""
        depends_on = tuple(sorted({*self.depends_on, *declaration.depends_on}))
        return replace(self, depends_on=depends_on, on_removal=declaration.on_removal)

    def _secrets_with(self, declaration: Declaration) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.secrets, *sorted(declaration.secrets))))[-_MOST_SECRETS:]
