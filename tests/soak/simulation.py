"""One simulated life of a stack: requests, workers, faults and other people by chance; then rest, and judgement.

Everything that is random comes from the seed, and time is virtual, so a life repeats to the letter.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

import anyio

from infra.deadline import Deadline
from infra.errors import CallFailed, OutOfTime
from infra.sandbox.behaviour import Behaviour, Durations
from infra.tasks import first_of
from tests.crash.harness import unknown_to_ledger
from tests.everything.states import addresses, state
from tests.secrets import secrets_in
from tests.soak.documents import SHARED, STACK, TAKEN, Documents
from tests.soak.nemesis import Chance, Others, Sudden, Victim, bare, of_ledger
from tests.soak.ways import Ways
from tests.worlds import SandboxWorld, provision
from workflows.planner.outcome import FINAL, Outcome, Status
from workflows.records.request_state import Mode
from workflows.requests.request import Request
from workflows.service import handle

_MOST_DELIVERIES = 400
#: Seconds after which reads show everything.
_VISIBLE = 100.0
#: How likely each fault is at each call and write, one of these for a whole life.
_RATES = (0.0, 0.002, 0.01, 0.03, 0.06)


@dataclass
class Life:
    """What a seed makes, and what was wrong with it in the end."""

    seed: int
    wrong: list[str] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    story: list[str] = field(default_factory=list)


class Simulation:
    """Lives one life."""

    def __init__(self, seed: int) -> None:
        self.life = Life(seed)
        self._random = Random(seed)
        self._documents = Documents(self._random, seed)
        behaviour, rate = self._behaviour(), self._random.choice(_RATES)
        self._ways = Ways(seed, behaviour, self.life.met)
        self._world = self._ways.world
        self._documents.strangers(self._world.plane)
        self._world.random = Random(seed)
        self._chance = Chance(random=Random(seed), rate=rate, met=self.life.met)
        self._others = Others(self._world, Random(seed), self.life.met)
        self._skewed = self._random.random() < 0.3
        #: A creation that a worker whose clock is an hour off gave up waiting for may be left over.
        self._spare = self._skewed
        self._sudden = Sudden(Random(f"ends of {seed}"), self.life.met)
        self._serial = 0
        self._bare: set[str] = set()
        self.life.story.append(str(self._ways))

    async def live(self) -> Life:
        """Let everything happen, then let it rest, and judge what is left."""
        try:
            await self._ways.open()
            async with anyio.create_task_group() as group:
                if self._random.random() < 0.7:
                    group.start_soon(self._others.work)
                # On the wire more of a life goes into asking again.
                for _ in range(self._random.randint(1, 5) + 2 * self._ways.wired):
                    await self._some_request()
                group.cancel_scope.cancel()
            await self._judge(await self._rest())
        except Exception as error:  # noqa: BLE001 - whatever ends a life is a finding
            self._say(f"it ended with {type(first_of(error)).__name__}: {first_of(error)}")
        finally:
            for task in list(self._chance.late):
                task.cancel()
            self._ways.close()
        return self.life

    def _say(self, text: str) -> None:
        self.life.wrong.append(f"seed {self.life.seed}: {text}")

    def _once(self, exception: str) -> None:
        """Say that a run ended with an exception that nobody expects of it, once for each."""
        if exception not in self._bare:
            self._bare.add(exception)
            self._say(f"a bare exception: {exception}")

    def _behaviour(self) -> Behaviour:
        pick = self._random.choice
        quick = {name: pick((0.1, 1.0, 20.0)) for name in ("provider", "gateway", "target", "runtime", "registry")}
        return Behaviour(
            durations=Durations(**quick),
            page_size=pick((1, 3, 1000)),
            duplicate=pick(("ValidationException", "ConflictException")),
            busy=pick(("ValidationException", "ConflictException")),
            pending=pick(("ValidationException", "ConflictException")),
            consent_hops=pick((True, False)),
            failed_update_keeps_old=pick((True, False)),
            lists_whole_seconds=pick((True, False)),
            consent_seconds=pick((60.0, 600.0)),
            # A creation may arrive a second time after a deletion. What follows from a service that forgets tokens
            # with what they made, nobody can mend.
            tokens_outlive=True,
        )

    async def _some_request(self) -> None:
        """Send a request and have it worked on, by one worker or by several, to its end or not quite."""
        request = self._request()
        workers = self._random.choice((1, 1, 2, 4))
        self.life.story.append(f"{request.request_id}: {request.mode}, {workers} workers")
        async with anyio.create_task_group() as group:
            for _ in range(workers):
                group.start_soon(self._deliver, request, self._random.choice((3, 30)))

    def _request(self) -> Request:
        self._serial += 1
        name, kind = f"request-{self._serial}", self._random.random()
        if kind < 0.1:
            return Request(mode=Mode.REMOVE, request_id=name, stack=STACK)
        if kind < 0.25:
            return Request(mode=Mode.SYNCHRONIZE, request_id=name, stack=STACK)
        document = self._documents.another() if kind < 0.8 or not self._documents.all else self._documents.earlier()
        if self._random.random() < 0.2:
            document = self._documents.adopting(document)
        if self._random.random() < 0.3:
            document["onFailure"] = "ROLLBACK"
        allow = addresses(*self._documents.all) if self._random.random() < 0.7 else frozenset()
        return provision(document, name, allow=allow)

    async def _deliver(self, request: Request, most: int) -> None:
        """Deliver a request until it is settled, or for as often as somebody cares."""
        for _ in range(most):
            await anyio.sleep(self._random.uniform(0.0, 3.0))
            outcome = await self._run(request)
            if outcome is None:
                await anyio.sleep(self._random.uniform(1.0, 40.0))
            elif outcome.status in FINAL:
                return
            else:
                await anyio.sleep(min(outcome.retry_after or 5.0, 300.0))

    async def _run(self, request: Request) -> Outcome | None:
        """Run in a process of its own; None where it died or could not ask AWS."""
        process = Victim(self._chance)
        context = self._ways.context(process)
        if self._skewed:
            skew, now = timedelta(seconds=self._random.uniform(-3600, 3600)), context.now
            context = replace(context, now=lambda: now() + skew)
        seconds = self._random.choice((30.0, 87.0, 300.0))
        deadline = Deadline.within(seconds, self._random.choice((1.0, 5.0, 60.0)))
        try:
            outcome = await self._sudden.outlives(process, lambda: handle(context, request, deadline))
        except BaseException as error:
            found = first_of(error)
            if _cancelled(found) and not process.dead:
                raise
            if not (process.dead or isinstance(found, CallFailed | OutOfTime) or of_ledger(found)):
                self._once(bare(found))
            return None
        if outcome is None:
            return None
        self.life.statuses[str(outcome.status)] += 1
        return outcome

    async def _rest(self) -> dict[str, Any]:
        """End all trouble and have one last document applied; return it."""
        self._others.rest()
        self._chance.rate = self._ways.weather.rate = 0.0
        self._skewed = False
        await self._chance.all_arrived()
        await asyncio.gather(*self._ways.weather.late)
        document = self._documents.adopting(self._documents.another())
        allow = addresses(*self._documents.all)
        last = await self._settled(provision(document, "last", allow=allow))
        if any(failure.code == "ConsentTimeout" for failure in last.failures):
            # As it advises: the authorization URL had expired while nobody opened it; whoever asks again gets another.
            last = await self._settled(provision(document, "last, asked again", allow=allow))
        for failure in [one for one in last.failures if one.code == "CreationInDoubt"]:
            # As it advises: whoever still declares it finds out whether it was made.
            found = next(one for one in self._documents.all if failure.resource in addresses(one))
            await self._settled(provision(found, f"found-{failure.resource}", allow=allow))
            last = await self._settled(provision(document, f"last-{failure.resource}", allow=allow))
        if last.status is not Status.READY:
            self._say(f"the last request ended {last.status}: {[f.message for f in last.failures] or last.shown()}")
        return document

    async def _settled(self, request: Request) -> Outcome:
        for _ in range(_MOST_DELIVERIES):
            outcome = await self._world.run(request, seconds=300.0)
            self._others.consent_to_all()
            if outcome.status in FINAL:
                return outcome
            await anyio.sleep(min(outcome.retry_after or 5.0, 300.0))
        raise AssertionError(f"{request.request_id} is not settled after {_MOST_DELIVERIES} deliveries")

    async def _judge(self, document: Mapping[str, Any]) -> None:
        world = self._world
        if world.plane.world.records.doubles:
            self._say(f"doubled: {world.plane.world.records.doubles}")
        await anyio.sleep(_VISIBLE)
        for one in await unknown_to_ledger(world):
            if SHARED not in one and not self._spare and not self._retained(one.split()[1]):
                self._say(one)
        world.plane.behaviour.limit_rates = False
        there, wanted = state(world), await self._alone(document)
        for name in sorted(wanted if self._spare else {*there, *wanted}):
            if self._retained(name.split()[-1]):
                continue  # let go of and taken over again as it stands, or left
            for path, is_now, should_be in differences(there.get(name), wanted.get(name), name):
                if self._documents.taken and path.endswith(f" {TAKEN}.shown.description"):
                    continue  # what was taken over a second time is taken over as it stands
                self._say(f"{path} is {is_now} and should be {should_be}")
        world.sent()
        await self._settled(provision(document, "again"))
        if sent := world.sent():
            self._say(f"a further run sent {sent}")
        await self._judge_removal()
        for one in secrets_in(str(world.announced), str(world.progress), await self._ways.held()):
            self._say(f"a secret got out: {one}")

    async def _judge_removal(self) -> None:
        """Have the stack removed, and say what is left of it."""
        world = self._world
        if self._spare and await unknown_to_ledger(world):
            return  # what a worker with a wrong clock left over under a gateway is not the stack's to remove
        gone = await self._settled(Request(mode=Mode.REMOVE, request_id="gone", stack=STACK))
        # What was let go of earlier is the stack's no more, and keeps the gateway that it stands under.
        kept = [one for one in gone.failures if "does not manage" in one.message]
        ends = Status.FAILED if kept and self._documents.retained else Status.DELETED
        if gone.status is not ends or len(kept) < len(gone.failures):
            self._say(f"the removal ended {gone.status}: {[f.message for f in gone.failures] or gone.shown()}")
        for name in sorted(state(world)):
            if SHARED not in name.split()[-1] and not self._retained(name.split()[-1]):
                self._say(f"{name} is left after the removal")
        world.sent()
        again = await self._settled(Request(mode=Mode.REMOVE, request_id="gone again", stack=STACK))
        sent = world.sent()
        if again.status is not ends or sent:
            self._say(f"a further removal ended {again.status} and sent {sent}")

    def _retained(self, name: str) -> bool:
        return name.strip("<>") in self._documents.retained  # an id that is a name stands in brackets

    async def _alone(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the document makes of an empty account."""
        fresh = Simulation.__new__(Simulation)
        fresh._documents = self._documents  # noqa: SLF001 - a twin
        fresh._world = SandboxWorld(replace(self._world.behaviour, durations=Durations()))  # noqa: SLF001 - a twin
        fresh._others = Others(fresh._world, Random(0), Counter())  # noqa: SLF001 - a twin
        with fresh._world as world:  # noqa: SLF001 - a twin
            self._documents.strangers(world.plane)
            await fresh._settled(provision(document, "alone"))  # noqa: SLF001 - a twin
            return state(world)


def differences(one: Any, other: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield where two values differ, as deep as both are mappings."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in sorted({*one, *other}):
            yield from differences(one.get(name), other.get(name), f"{path}.{name}")
    elif one != other and not (says_nothing(one) and says_nothing(other)):
        yield path, one, other


def says_nothing(value: Any) -> bool:
    """Return whether a value is what absence of its member means too: false or empty, in all that it has.

    A creation cannot send a member that only updates take, and a value that says nothing needs no update of its own.
    """
    if isinstance(value, Mapping):
        return all(says_nothing(one) for one in value.values())
    return value is None or value is False or value == []


def _cancelled(error: BaseException) -> bool:
    return isinstance(error, anyio.get_cancelled_exc_class())


async def live(seed: int) -> Life:
    """Live the life of a seed."""
    return await Simulation(seed).live()


run = partial(live)
