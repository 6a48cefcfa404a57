"""Client-side rate limiting: a token bucket per operation, filled at the documented rate of the service.

The service's limits are calls per second for an account and Region. A deployment with N workers gives each worker a
`share` of 1/N of every rate. infra.aws calls `wait` before each request to a paced service, `throttled` after a
throttling error, and `answered` after a success.

A bucket holds the tokens of one second, and at least one token. `take` removes a token even if none is left: the
balance becomes negative, and the debt divided by the rate is the time that the caller must wait. Callers thus proceed
in the order of arrival, spaced by the rate, without a queue or a background task. If the deadline leaves the wait to
the next run, `wait` returns the token and raises OutOfTime.

Other clients of the account use the same limits, so the documented rate can be too high. Each throttling error halves
the rate of the operation, down to 5 % of the configured rate; each success adds 2 % until the full rate is restored.
Nothing is stored: a new execution environment starts at the full rate. Times are those of the event loop.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import anyio

from infra.deadline import Deadline
from infra.errors import OutOfTime

#: Documented calls per second for an account and Region (service-notes: rates). Synchronize is not listed there.
RATES: Mapping[str, float] = {
    **dict.fromkeys(("CreateGateway", "UpdateGateway", "DeleteGateway"), 5.0),
    **dict.fromkeys(("CreateGatewayTarget", "UpdateGatewayTarget", "DeleteGatewayTarget"), 5.0),
    "SynchronizeGatewayTargets": 5.0,
    **dict.fromkeys(("GetGateway", "ListGateways", "GetGatewayTarget", "ListGatewayTargets"), 10.0),
    **dict.fromkeys(("CreateAgentRuntime", "UpdateAgentRuntime", "DeleteAgentRuntime"), 50.0),
    "GetAgentRuntime": 150.0,
    "ListAgentRuntimes": 25.0,
    **dict.fromkeys(("CreateRegistry", "GetRegistry", "UpdateRegistry", "DeleteRegistry", "ListRegistries"), 5.0),
}
DEFAULT_RATE = 20.0
#: Throttling halves the rate, down to this fraction; every success restores the second fraction.
_LEAST = 0.05
_WIN_BACK = 0.02


@dataclass
class _Bucket:
    """A token bucket with the tokens of one second; a negative balance is owed to waiting callers."""

    rate: float
    tokens: float
    at: float
    factor: float = 1.0

    def take(self, now: float) -> float:
        """Take a token and return the seconds until the token is available."""
        rate = self.rate * self.factor
        self.tokens = min(max(1.0, self.rate), self.tokens + (now - self.at) * rate) - 1
        self.at = now
        return max(0.0, -self.tokens / rate)


class Pace:
    """Rate limits per operation. `share` is this worker's fraction of the account's rates."""

    def __init__(self, share: float = 1.0) -> None:
        self._share = share
        self._buckets: dict[str, _Bucket] = {}

    async def wait(self, operation: str, deadline: Deadline) -> None:
        """Wait until the rate permits another call. Raises OutOfTime if the wait is left to the next run."""
        bucket = self._bucket(operation)
        seconds = bucket.take(anyio.current_time())
        if seconds > 0:
            try:
                await deadline.sleep(seconds, f"the rate of {operation}")
            except OutOfTime:
                bucket.tokens += 1
                raise

    def throttled(self, operation: str) -> None:
        """Halve the rate of an operation after a throttling error."""
        bucket = self._bucket(operation)
        bucket.factor = max(_LEAST, bucket.factor / 2)

    def answered(self, operation: str) -> None:
        """Restore a small part of the rate after a success."""
        bucket = self._bucket(operation)
        bucket.factor = min(1.0, bucket.factor + _WIN_BACK)

    def _bucket(self, operation: str) -> _Bucket:
        rate = RATES.get(operation, DEFAULT_RATE) * self._share
        now = anyio.current_time()
        return self._buckets.setdefault(operation, _Bucket(rate, max(1.0, rate), now))
