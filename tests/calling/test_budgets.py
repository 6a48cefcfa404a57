"""A call's repetitions end when their number or their time is spent, and a rate is won back step by step."""

from contextlib import suppress
from functools import partial
from itertools import pairwise

import anyio
import pytest

from infra.deadline import Deadline
from infra.errors import CallFailed, ErrorClass, OutOfTime
from infra.pace import Pace
from infra.retry import BUDGETS, attempts
from tests.worlds import virtually

OPERATION = "CreateGateway"


async def times_of(error_class: ErrorClass, *, longest: bool) -> list[float]:
    """Return when a call is sent that always fails, with the longest or the shortest waits that there may be."""
    times: list[float] = []

    def jitter(low: float, high: float) -> float:
        return high if longest else low

    with suppress(CallFailed):
        async for attempt in attempts(OPERATION, Deadline(), jitter):
            with attempt:
                times.append(anyio.current_time())
                raise CallFailed(OPERATION, error_class, "", "")
    return times


@pytest.mark.parametrize("longest", [True, False], ids=["long waits", "short waits"])
@pytest.mark.parametrize("error_class", list(BUDGETS))
def test_a_call_ends_with_its_tries_or_with_its_time(error_class, longest):
    """Whichever is spent first; between two tries there is a wait, twice as long each time."""
    times, budget = virtually(partial(times_of, error_class, longest=longest)), BUDGETS[error_class]
    waits = [round(after - before, 6) for before, after in pairwise(times)]
    wrong = [] if len(times) <= budget.tries else [f"{len(times)} tries"]
    wrong += [] if times[-1] <= budget.seconds + budget.longest else [f"{times[-1]:.0f} s"]
    wrong += [] if all(0.19 * budget.first < wait <= budget.longest for wait in waits) else [f"waits {waits}"]
    doubled = [min(2 * wait, (1.0 if longest else 0.2) * budget.longest) for wait in waits[:-1]]
    wrong += [] if waits[1:] == pytest.approx(doubled) else [f"waits {waits} that do not double"]
    assert wrong == []
    spent = len(times) == budget.tries or times[-1] + budget.longest >= budget.seconds
    assert spent, "it was given up too early"


async def drained(pace: Pace) -> None:
    """Use up what may be sent at once."""
    for _ in range(5):
        await pace.wait(OPERATION, Deadline())


async def waited(pace: Pace) -> float:
    began = anyio.current_time()
    await pace.wait(OPERATION, Deadline())
    return anyio.current_time() - began


async def test_who_cannot_wait_owes_nothing():
    """Twenty callers that leave at once take no place of the one who stays."""
    pace = Pace()
    await drained(pace)
    for _ in range(20):
        with pytest.raises(OutOfTime):
            await pace.wait(OPERATION, Deadline.within(0.01))
    assert await waited(pace) == pytest.approx(1 / 5, abs=0.02)


async def test_one_answer_wins_back_a_little():
    """After four refusals an operation goes at a sixteenth of its rate, and one answer does not undo them."""
    pace = Pace()
    await drained(pace)
    for _ in range(4):
        pace.throttled(OPERATION)
    pace.answered(OPERATION)
    assert await waited(pace) == pytest.approx(1 / (5 * (1 / 16 + 0.02)), abs=0.01)


async def test_workers_share_the_account_s_rates():
    """One of four workers has a quarter of them."""
    pace = Pace(0.25)
    await pace.wait(OPERATION, Deadline())
    for _ in range(3):
        last = await waited(pace)
    assert last == pytest.approx(1 / (5 / 4), abs=0.01)
