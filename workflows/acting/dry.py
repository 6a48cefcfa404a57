"""The dry executor: it reads, and instead of sending a step it projects what the step would leave.

A plan is the planner's own answers, one by one. Nothing is sent that changes anything, no lease is taken, no secret's
value is read, and records change in memory alone.
"""

from dataclasses import dataclass, field

from infra.errors import CallFailed, OutOfTime, Verdict
from workflows.acting.book import Book
from workflows.acting.executor import Executor, State
from workflows.acting.results import result_of
from workflows.acting.run import Item, Run
from workflows.acting.waiting import look
from workflows.deciding.decision import VISIBLE_WITHIN, Action, Decision, Wish
from workflows.deciding.differences import Change, changes
from workflows.deciding.outcome import ResourceStatus, Result
from workflows.deciding.projection import project
from workflows.records.resource import ResourceRecord


class UnwrittenRecords(Book):
    """The records of a plan: they change in memory alone."""

    async def remember(self, memory: ResourceRecord) -> None:
        """Keep a record, and write nothing."""
        self.memories[memory.address] = memory


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

    def decided(self, item: Item, state: State, decision: Decision) -> None:
        """Keep the first decision, with the values that it would change."""
        if item.address not in self.steps:
            changed = changes(state.desired, state.observed, state.record, decision.paths)
            self.steps[item.address] = Steps(decision, changed)

    async def know_references(self, item: Item) -> None:
        """Read whole what a list showed in part; a reference to what is not made yet stays as it is written."""
        run = self.run
        for reference in item.resource.references if item.resource is not None else ():
            seen = run.seen.get(reference.address)
            if run.value_of(reference) is None and seen is not None and not seen.full and seen.id:
                await look(run, run.items[reference.address])

    async def pause(self, seconds: float, reason: str) -> None:
        """Nothing: a plan does not wait."""

    async def read(self, item: Item, decision: Decision) -> None:
        """Read a resource whole, once."""
        del decision
        run = self.run
        if await look(run, item) is None:
            # A plan deletes nothing: one read by the id is enough to show what would be made again.
            item.gone_id = run.memory(item.address).id
        # Nor does it wait for reads that lag: it goes by what they show now.
        item.ahead += VISIBLE_WITHIN

    async def wait(self, item: Item, decision: Decision) -> None:
        """Project the end of an operation that is under way."""
        self._project(item, self.run.wish(item.address), decision.action)

    async def change(self, item: Item, state: State, decision: Decision) -> None:
        """Project a step, and note its calls."""
        steps, endpoints = self.steps[item.address], item.kind.endpoints
        if endpoints and decision.action in (Action.DELETE, Action.REPLACE):
            steps.calls += ["DeleteHarnessEndpoint" for _ in self.run.unmanaged.get(item.address, ())]
        self._project(item, state.desired, decision.action)

    def _project(self, item: Item, wish: Wish, action: Action) -> None:
        run, address = self.run, item.address
        after = project(action, wish, run.seen.get(address), run.memory(address))
        run.learn(address, after.seen)
        run.book.memories[address] = after.memory
        self.steps[address].calls += after.calls

    async def disown(self, wish: Wish) -> None:
        """Nothing."""

    def restless(self, item: Item, decision: Decision) -> Result:
        """Leave what cannot be projected to its end as READY: what is planned is known by then."""
        return result_of(self.run, item, ResourceStatus.READY, decision.reason)

    async def failed(self, item: Item, error: CallFailed | OutOfTime) -> Result:
        """Plan a failure; where nothing can be asked, or not in time, there is no plan."""
        if isinstance(error, OutOfTime) or error.verdict is Verdict.CREDENTIALS:
            raise error
        self.steps.setdefault(item.address, Steps(Decision(Action.FAIL, str(error))))
        return result_of(self.run, item, ResourceStatus.FAILED, str(error))

    async def unsteady(self) -> list[str]:
        """Nothing was changed."""
        return []
