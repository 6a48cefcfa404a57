"""How long a run may go on, on the event loop's clock, so that virtual time works."""

import math
from dataclasses import dataclass

import anyio

from infra.errors import OutOfTime

#: Seconds that a run waits itself to send a call, or for an end that it foresees: to come back would cost more.
BRIEF = 5.0


@dataclass(frozen=True)
class Deadline:
    """`at` is a moment of `anyio.current_time()`.

    A wait for the service that is longer than `patience` seconds is left to the next run.
    """

    at: float = math.inf
    patience: float = math.inf

    @classmethod
    def within(cls, seconds: float, patience: float = math.inf) -> "Deadline":
        """Return the deadline this many seconds from now."""
        return cls(anyio.current_time() + seconds, patience)

    def remaining(self) -> float:
        """Return the seconds left; negative when it has passed."""
        return self.at - anyio.current_time()

    def require(self, seconds: float, what: str) -> None:
        """Raise OutOfTime unless this many seconds are left."""
        if self.remaining() < seconds:
            raise OutOfTime(f"too little time is left for {what}", retry_after=0.0)

    async def sleep(self, seconds: float, what: str) -> None:
        """Sleep before something is sent, or raise OutOfTime where that is for the next run to do."""
        self._allow(seconds, what, max(self.patience, BRIEF))
        await anyio.sleep(seconds)

    def allow(self, seconds: float, what: str, *, known: bool = False) -> None:
        """Raise OutOfTime when a wait of this many seconds for the service is for the next run to do.

        `known` says that the end of what is waited for is foreseen, and not only that it did not come yet.
        """
        self._allow(seconds, what, max(self.patience, BRIEF) if known else self.patience)

    def _allow(self, seconds: float, what: str, patience: float) -> None:
        if seconds > patience or seconds > self.remaining():
            raise OutOfTime(f"waiting for {what}", retry_after=max(0.0, seconds))
