"""Films of requests: every change at the service and every write to the ledger, in order and with its time.

A film that is stopped after any of its events is what a worker of the version that made it left behind when it was
killed there. `python -m tests.ledger.films` writes those of this version, once, before a release; they stay as they
are then, whatever later versions do.
"""

import copy
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from infra.deadline import Deadline
from infra.ledger import Change, Delete, Key, Ledger, Put
from infra.sandbox.client import operation_of
from infra.sandbox.world import Failure
from infra.service_model import is_mutating
from infra.settings import Settings
from tests.crash.harness import FaultyClient, Process
from tests.crash.test_single_faults import quick, remove, replaced, synchronize, tiny, tiny_changed
from tests.documents import mcp_target, oauth, small_stack
from tests.worlds import SandboxWorld, provision, virtually
from workflows.records.items import SCHEMA
from workflows.requests.request import Request
from workflows.service import handle

GOLDEN = Path(__file__).parent / "golden"
#: Seconds of a run: short, so that what a killed one left is soon taken over.
_SECONDS = 60.0
Event = dict[str, Any]


@dataclass
class Film:
    """A request, what was done before it, and all that came of both."""

    name: str
    request: Request
    #: What is asked for when it has ended, and changes nothing.
    then: Request | None = None
    before: list[Request] = field(default_factory=list)
    failing: str = ""
    stuck: str = ""
    events: list[Event] = field(default_factory=list)
    #: How many of the events belong to what was done before.
    prepared: int = 0

    def write(self) -> None:
        """Write it, an event a line."""
        head = {"form": SCHEMA, "failing": self.failing, "stuck": self.stuck, "prepared": self.prepared}
        head |= {"request": _shown(self.request), "then": _shown(self.then) if self.then is not None else None}
        lines = [json.dumps(one, sort_keys=True, separators=(",", ":"), default=str) for one in (head, *self.events)]
        (GOLDEN / f"v{SCHEMA}-{self.name}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")

    @classmethod
    def read(cls, path: Path) -> "Film":
        """Read it."""
        head, *events = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        then = Request.model_validate(head["then"]) if head["then"] is not None else None
        request = Request.model_validate(head["request"])
        return cls(path.stem, request, then, [], head["failing"], head["stuck"], events, head["prepared"])

    async def play(self, world: SandboxWorld, until: int) -> None:
        """Do to an empty world what its first events say, each at its time."""
        began = anyio.current_time()
        for event in self.events[:until]:
            await anyio.sleep(max(0.0, began + event["at"] - anyio.current_time()))
            if "call" in event:
                world.plane.answer(event["call"], event["params"], event["service"])
            for partition, sort, item in event.get("put", ()):
                await world.ledger.write(Put(Key(partition, sort), item))


def _shown(request: Request) -> dict[str, Any]:
    return request.model_dump(mode="json", exclude_defaults=True)


@dataclass
class _Camera:
    """Notes what reaches the service and the ledger of a world."""

    world: SandboxWorld
    events: list[Event] = field(default_factory=list)

    def note(self, **what: Any) -> None:
        self.events.append({"at": round(anyio.current_time(), 6), **what})

    async def run(self, request: Request) -> Any:
        context = self.world.context()

        async def client(service: str) -> _Filmed:
            return _Filmed(self, service)

        context = replace(context, aws=replace(context.aws, client=client), ledger=_FilmedLedger(self))
        return await handle(context, request, Deadline.within(_SECONDS))


class _Filmed(FaultyClient):
    def __init__(self, camera: _Camera, service: str) -> None:
        super().__init__(Process(), camera.world.client(service))
        self._camera, self._service = camera, service

    def __getattr__(self, method: str) -> Callable[..., Awaitable[dict[str, Any]]]:
        send, operation = super().__getattr__(method), operation_of(method)

        async def call(**params: Any) -> dict[str, Any]:
            answer = await send(**params)
            if is_mutating(operation):
                self._camera.note(call=operation, service=self._service, params=_without_secrets(params))
            return answer

        return call


def _without_secrets(params: dict[str, Any]) -> dict[str, Any]:
    """Return what was sent, with a word in the place of a secret."""
    shown = copy.deepcopy(params)
    for config in shown.get("oauth2ProviderConfigInput", {}).values():
        config["clientSecret"] = "not kept"
    return shown


class _FilmedLedger:
    def __init__(self, camera: _Camera) -> None:
        self._camera = camera
        self._ledger: Ledger = camera.world.ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def write(self, *changes: Change) -> None:
        await self._ledger.write(*changes)
        assert not any(isinstance(one, Delete) for one in changes)
        puts = [one for one in changes if isinstance(one, Put)]
        self._camera.note(put=[[one.key.partition, one.key.sort, one.item] for one in puts])


async def made(film: Film) -> Film:
    """Make a film."""
    with quick() as world:
        world.settings = Settings(GATEWRIGHT_STUCK_SECONDS=600.0)
        prepare(world, film)
        camera = _Camera(world)
        for request in film.before:
            await camera.run(request)
        film.prepared = len(camera.events)
        for _ in range(3 if film.stuck else 1):
            await camera.run(film.request)
        film.events = camera.events
        return film


def prepare(world: SandboxWorld, film: Film) -> None:
    """Have a world fail as the film's did."""
    if film.failing:
        world.plane.world.failing[film.failing] = Failure(-1, "The endpoint cannot be reached")
    if film.stuck:
        world.plane.world.stuck.add(film.stuck)


def _rolling() -> dict[str, Any]:
    document = {**tiny_changed(), "onFailure": "ROLLBACK"}
    document["gateways"]["payments"]["targets"]["bad"] = mcp_target()
    return document


def _asking() -> dict[str, Any]:
    document = small_stack(1)
    target = document["gateways"]["payments"]["targets"]["target-0"]
    target["credentialProviderConfigurations"] = oauth("AUTHORIZATION_CODE", defaultReturnUrl="https://x.example.com/")
    return document


def films() -> list[Film]:
    """The films of a version."""
    first, again = tiny("first"), tiny("again")
    anew = replaced()
    del anew["gateways"]["payments"]["targets"]["target-1"]
    replacing = provision(anew, "one", allow=frozenset({"gateways.payments"}))
    return [
        Film("provision", tiny("one")),
        Film("update", provision(tiny_changed(), "one"), before=[first]),
        Film("replacement", replacing, before=[first]),
        Film("removal", remove(small_stack(1)), before=[first]),
        Film("rollback", provision(_rolling(), "one"), again, before=[first], failing="bad"),
        Film("synchronization", synchronize(), again, before=[first]),
        Film("consent", provision(_asking(), "one")),
        Film("stuck", tiny("one"), stuck="target-0"),
    ]


def main() -> None:
    """Write the films of this version."""
    for film in films():
        virtually(partial(made, film)).write()


if __name__ == "__main__":
    main()
