"""Pacing: the service's documented calls per second, shared out over the deployment, adapting to throttling."""

from collections.abc import Mapping
from dataclasses import dataclass

import anyio

from infra.deadline import Deadline
from infra.errors import OutOfTime

#: Documented calls per second for an account and Region (agentcore-service 6). Synchronize is not listed there.
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
#: After throttling the rate is halved, down to this part of it, and won back call by call.
_LEAST = 0.05
_WIN_BACK = 0.02


@dataclass
class _Bucket:
    """A token bucket that holds one second's worth of calls; it may owe tokens to callers that wait."""

    rate: float
    tokens: float
    at: float
    factor: float = 1.0

    def take(self, now: float) -> float:
        """Take one token and return the seconds until it is there."""
        rate = self.rate * self.factor
        self.tokens = min(max(1.0, self.rate), self.tokens + (now - self.at) * rate) - 1
        self.at = now
        return max(0.0, -self.tokens / rate)


class Pace:
    """Spaces calls out per operation. `share` is this worker's part of the account's rates."""

    def __init__(self, share: float = 1.0) -> None:
        self._share = share
        self._buckets: dict[str, _Bucket] = {}

    async def wait(self, operation: str, deadline: Deadline) -> None:
        """Wait until one more call of this operation fits. Raises OutOfTime where that is for the next run to do."""
        bucket = self._bucket(operation)
        seconds = bucket.take(anyio.current_time())
        if seconds > 0:
            try:
                await deadline.sleep(seconds, f"the rate of {operation}")
            except OutOfTime:
                bucket.tokens += 1
                raise

    def throttled(self, operation: str) -> None:
        """Slow down: the service refused a call for its rate."""
        bucket = self._bucket(operation)
        bucket.factor = max(_LEAST, bucket.factor / 2)

    def answered(self, operation: str) -> None:
        """Win a little of the rate back."""
        bucket = self._bucket(operation)
        bucket.factor = min(1.0, bucket.factor + _WIN_BACK)

    def _bucket(self, operation: str) -> _Bucket:
        rate = RATES.get(operation, DEFAULT_RATE) * self._share
        now = anyio.current_time()
        return self._buckets.setdefault(operation, _Bucket(rate, max(1.0, rate), now))
