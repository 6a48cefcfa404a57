"""A proxy between the worker and AWS, on the bytes of HTTP and on virtual time: what it does to requests by chance.

`Weather` picks the faults of a life, `Proxy` carries the requests of one process.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import anyio

from infra.aws import CALL_SECONDS
from infra.sandbox.plane import Plane
from infra.service_model import is_mutating
from tests.soak.faults import FEW, Fault, fitting, name_of
from tests.soak.striking import DO
from tests.soak.wire import Asked, Reply

#: Reads, and calls of the ledger, are the most of all requests: they meet a fault so much more seldom than changes do.
SELDOM = 3
#: Faults that can strike few requests are picked so much more often.
_OFTEN = 4
#: Seconds after the caller's timeout at which a late request takes effect.
LATE = (5.0, 40.0)


@dataclass
class Weather:
    """The faults of a life: their kinds, and how likely a change meets one of them; `met` counts them by name."""

    random: Random
    rate: float
    met: Counter[str]
    kinds: frozenset[Fault] = frozenset(Fault)
    #: Requests that are still on their way.
    late: set[asyncio.Task[None]] = field(default_factory=set)
    #: What was said not to exist: once for each, as more is what the service says of what is gone.
    denied: set[str] = field(default_factory=set)

    def meets(self, asked: Asked) -> Fault | None:
        """Return the fault that a request meets, if any."""
        once = {Fault.NOT_FOUND} if asked.what in self.denied else set()
        kinds = [kind for kind in fitting(asked) if kind in self.kinds and kind not in once]
        changes = is_mutating(asked.operation) and asked.service != "dynamodb"
        if not kinds or self.random.random() >= self.rate / (1 if changes else SELDOM):
            return None
        kinds += [kind for kind in kinds if kind in FEW] * (_OFTEN - 1)
        return self.random.choice(kinds)


class Proxy:
    """Carries the requests of one process. `alive` raises once the process is dead."""

    def __init__(
        self,
        answer: Callable[[Asked], Reply],
        weather: Weather,
        *,
        plane: Plane,
        alive: Callable[[], None] = lambda: None,
        round_trip: float = 0.02,
    ) -> None:
        self.answer, self.weather, self.plane = answer, weather, plane
        self._alive = alive
        self._round_trip = round_trip

    @property
    def random(self) -> Random:
        return self.weather.random

    async def carry(self, asked: Asked) -> Reply:
        """Return the answer to a request. Raises what a connection raises."""
        self._alive()
        await anyio.sleep(self._round_trip / 2)
        self._alive()
        reply = await self._meet(asked)
        await anyio.sleep(self._round_trip / 2)
        self._alive()
        return reply

    async def _meet(self, asked: Asked) -> Reply:
        fault = self.weather.meets(asked)
        if fault is None:
            return self.answer(asked)
        self.weather.met[name_of(asked, fault)] += 1
        return await DO[fault](self, asked)

    def arrives_late(self, asked: Asked) -> None:
        """Have a request take effect after its caller has given it up."""
        seconds = CALL_SECONDS + self.random.uniform(*LATE)

        async def arrive() -> None:
            await anyio.sleep(seconds)
            self.answer(asked)

        task = asyncio.get_running_loop().create_task(arrive())
        self.weather.late.add(task)
        task.add_done_callback(self.weather.late.discard)
