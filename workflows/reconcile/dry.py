"""The dry executor: a plan is made of the planner's own decisions, projected without a change at the service.

`workflows.planning` builds a run as an apply would, observes the stack, and drives every resource through the same
loop as a run (`drive`), with this executor. Reads go to the service. A change is not sent: `project` returns the
observed state and the record that the step would leave, both are stored in the run, and the planner decides again
from there. The plan of a resource is the first decision about the resource, with the values that would change, and
all changing calls that follow (`Steps`).

Invariants:

- No changing call is sent and no lease is taken; records change in memory alone (`UnwrittenRecords`).
- Secrets are compared by version id. A value is read only to mask the value in the service's reason for a failure.
- A plan never waits. `pause` returns at once, `wait` projects the end of the operation, and `read` moves the clock of
  the resource ahead (`Node.ahead`), so that the planner does not wait for reads that lag.
- One read by the recorded id shows a resource to be gone, where a run asks for two: a plan deletes nothing.
- A reference to a resource that does not exist yet stays as written.
- A refused call is a planned failure of the resource. Refused credentials or a lack of time end the whole plan.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from infra.errors import CALLER_ERRORS, CallFailed, OutOfTime
from workflows.planner.decide import decide
from workflows.planner.decision import CHANGES, DESTRUCTIVE, VISIBLE_WITHIN, Action, Decision, DesiredState, State
from workflows.planner.differences import Change, carried_by, changes, created_by
from workflows.planner.outcome import ResourceStatus, Result
from workflows.planner.projection import project
from workflows.reconcile.executor import Executor
from workflows.reconcile.graph import Node
from workflows.reconcile.results import result_of
from workflows.reconcile.run import Run
from workflows.reconcile.session import StackEvent, StackSession
from workflows.reconcile.waiting import look
from workflows.records.resource import ResourceRecord


class UnwrittenRecords(StackSession):
    """The records of a plan, which change in memory alone."""

    async def store(self, record: ResourceRecord) -> None:
        """Store a record in memory, and write nothing."""
        self.records[record.address] = record

    async def change(self, event: StackEvent) -> None:
        """Apply an event to the record of the stack in memory."""
        self.stack = event(self.stack)


@dataclass
class Steps:
    """The decisions about a resource, and all changing calls that follow.

    `first` may only read or wait; `shown` is the first decision that changes the resource, or else the first.
    """

    first: Decision
    shown: Decision
    changes: tuple[Change, ...] = ()
    calls: list[str] = field(default_factory=list)
    #: Paths of members that the update repeats as the service shows them.
    carried: tuple[str, ...] = ()
    #: The declaration that a creation sends, with its secrets masked.
    values: Mapping[str, Any] = field(default_factory=dict)
    #: Whether a run does this only if the request approves the address.
    needs_approval: bool = False
    #: The id of the resource that the decision is about; None where none exists.
    id: str | None = None


class DryExecutor(Executor):
    """Projects the steps of a run."""

    def __init__(self, run: Run, approved: Container[str] = frozenset()) -> None:
        """`approved`: what the request approves. `run.allow` has more where a plan assumes approvals."""
        super().__init__(run)
        self.approved = approved
        self.steps: dict[str, Steps] = {}

    def decided(self, node: Node, state: State, decision: Decision) -> None:
        """Store the first decisions about a resource, with the values that would change."""
        steps = self.steps.get(node.address)
        if steps is None or (steps.shown.action not in CHANGES and decision.action in CHANGES):
            changed = changes(state.desired, state.observed, state.record, decision.paths)
            first, calls = (decision, []) if steps is None else (steps.first, steps.calls)
            carried, values = carried_by(state, decision), created_by(state, decision)
            identity = state.observed.id if state.observed is not None else None
            needs, known = self._needs_approval(node, state, decision), identity or state.record.id
            self.steps[node.address] = Steps(first, decision, changed, calls, carried, values, needs, known)

    def _needs_approval(self, node: Node, state: State, decision: Decision) -> bool:
        """Return whether the planner decides otherwise without an approval, and the request does not approve it."""
        if decision.action not in DESTRUCTIVE or node.address in self.approved or node.parent in self.approved:
            return False
        without = decide(replace(state.desired, allowed=False), state.observed, state.record)
        return without.action is not decision.action

    async def know_references(self, node: Node) -> None:
        """Read resources that a list showed in part; a reference to a missing resource stays as written."""
        run = self.run
        for reference in node.resource.references if node.resource is not None else ():
            observed = run.observed.get(reference.address)
            if run.value_of(reference) is None and observed is not None and not observed.full and observed.id:
                await look(run, run.nodes[reference.address])

    async def pause(self, seconds: float, reason: str) -> None:
        """Do nothing: a plan does not wait."""

    async def read(self, node: Node, decision: Decision) -> None:
        """Read a resource in full, once."""
        del decision
        run = self.run
        if await look(run, node) is None:
            # A plan deletes nothing: a single read by the id is enough to plan the creation of a missing resource.
            node.gone_id = run.record(node.address).id
        # A plan does not wait for reads that lag either, but trusts the current reads.
        node.ahead += VISIBLE_WITHIN

    async def find(self, node: Node) -> None:
        """Read a resource by id, once."""
        if await look(self.run, node) is None:
            node.gone_id = self.run.record(node.address).id

    def stays(self, node: Node, result: Result) -> None:
        """Project the deletion of a child that a run must wait for, such as one that awaits consent."""
        del result
        self._project(node, self.run.going(node.address), Action.DELETE)

    async def wait(self, node: Node, decision: Decision) -> None:
        """Project the end of an operation that is under way."""
        self._project(node, self.run.desired(node.address), decision.action)

    async def change(self, node: Node, state: State, decision: Decision) -> None:
        """Project a step, and record the calls of the step."""
        steps, endpoints = self.steps[node.address], node.kind.endpoints
        if endpoints and decision.action in (Action.DELETE, Action.REPLACE):
            steps.calls += ["DeleteHarnessEndpoint" for _ in self.run.unmanaged.get(node.address, ())]
        self._project(node, state.desired, decision.action)

    def _project(self, node: Node, desired: DesiredState, action: Action) -> None:
        run, address = self.run, node.address
        after = project(action, desired, run.observed.get(address), run.record(address))
        run.learn(address, after.observed)
        run.session.records[address] = after.record
        self.steps[address].calls += after.calls

    async def disown(self, desired: DesiredState) -> None:
        """Do nothing: no tag is removed in a plan."""

    def never_converges(self, node: Node, decision: Decision) -> Result:
        """Return READY for a resource that projections do not converge: the planned steps are known by then."""
        return result_of(self.run, node, ResourceStatus.READY, decision.reason)

    async def failed(self, node: Node, error: CallFailed | OutOfTime) -> Result:
        """Plan a failure. Raises the error itself when no call gets through or time runs out: there is no plan."""
        if isinstance(error, OutOfTime) or error.error_class in CALLER_ERRORS:
            raise error
        failed = Decision(Action.FAIL, str(error))
        self.steps.setdefault(node.address, Steps(failed, failed))
        return result_of(self.run, node, ResourceStatus.FAILED, str(error))

    async def changed_since(self) -> list[str]:
        """Return no address: a plan changes nothing."""
        return []
