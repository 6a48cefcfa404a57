"""The one retry layer: which verdicts are tried again, how often, and how long in between.

Exponential waits with full jitter, bounded by attempts, by the time that a verdict deserves, and by the run's
deadline; all on the event loop's clock.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import anyio
from tenacity import AsyncRetrying, AttemptManager, RetryCallState, retry_if_exception

from infra.deadline import Deadline
from infra.errors import CallFailed, OutOfTime, Verdict


@dataclass(frozen=True)
class Budget:
    """Tries in all, seconds in all, and the first and longest wait in seconds."""

    tries: int
    seconds: float
    first: float
    longest: float


#: What is tried again; every other verdict is final for the call.
BUDGETS = {
    Verdict.THROTTLED: Budget(tries=60, seconds=900.0, first=0.4, longest=20.0),
    Verdict.UNKNOWN_OUTCOME: Budget(tries=6, seconds=90.0, first=0.3, longest=10.0),
    Verdict.BUSY: Budget(tries=6, seconds=60.0, first=1.0, longest=10.0),
    # IAM changes are visible within about two minutes (agentcore-service 1.1).
    Verdict.NOT_YET: Budget(tries=30, seconds=120.0, first=2.0, longest=10.0),
    # Lists forget a deleted child before its parent does (agentcore-service 2.1).
    Verdict.IN_USE: Budget(tries=8, seconds=60.0, first=1.0, longest=10.0),
    # Temporary credentials are renewed beside the calls that use them.
    Verdict.CREDENTIALS: Budget(tries=2, seconds=10.0, first=1.0, longest=2.0),
    Verdict.UNKNOWN: Budget(tries=2, seconds=10.0, first=0.5, longest=1.0),
}


#: Returns a number between two.
Jitter = Callable[[float, float], float]


def attempts(operation: str, deadline: Deadline, jitter: Jitter) -> AsyncIterator[AttemptManager]:
    """Return the attempts at one call, for `async for attempt in ...: with attempt:`."""
    pace = _Pace(operation, deadline, jitter)
    return AsyncRetrying(
        sleep=pace.sleep,
        wait=pace.wait,
        stop=pace.spent,
        retry=retry_if_exception(lambda error: isinstance(error, CallFailed) and _again(operation, error.verdict)),
        reraise=True,
    ).__aiter__()


def _again(operation: str, verdict: Verdict) -> bool:
    """Tell whether a failed call is sent again.

    An update, delete or synchronize without an answer is not: it may have taken effect, and sent again it would
    take effect twice, which can undo a person's consent. Its caller looks first.
    """
    blind = verdict is Verdict.UNKNOWN_OUTCOME and operation.startswith(("Update", "Delete", "Synchronize"))
    return verdict in BUDGETS and not blind


class _Pace:
    """The waits of one call. Tries are counted per verdict: a throttled call was no try at what it asks for."""

    def __init__(self, what: str, deadline: Deadline, jitter: Jitter) -> None:
        self._jitter = jitter
        self._what = what
        self._deadline = deadline
        self._began = anyio.current_time()
        self._tries: dict[Verdict, int] = {}

    def spent(self, state: RetryCallState) -> bool:
        """Tell whether the budget of the last failure's verdict is used up."""
        verdict = _verdict(state)
        budget = BUDGETS[verdict]
        return self._tries[verdict] >= budget.tries or anyio.current_time() - self._began >= budget.seconds

    def wait(self, state: RetryCallState) -> float:
        """Count the failed try and return the seconds until the next. Tenacity asks this before `spent`."""
        verdict = _verdict(state)
        self._tries[verdict] = self._tries.get(verdict, 0) + 1
        budget = BUDGETS[verdict]
        ceiling = min(budget.longest, budget.first * 2.0 ** min(self._tries[verdict] - 1, 20))
        return self._jitter(0.2 * ceiling, ceiling)

    async def sleep(self, seconds: float) -> None:
        """Wait, or leave the call to the next run."""
        try:
            await self._deadline.sleep(seconds, self._what)
        except OutOfTime as late:
            raise OutOfTime(f"{self._what} was refused for now", late.retry_after) from None


def _verdict(state: RetryCallState) -> Verdict:
    error = state.outcome.exception() if state.outcome is not None else None
    return error.verdict if isinstance(error, CallFailed) else Verdict.UNKNOWN
