"""The retry layer: exponential backoff with jitter, with a budget for each class of error.

This is the only retry layer: botocore's own retries are off (infra.aws). A failed attempt has an ErrorClass, and
BUDGETS maps every retryable error class to the attempts, seconds and waits that are spent on this error class. The
attempts of a call end in one of these ways:

- An attempt succeeds.
- The error class has no budget, or the call must not be repeated blindly (`_again`): CallFailed is raised.
- The attempts with this error class, or the seconds since the first attempt, exhaust the budget: CallFailed is raised.
- The deadline leaves the wait to the next run: OutOfTime is raised, with the wait as `retry_after`. That happens if the
  wait exceeds the time left, or both the patience of the run and 5 seconds (infra.deadline).

Attempts are counted per error class, because the service did not process a throttled attempt. Seconds are counted from
the start of the call, over all error classes. The wait after the n-th attempt with an error class is random between 20
% and 100 % of `first * 2 ** (n - 1)`, at most `longest`; the jitter spreads callers that were throttled together.

An Update, Delete or Synchronize with an unknown outcome is not repeated: the call may have taken effect, and a second
effect could revoke the consent of a person. The caller must read the resource first. All other calls are repeated. All
times are those of the event loop's clock, so that tests can use virtual time.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import anyio
from tenacity import AsyncRetrying, AttemptManager, RetryCallState, retry_if_exception

from infra.deadline import Deadline
from infra.errors import CallFailed, ErrorClass, OutOfTime


@dataclass(frozen=True)
class Budget:
    """The maximum attempts and seconds for an error class, and the first and longest wait in seconds."""

    tries: int
    seconds: float
    first: float
    longest: float


#: The error classes that are retried; every other error class is final for the call.
BUDGETS = {
    ErrorClass.THROTTLED: Budget(tries=60, seconds=900.0, first=0.4, longest=20.0),
    ErrorClass.UNKNOWN_OUTCOME: Budget(tries=6, seconds=90.0, first=0.3, longest=10.0),
    ErrorClass.BUSY: Budget(tries=6, seconds=60.0, first=1.0, longest=10.0),
    # IAM changes are visible within about two minutes (service-notes: consistency).
    ErrorClass.NOT_YET: Budget(tries=30, seconds=120.0, first=2.0, longest=10.0),
    # Lists omit a deleted child before its parent does (service-notes: deletion order).
    ErrorClass.IN_USE: Budget(tries=8, seconds=60.0, first=1.0, longest=10.0),
    # Temporary credentials are renewed concurrently with the calls that use them.
    ErrorClass.CREDENTIALS: Budget(tries=2, seconds=10.0, first=1.0, longest=2.0),
    ErrorClass.UNREACHABLE: Budget(tries=6, seconds=90.0, first=0.3, longest=10.0),
    ErrorClass.UNKNOWN: Budget(tries=2, seconds=10.0, first=0.5, longest=1.0),
}


#: Returns a random number between two numbers.
Jitter = Callable[[float, float], float]


def attempts(operation: str, deadline: Deadline, jitter: Jitter) -> AsyncIterator[AttemptManager]:
    """Return the attempts of a call, for `async for attempt in ...: with attempt:`."""
    pace = _Pace(operation, deadline, jitter)
    return AsyncRetrying(
        sleep=pace.sleep,
        wait=pace.wait,
        stop=pace.spent,
        retry=retry_if_exception(lambda error: isinstance(error, CallFailed) and _again(operation, error.error_class)),
        reraise=True,
    ).__aiter__()


def _again(operation: str, error_class: ErrorClass) -> bool:
    """Return whether a failed call is repeated.

    An update, delete or synchronize with an unknown outcome is not: the call may have taken effect, and a second effect
    can revoke the consent of a person. The caller reads the resource first.
    """
    blind = error_class is ErrorClass.UNKNOWN_OUTCOME and operation.startswith(("Update", "Delete", "Synchronize"))
    return error_class in BUDGETS and not blind


class _Pace:
    """The backoff of a call. Attempts are counted per error class, because a throttled attempt was not processed."""

    def __init__(self, what: str, deadline: Deadline, jitter: Jitter) -> None:
        self._jitter = jitter
        self._what = what
        self._deadline = deadline
        self._began = anyio.current_time()
        self._tries: dict[ErrorClass, int] = {}

    def spent(self, state: RetryCallState) -> bool:
        """Return whether the budget of the last failure's error class is exhausted."""
        error_class = _error_class(state)
        budget = BUDGETS[error_class]
        return self._tries[error_class] >= budget.tries or anyio.current_time() - self._began >= budget.seconds

    def wait(self, state: RetryCallState) -> float:
        """Count the failed attempt and return the seconds until the next. Tenacity calls this before `spent`."""
        error_class = _error_class(state)
        self._tries[error_class] = self._tries.get(error_class, 0) + 1
        budget = BUDGETS[error_class]
        ceiling = min(budget.longest, budget.first * 2.0 ** min(self._tries[error_class] - 1, 20))
        return self._jitter(0.2 * ceiling, ceiling)

    async def sleep(self, seconds: float) -> None:
        """Wait. Raises OutOfTime if the wait is left to the next run."""
        try:
            await self._deadline.sleep(seconds, self._what)
        except OutOfTime as late:
            raise OutOfTime(f"{self._what} was refused for now", late.retry_after) from None


def _error_class(state: RetryCallState) -> ErrorClass:
    error = state.outcome.exception() if state.outcome is not None else None
    return error.error_class if isinstance(error, CallFailed) else ErrorClass.UNKNOWN
