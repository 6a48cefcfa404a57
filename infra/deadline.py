"""The deadline of a run, on the event loop's clock, so that tests can use virtual time."""

import math
from dataclasses import dataclass

import anyio

from infra.errors import OutOfTime

#: Up to this many seconds, a run waits by itself to send a call, or for an operation whose end is predicted. Ending the
#: run and starting the next would cost more.
BRIEF_SECONDS = 5.0


@dataclass(frozen=True)
class Deadline:
    """The time at which a run must end: `at` is a time of `anyio.current_time()`.

    A wait for the service that is longer than `patience` seconds is left to the next run.
    """

    at: float = math.inf
    patience: float = math.inf

    @classmethod
    def within(cls, seconds: float, patience: float = math.inf) -> "Deadline":
        """Return the deadline that is this many seconds from now."""
        return cls(anyio.current_time() + seconds, patience)

    def remaining(self) -> float:
        """Return the seconds left; negative after the deadline."""
        return self.at - anyio.current_time()

    def require(self, seconds: float, what: str) -> None:
        """Raise OutOfTime unless this many seconds are left."""
        if self.remaining() < seconds:
            raise OutOfTime(f"too little time is left for {what}", retry_after=0.0)

    async def sleep(self, seconds: float, what: str) -> None:
        """Sleep before sending a call. Raises OutOfTime if the wait is left to the next run."""
        self._allow(seconds, what, max(self.patience, BRIEF_SECONDS))
        await anyio.sleep(seconds)

    def allow(self, seconds: float, what: str, *, known: bool = False) -> None:
        """Raise OutOfTime if a wait of this many seconds for the service is left to the next run.

        `known` states that the end of the operation is predicted from earlier operations, so that a longer wait is
        permitted.
        """
        self._allow(seconds, what, max(self.patience, BRIEF_SECONDS) if known else self.patience)

    def _allow(self, seconds: float, what: str, patience: float) -> None:
        if seconds > patience or seconds > self.remaining():
            raise OutOfTime(f"waiting for {what}", retry_after=max(0.0, seconds))
