"""The dry executor: it reads, and instead of sending a step it projects what the step would leave.

A plan is the planner's own answers, one by one. Nothing is sent that changes anything, no lease is taken, no secret's
value is read, and records change in memory alone.
"""

from dataclasses import dataclass, field

from infra.errors import CallFailed, OutOfTime, Verdict
from workflows.planner.decision import VISIBLE_WITHIN, Action, Decision, DesiredState
from workflows.planner.differences import Change, changes
from workflows.planner.outcome import ResourceStatus, Result
from workflows.planner.projection import project
from workflows.reconcile.executor import Executor, State
from workflows.reconcile.results import result_of
from workflows.reconcile.run import Node, Run
from workflows.reconcile.session import StackSession
from workflows.reconcile.waiting import look
from workflows.records.resource import ResourceRecord


class UnwrittenRecords(StackSession):
    """The records of a plan: they change in memory alone."""

    async def remember(self, record: ResourceRecord) -> None:
        """Keep a record, and write nothing."""
        self.records[record.address] = record


@dataclass
class Steps:
    """The first decision about a resource, and all the changing calls that follow from it."""

    first: Decision
    changes: tuple[Change, ...] = ()
    calls: list[str] = field(default_factory=list)


class DryExecutor(Executor):
    """Projects the steps of a run."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.steps: dict[str, Steps] = {}

    def decided(self, node: Node, state: State, decision: Decision) -> None:
        """Keep the first decision, with the values that it would change."""
        if node.address not in self.steps:
            changed = changes(state.desired, state.observed, state.record, decision.paths)
            self.steps[node.address] = Steps(decision, changed)

    async def know_references(self, node: Node) -> None:
        """Read whole what a list showed in part; a reference to what is not made yet stays as it is written."""
        run = self.run
        for reference in node.resource.references if node.resource is not None else ():
            observed = run.observed.get(reference.address)
            if run.value_of(reference) is None and observed is not None and not observed.full and observed.id:
                await look(run, run.nodes[reference.address])

    async def pause(self, seconds: float, reason: str) -> None:
        """Nothing: a plan does not wait."""

    async def read(self, node: Node, decision: Decision) -> None:
        """Read a resource whole, once."""
        del decision
        run = self.run
        if await look(run, node) is None:
            # A plan deletes nothing: one read by the id is enough to show what would be made again.
            node.gone_id = run.record(node.address).id
        # Nor does it wait for reads that lag: it goes by what they show now.
        node.ahead += VISIBLE_WITHIN

    async def wait(self, node: Node, decision: Decision) -> None:
        """Project the end of an operation that is under way."""
        self._project(node, self.run.desired(node.address), decision.action)

    async def change(self, node: Node, state: State, decision: Decision) -> None:
        """Project a step, and note its calls."""
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
        """Nothing."""

    def restless(self, node: Node, decision: Decision) -> Result:
        """Leave what cannot be projected to its end as READY: what is planned is known by then."""
        return result_of(self.run, node, ResourceStatus.READY, decision.reason)

    async def failed(self, node: Node, error: CallFailed | OutOfTime) -> Result:
        """Plan a failure; where nothing can be asked, or not in time, there is no plan."""
        if isinstance(error, OutOfTime) or error.verdict is Verdict.CREDENTIALS:
            raise error
        self.steps.setdefault(node.address, Steps(Decision(Action.FAIL, str(error))))
        return result_of(self.run, node, ResourceStatus.FAILED, str(error))

    async def unsteady(self) -> list[str]:
        """Nothing was changed."""
        return []
