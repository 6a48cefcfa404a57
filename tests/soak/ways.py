"""How the processes of a simulated life reach AWS.

The control plane is reached in process, where faults are exceptions, or through the proxy on the wire; the ledger is a
SQLite file in memory, or a table of DynamoDB on the wire.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import anyio

from infra.aws import Aws
from infra.ledger import Ledger
from infra.ledger.dynamodb import DynamoLedger
from infra.ledger.sqlite import SqliteLedger
from infra.pace import Pace
from infra.sandbox.behaviour import Behaviour
from tests.clients import ClientAround
from tests.crash.harness import FaultyLedger, context_of
from tests.soak.behind import Served
from tests.soak.faults import LIES, Fault
from tests.soak.nemesis import Victim
from tests.soak.proxy import Proxy, Weather
from tests.soak.wire import SERVICES, Asked, Reply, WireClient, open_wire
from tests.worlds import REGION, SandboxWorld
from workflows.requests.context import Context

if TYPE_CHECKING:
    from tests.soak.table import Table

#: How likely a change meets a fault of the wire for a whole life, one of these, and of how many kinds these are.
RATES, KINDS = (0.03, 0.1, 0.2, 0.3), (2, 4, 8, len(Fault))
#: Seconds from a request to its answer.
_ROUND_TRIP = 0.02


class Ways:
    """The ways of one life, with the world at their end."""

    def __init__(self, seed: int, behaviour: Behaviour, met: Counter[str]) -> None:
        chance = Random(f"ways of {seed}")
        # In some lives every fault is a lie, so that these are met often enough.
        kinds = LIES if chance.random() < 0.25 else frozenset(chance.sample(list(Fault), chance.choice(KINDS)))
        self.weather = Weather(Random(f"weather of {seed}"), chance.choice(RATES), met, kinds)
        self.wired = chance.random() < 0.5
        self.table = _table(f"soak-{seed}") if chance.random() < 0.5 else None
        self._random = Random(f"jitter of {seed}")
        ledger = SqliteLedger() if self.table is None else self._ledger(self._in_peace)
        self.world = SandboxWorld(behaviour, ledger)
        self._served = Served(self.world.plane)
        if self.wired:
            self.world.beside = {service: WireClient(service, self._in_peace) for service in SERVICES}

    def __str__(self) -> str:
        return f"{'on the wire' if self.wired else 'in process'}, ledger in {'DynamoDB' if self.table else 'SQLite'}"

    async def open(self) -> None:
        """Make what the ways need and a process makes once."""
        if self.wired or self.table is not None:
            await open_wire()

    def close(self) -> None:
        """Forget whatever is on its way, and the world at the end."""
        for task in list(self.weather.late):
            task.cancel()
        if self.table is not None:
            self.table.close()
        self.world.close()

    def context(self, process: Victim) -> Context:
        """Return what a process of its own works with."""
        proxy = Proxy(self._answer, self.weather, plane=self.world.plane, alive=process.live, round_trip=_ROUND_TRIP)
        context = context_of(self.world, process)
        if self.wired:
            context = replace(context, aws=replace(context.aws, client=_opening(proxy, process)))
        if self.table is not None:
            context = replace(context, ledger=FaultyLedger(process, self._ledger(proxy.carry)))
        return context

    async def held(self) -> str:
        """Return everything that the ledger holds, as text."""
        ledger = self.world.ledger
        if isinstance(ledger, SqliteLedger):
            return "\n".join(ledger.dump())
        return str([await ledger.query(partition) for partition in await ledger.partitions()])

    def _ledger(self, carry: Callable[[Asked], Awaitable[Reply]]) -> Ledger:
        async def client(service: str) -> Any:
            return WireClient(service, carry)

        assert self.table is not None
        return DynamoLedger(Aws(client, REGION, Pace(), jitter=self._random.uniform), self.table.name)

    def _answer(self, asked: Asked) -> Reply:
        if asked.service != "dynamodb":
            return self._served.answer(asked)
        assert self.table is not None
        return self.table.answer(asked)

    async def _in_peace(self, asked: Asked) -> Reply:
        """Carry a request that meets no fault."""
        await anyio.sleep(_ROUND_TRIP)
        return self._answer(asked)


def _table(name: str) -> "Table":
    from tests.soak.table import Table  # noqa: PLC0415 - moto takes a second, which many runs can spare

    return Table(name)


def _opening(proxy: Proxy, process: Victim) -> Callable[[str], Awaitable[Any]]:
    async def client(service: str) -> Any:
        return _Mortal(process, WireClient(service, proxy.carry))

    return client


class _Mortal(ClientAround):
    """A client on the wire in the hands of a process that may die at any call."""

    def __init__(self, process: Victim, client: WireClient) -> None:
        super().__init__(client)
        self._process = process

    def __getattr__(self, method: str) -> Callable[..., Awaitable[dict[str, Any]]]:
        async def call(**params: Any) -> dict[str, Any]:
            return await self._process.call_on_wire(lambda: getattr(self._client, method)(**params))

        return call
