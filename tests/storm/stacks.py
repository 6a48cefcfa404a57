"""Many stacks in one account, worked on side by side as their state machines would, while calls are throttled."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import anyio
from botocore.exceptions import ClientError

from infra.deadline import BRIEF_SECONDS, Deadline
from infra.errors import ErrorClass
from infra.retry import BUDGETS
from infra.sandbox.client import operation_of
from infra.settings import Settings
from tests.crash.harness import History, Process, context_of
from tests.documents import gateway, mcp_target
from tests.machine import LONGEST, TURN
from tests.worlds import SandboxWorld, provision
from workflows.planner.outcome import Status
from workflows.service import handle

#: Seconds for which calls are throttled.
STORM = 600.0
#: Calls that one stack may have under way together: one a resource.
WIDTH = 2
#: Turns of one stack without a storm, at most.
CALM = 10
_BUDGET = BUDGETS[ErrorClass.THROTTLED]
#: Waits shorter than the longest of all, by the least that they may be: the first tries of a call follow each other.
QUICK = next(n for n in range(_BUDGET.tries) if _BUDGET.first * 2.0**n >= _BUDGET.longest)
#: Seconds between two later tries of one call, at least.
APART = 0.2 * _BUDGET.longest


def document(name: str) -> dict[str, Any]:
    return {"stack": name, "gateways": {name: gateway({"tools": mcp_target()})}}


@dataclass
class Storm(Process):
    """A process whose calls are throttled by chance for a while; it counts its calls and their answers."""

    random: Random = field(default_factory=Random)
    rate: float = 0.0
    sent: int = 0
    answered: int = 0

    async def call(self, operation: str, method: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        self.sent += 1
        if anyio.current_time() < STORM and self.random.random() < self.rate:
            error = {"Code": "ThrottlingException", "Message": "Rate exceeded"}
            raise ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": 429}}, operation_of(operation))
        try:
            return await super().call(operation, method)
        except ClientError as error:
            self.answered -= error.response["Error"]["Code"] == "ThrottlingException"
            raise
        finally:
            self.answered += 1


@dataclass
class Life:
    """What became of one stack."""

    storm: Storm
    status: Status = Status.IN_PROGRESS
    turns: int = 0
    at: float = 0.0

    @property
    def calls(self) -> int:
        return self.storm.sent

    @property
    def most_calls(self) -> int:
        """What the retry layer allows: quick tries for every call that was answered or given up, the rest far apart.

        A turn gives up no more calls than are under way together.
        """
        calls = self.storm.answered + WIDTH * self.turns
        return QUICK * calls + int(WIDTH * STORM / APART)

    @property
    def most_turns(self) -> int:
        """A turn that throttling ends is followed by a longer wait than a run waits itself."""
        return int(STORM / BRIEF_SECONDS) + CALM


async def work_on(world: SandboxWorld, name: str, life: Life) -> None:
    """Run turn after turn until a stack is settled."""
    while True:
        request = provision(document(name), f"request-{name}")
        deadline = Deadline.within(TURN, Settings().patience)
        outcome = await handle(context_of(world, life.storm), request, deadline)
        life.turns += 1
        life.status, life.at = outcome.status, anyio.current_time()
        if outcome.status is not Status.IN_PROGRESS or life.turns > 10 * life.most_turns:
            return
        await anyio.sleep(max(1.0, min(LONGEST, outcome.retry_after or 5.0)))


async def weather(world: SandboxWorld, stacks: int, rate: float) -> dict[str, Life]:
    """Work on many stacks side by side; return their lives by name."""
    lives = {f"team-{n}": Life(Storm(History(), random=Random(n), rate=rate)) for n in range(stacks)}
    async with anyio.create_task_group() as group:
        for name, life in lives.items():
            group.start_soon(work_on, world, name, life)
    return lives
