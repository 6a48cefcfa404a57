"""The state machine's loop on virtual time: a turn is an invocation, and between two turns nothing is paid for."""

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from infra.settings import Settings
from tests.worlds import SandboxWorld
from workflows.planner.outcome import Outcome, Status
from workflows.requests.request import Request

#: A function's seconds less what it keeps back, and the longest wait of the state machine.
TURN, LONGEST = 87.0, 300.0
#: Seconds of an invocation beside its calls: the function itself and its writes to the ledger.
OVERHEAD = 0.1


@dataclass
class Turns:
    """What came of a request: every turn's outcome, the seconds that were paid for, and those that passed."""

    outcomes: list[Outcome] = field(default_factory=list)
    billed: float = 0.0
    passed: float = 0.0

    @property
    def last(self) -> Outcome:
        return self.outcomes[-1]


async def run_through(
    world: SandboxWorld,
    request: Request,
    *,
    most: int = 2_000,
    on_turn: Callable[[Outcome], None] = lambda _: None,
) -> Turns:
    """Run turn after turn until the request is settled, waiting in between as the outcome says."""
    turns, began = Turns(), anyio.current_time()
    for _ in range(most):
        start = anyio.current_time()
        outcome = await world.run(request, seconds=TURN, patience=Settings().patience)
        turns.outcomes.append(outcome)
        turns.billed += anyio.current_time() - start + OVERHEAD
        turns.passed = anyio.current_time() - began
        if outcome.status not in (Status.IN_PROGRESS, Status.AWAITING_CONSENT):
            return turns
        on_turn(outcome)
        await anyio.sleep(max(1.0, min(LONGEST, outcome.retry_after or 5.0)))
    raise AssertionError(f"not settled after {most} turns: {turns.last.status}")
