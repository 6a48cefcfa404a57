"""The state of one run: desired state, observed state and record of each resource."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import anyio

from infra.aws import Calls
from infra.deadline import Deadline
from infra.errors import CallFailed, ErrorClass, OutOfTime
from infra.secrets import SecretReference
from infra.watch import InFlightLimiter, Watch
from workflows.document import references
from workflows.document.problems import Problem, path_text
from workflows.document.references import Reference
from workflows.document.stack import Deletion, Options, Resource
from workflows.kinds import Kind, children
from workflows.kinds.observed import ObservedState
from workflows.planner.decision import ROLLBACK_DELETABLE, VISIBLE_WITHIN, DesiredState, Provenance
from workflows.reconcile.graph import Node
from workflows.reconcile.observe import Observer
from workflows.reconcile.session import StackSession
from workflows.records.identity import recognizes
from workflows.records.request_state import Mode
from workflows.records.resource import ResourceRecord
from workflows.requests.context import Context, Progress

#: The limit on operations in flight for kinds that the service does not limit.
_ANY_NUMBER = 1_000_000


@dataclass
class Run:
    """One run over one stack."""

    context: Context
    calls: Calls
    session: StackSession
    mode: Mode
    stack: str
    account: str
    request_id: str = ""
    allow: frozenset[str] = frozenset()
    #: Whether only what is approved is deleted or replaced (DesiredState.only_approved).
    only_approved: bool = False
    #: In a rollback: the generation to restore.
    rollback_generation: int | None = None
    #: The section to work on; empty: the whole document.
    stage: str = ""
    #: Whether a resource without record is adopted because of its owner tag.
    adopts_by_tag: bool = True
    #: Whether the secrets of resources that do not exist yet are looked up too: a plan says that one is missing.
    looks_ahead: bool = False
    #: Whether a schedule or an event began the run, and not a new request.
    unattended: bool = False
    #: In a removal: section and id of the resources that other stacks of this ledger have.
    elsewhere: frozenset[tuple[str, str]] = frozenset()
    #: Section and id of the resources that this run has deleted, or found gone.
    deleted: set[tuple[str, str]] = field(default_factory=set)
    nodes: dict[str, Node] = field(default_factory=dict)
    observed: dict[str, ObservedState | None] = field(default_factory=dict)
    unmanaged: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: Gateways whose targets are known: listed, or absent because the gateway was just created.
    listed: set[str] = field(default_factory=set)
    #: Errors that keep a resource from being observed, such as a missing permission.
    observation_errors: dict[str, CallFailed | OutOfTime] = field(default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)
    secret_versions: dict[SecretReference, str] = field(default_factory=dict)
    #: The secrets registered for redaction; a secret that could not be read counts too, and is not tried again.
    known_secrets: set[SecretReference] = field(default_factory=set)
    #: Of these, the secrets that could not be read; the version ids that were; and by address the secrets of which a
    #: version that was sent cannot be read (`reasons`).
    unreadable_secrets: set[SecretReference] = field(default_factory=set)
    read_versions: set[str] = field(default_factory=set)
    known_versions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: Held while secrets are read, so that no task uses a reason before redaction knows the quoted secrets.
    secrets_lock: anyio.Lock = field(default_factory=anyio.Lock)
    _slots: dict[tuple[str, str], InFlightLimiter] = field(default_factory=dict)
    _watches: dict[tuple[str, str], Watch[ObservedState]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.observer = Observer(self.calls, self.stack)

    @property
    def deadline(self) -> Deadline:
        """The deadline of this run."""
        return self.calls.deadline

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self.context.now().timestamp()

    @property
    def target_generation(self) -> int:
        """The generation to which a creation belongs: the restored generation in a rollback."""
        return self.session.generation if self.rollback_generation is None else self.rollback_generation

    @property
    def synchronized_since(self) -> float:
        """Since when a synchronization of another request serves this synchronization as well; infinite: none does."""
        state = self.session.stack.state_of(self.request_id, self.mode)
        since = state.accepted_at if state is not None and self.mode is Mode.SYNCHRONIZE else 0.0
        return since or math.inf

    @property
    def retry_scope(self) -> str:
        """The scope in which attempts and refusals count: the request, or the rollback of the request."""
        return self.request_id if self.rollback_generation is None else f"{self.request_id} rollback"

    def learn(self, address: str, observed: ObservedState | None) -> ObservedState | None:
        """Store and return the observed state of a resource; None: the resource does not exist."""
        self.observed[address] = observed
        return observed

    def tell(self, address: str, event: str, detail: str = "") -> None:
        """Report progress."""
        self.context.progress(Progress(address, event, detail))

    def warn(self, address: str, rule: str, message: str) -> None:
        """Add a warning to the outcome; a warning stops nothing."""
        self.warnings.append(Problem(address, rule, message))

    def warn_of_forms(self, address: str, paths: tuple[str, ...]) -> None:
        """Warn of paths at which the service shows the declared value in a normalized form."""
        if paths:
            message = f"the service shows {', '.join(paths)} in another form of the declared value"
            self.warn(address, "shown-otherwise", message)

    def record(self, address: str) -> ResourceRecord:
        """Return the record of a resource; if the parent is gone or was replaced, the record of a deleted resource."""
        node = self.nodes[address]
        record = self.session.of(address, node.kind.section, node.name, node.parent)
        observed = self.observed.get(address)
        if observed is not None and observed.by_tag and not recognizes(record, observed):
            # Nothing that is recorded of another object holds for this one.
            return record.gone()
        parent, above = self.parent_id(address), node.parent
        replaced = parent is not None and record.parent_id != parent
        gone = parent is None and above is not None and above in self.observed
        return record.gone() if record.parent_id is not None and (replaced or gone) else record

    def parent_id(self, address: str) -> str | None:
        """Return the id of a resource's parent."""
        parent = self.nodes[address].parent
        if parent is None:
            return None
        observed = self.observed.get(parent)
        return observed.id if observed is not None else self.session.of(parent, "", "", None).id

    def going(self, address: str) -> DesiredState:
        """Return the desired state "absent", even for a declared resource: the parent is being replaced."""
        options = Options(deleteEndpoints=self.nodes[address].options.delete_endpoints)
        desired = replace(self.desired(address), declared=None, options=options, mode=Mode.REMOVE)
        return replace(desired, needs_allow=False, provenance=None, unrecorded=False)

    def _staying(self, address: str) -> tuple[str, ...]:
        """Return the names of existing children that a deletion of the resource must not delete."""
        if not children(self.nodes[address].kind):
            return ()
        inside = [node for node in self.nodes.values() if node.parent == address and self.observed.get(node.address)]
        return tuple(sorted(node.name for node in inside if self._stays(node)))

    def _stays(self, node: Node) -> bool:
        """Return whether a resource is only looked up, retained, or not deletable by a rollback."""
        if node.options.existing or node.wanted:
            return node.options.existing
        provenance = self._provenance_of(node.address)
        if provenance is not None and provenance not in ROLLBACK_DELETABLE:
            return True
        return node.options.deletion is Deletion.RETAIN and provenance is not Provenance.FAILED_GENERATION

    def _provenance_of(self, address: str) -> Provenance | None:
        """Return the provenance of a resource in a rollback; None outside a rollback."""
        if (restored := self.rollback_generation) is None:
            return None
        observed = self.observed.get(address)
        record, ours = self.record(address), observed is None or observed.ours
        born = record.created_generation(ours=ours)
        if not born:
            # A resource that was imported before the failed generation is the stack's own since then.
            return Provenance.PRE_EXISTING if ours and record.was_ready_by(restored) else Provenance.FOREIGN
        # In a stack that was never READY, nobody can depend on a resource that was never READY, however old.
        if born <= restored and (self.mode is Mode.PROVISION or record.was_ready_by(restored)):
            return Provenance.PRE_EXISTING
        return Provenance.FAILED_GENERATION if born == self.session.generation else Provenance.LATER_GENERATION

    def desired(self, address: str) -> DesiredState:
        """Return the desired state of a resource, with references resolved from the observed states."""
        node = self.nodes[address]
        declared = self.resolved(node.resource) if node.resource is not None else None
        for name in self.withheld(address):
            (declared or {}).pop(name, None)
        record = self.record(address)
        provenance = self._provenance_of(address)
        options = node.options
        if self.mode is Mode.REMOVE and (observed := self.observed.get(address)) is not None and observed.by_tag:
            retained = observed.arn in self.session.stack.retained
            options = options.model_copy(update={"deletion": Deletion.RETAIN}) if retained else options
        return DesiredState(
            address=address,
            kind=node.kind,
            name=node.name,
            declared=declared,
            options=options,
            mode=self.mode,
            retry_scope=self.retry_scope,
            stack=self.stack,
            needs_allow=self.only_approved or node.parent is None or not self.nodes[node.parent].wanted,
            allowed=bool(self.allow & {address, node.parent}) or provenance in ROLLBACK_DELETABLE,
            only_approved=self.only_approved,
            generation=self.target_generation,
            provenance=provenance,
            synchronizations=record.synchronizations(self.retry_scope, self.synchronized_since),
            secret_versions=self.versions_of(node.resource),
            unmanaged=() if node.options.delete_endpoints else self.unmanaged.get(address, ()),
            staying=self._staying(address),
            gone=node.gone_id is not None and node.gone_id == record.id,
            delete_parameters=_delete_parameters(node, record),
            unrecorded=self._is_unrecorded(node, record),
            unattended=self.unattended,
            now=self.now() + node.ahead,
        )

    def _is_unrecorded(self, node: Node, record: ResourceRecord) -> bool:
        """Return whether only a tag, or a parent that is looked up, says that a resource to delete is this stack's.

        Neither proves that this stack made the resource. A child under a resource of this stack is its own.
        """
        observed = self.observed.get(node.address)
        if self.mode is not Mode.REMOVE or node.wanted or observed is None or node.options.existing:
            return False
        retained = node.options.deletion is Deletion.RETAIN or observed.arn in self.session.stack.retained
        if retained or (node.kind.section, str(observed.id)) in self.elsewhere:
            return False
        if node.parent is None:
            return observed.by_tag and not node.options.adopt
        return self.nodes[node.parent].options.existing and not recognizes(record, observed)

    def withheld(self, address: str) -> tuple[str, ...]:
        """Return the declared members of a resource that the service does not take yet; a list may not show enough."""
        node, observed = self.nodes[address], self.observed.get(address)
        if node.resource is None or (observed is not None and not observed.full):
            return ()
        return node.kind.withheld(node.resource.declared, observed.body if observed is not None else {})

    def resolved(self, resource: Resource) -> dict[str, Any]:
        """Return a declaration in which references with a known value are resolved; the rest stay as written."""
        values = {reference.text: self.value_of(reference) for reference in resource.references}

        def look_up(expression: str) -> str:
            value = values.get(expression)
            return f"${{{expression}}}" if value is None else str(value)

        return resource.kind.with_defaults(references.resolve(resource.declared, resource.kind.payloads, look_up))

    def value_of(self, reference: Reference) -> Any:
        """Return the current value of a reference; None: not known."""
        if reference.address == references.AWS:
            aws = self.calls.aws
            here = {"accountId": self.account, "region": aws.region, "partition": aws.partition}
            return here.get(reference.member[0])
        observed = self.observed.get(reference.address)
        value: Any = observed.body if observed is not None else None
        for name in reference.member:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    def secrets_of(self, resource: Resource | None) -> dict[str, SecretReference]:
        """Return the secret references of a declaration by path."""
        return self.secrets_in(resource.kind, resource.declared) if resource is not None else {}

    def secrets_in(self, kind: Kind, declared: Mapping[str, Any]) -> dict[str, SecretReference]:
        """Return the secret references of a kind's declaration by path, also of a resource that is to be deleted."""
        found = kind.secret_texts(declared) if kind.secrets else {}
        parsed = {path_text(path): SecretReference.parse(text) for path, text in found.items()}
        return {path: reference for path, reference in parsed.items() if reference is not None}

    def versions_of(self, resource: Resource | None) -> dict[str, str]:
        """Return the current version ids of a declaration's secrets by path, as far as they were read."""
        found = self.secrets_of(resource)
        return {path: self.secret_versions[ref] for path, ref in found.items() if ref in self.secret_versions}

    def watch(self, address: str) -> Watch[ObservedState]:
        """Return the watch that polls a resource; children of the same kind and parent share a watch."""
        node = self.nodes[address]
        place = (node.parent, node.kind.section) if node.parent is not None else (address, "")
        if place not in self._watches:
            poll = self._poll_children if node.parent is not None else self._poll_one
            on_look = self._counting(node) if node.parent is not None else _ignore
            self._watches[place] = Watch(partial(poll, node.kind, place[0]), self.deadline, on_look)
        return self._watches[place]

    def slots(self, node: Node) -> InFlightLimiter:
        """Return the limiter of operations in flight for the kind and parent of a resource."""
        place = (node.parent or "", node.kind.section)
        return self._slots.setdefault(place, InFlightLimiter(node.kind.in_flight or _ANY_NUMBER))

    async def _poll_one(self, kind: Kind, address: str) -> Mapping[str, ObservedState]:
        observed = self.observed.get(address)
        identity = observed.id if observed is not None and observed.id else self.record(address).id
        found = await self.observer.look(kind, identity, None) if identity else None
        return {} if found is None else {self.nodes[address].name: found}

    async def _poll_children(self, kind: Kind, parent: str) -> Mapping[str, ObservedState]:
        observed = self.observed.get(parent)
        if observed is None or not observed.id:
            return {}
        try:
            return await self.observer.children(kind, observed.id, self._recorded_ids(kind, parent))
        except CallFailed as failed:
            if failed.error_class is not ErrorClass.GONE:
                raise
            if self.now() - self.record(parent).created_at < VISIBLE_WITHIN:
                return {}
            # The parent existed a moment ago; the next run observes the parent again.
            raise CallFailed(failed.operation, ErrorClass.BUSY, failed.code, failed.message) from None

    def _recorded_ids(self, kind: Kind, parent: str) -> frozenset[str | None]:
        """Return the ids, present and deposed, that the ledger records of children of a kind."""
        known = [one for one in self.session.records.values() if (one.kind, one.parent) == (kind.section, parent)]
        return frozenset(identity for one in known for identity in (one.id, *one.deposed) if identity)

    def _counting(self, node: Node) -> Any:
        def count(observed: Mapping[str, ObservedState]) -> None:
            self.slots(node).seen({name for name, one in observed.items() if one.moving})

        return count


def _delete_parameters(node: Node, record: ResourceRecord) -> Mapping[str, Any]:
    """Return the parameters of a deletion beside the address: as declared, else as last applied."""
    declared = {name: v for name, v in node.declared.items() if name in node.kind.delete_parameters}
    return declared or record.on_removal.parameters


def _ignore(observed: Mapping[str, ObservedState]) -> None:
    del observed
