"""What many workers are given: a stack that stands, requests for it, and the one that is to win."""

import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from infra.sandbox.behaviour import Behaviour, Durations
from infra.sandbox.world import Failure
from tests.concurrency.workers import History, Worker, consume
from tests.crash.harness import snapshot, unknown_to_ledger
from tests.documents import mcp_target, oauth, small_stack
from tests.worlds import SandboxWorld, provision
from workflows.planner.outcome import Status
from workflows.records.request_state import Mode
from workflows.requests.request import Request


@dataclass(frozen=True)
class Case:
    """Requests that come at once; the last is the newest. `then` asks for what is to stand in the end."""

    name: str
    prepare: Callable[[SandboxWorld], Awaitable[None]]
    requests: tuple[Request, ...]
    ends: Status = Status.READY
    then: Request | None = None


def quick() -> SandboxWorld:
    """A world in which nothing takes long, so that the workers' own times count."""
    durations = Durations(provider=0.3, gateway=0.6, target=0.6, delete=0.3)
    return SandboxWorld(Behaviour(durations=durations), round_trip=0.0)


def changed() -> dict[str, Any]:
    """The small stack with something added, removed, described anew, and another client."""
    document = small_stack(3)
    gateway = document["gateways"]["payments"]
    gateway["description"] = "Payments"
    gateway["targets"]["target-0"]["credentialProviderConfigurations"] = oauth(scopes=["ledger.write"])
    del gateway["targets"]["target-1"]
    config = document["oauth2CredentialProviders"]["idp"]["oauth2ProviderConfigInput"]["customOauth2ProviderConfig"]
    config["clientId"] = "payments-2"
    return document


def rolling() -> dict[str, Any]:
    """The changed stack with a target that never becomes ready."""
    document = {**changed(), "onFailure": "ROLLBACK"}
    document["gateways"]["payments"]["targets"]["bad"] = mcp_target()
    return document


def removal(document: dict[str, Any], request_id: str, **more: Any) -> Request:
    given = copy.deepcopy(document)
    return Request(mode=Mode.REMOVE, request_id=request_id, stack=document["stack"], document=given, **more)


async def nothing(world: SandboxWorld) -> None:
    del world


async def applied(world: SandboxWorld) -> None:
    assert (await world.apply(small_stack(2), "first", generation=1)).status is Status.READY


async def will_fail(world: SandboxWorld) -> None:
    await applied(world)
    world.plane.world.failing["bad"] = Failure(-1, "The endpoint cannot be reached")


def _provision(document: dict[str, Any], generation: int) -> Request:
    return provision(document, f"request-{generation}", generation=generation)


CASES = (
    Case("provision", nothing, (_provision(small_stack(2), 2),)),
    Case("update", applied, (_provision(changed(), 2),)),
    Case("removal", applied, (removal(small_stack(2), "request-2", generation=2),), Status.DELETED),
    Case("rollback", will_fail, (_provision(rolling(), 2),), Status.ROLLED_BACK, _provision(small_stack(2), 3)),
    Case("newer and newer", nothing, tuple(_provision(one, g) for g, one in enumerate((small_stack(2), changed()), 2))),
    Case(
        "made and removed",
        applied,
        (_provision(changed(), 2), removal(small_stack(2), "request-3", generation=3)),
        Status.DELETED,
    ),
    Case(
        "removed and made",
        applied,
        (removal(small_stack(2), "request-2", generation=2), _provision(changed(), 3)),
    ),
)


async def expected(case: Case) -> dict[str, Any]:
    """Return the world in which nothing but the newest request was made, after what stood before."""
    world = quick()
    await case.prepare(world)
    assert (await world.run(case.requests[-1])).status is case.ends
    shown = snapshot(world)
    world.close()
    return shown


def _anew(world: SandboxWorld, name: str, number: int) -> Worker:
    return Worker(world, History(), f"{name}-{number}", slow=0.0)


async def judge(world: SandboxWorld, case: Case, shown: dict[str, Any], *, spare: bool = False) -> list[str]:
    """Bring the stack to its end once more, and return what is wrong with it then.

    `spare` says that a worker whose clock nobody could know sent a creation that it had marked, after others had
    waited for it in vain: what it made is left over then, and nothing else.
    """
    last = case.then or case.requests[-1]
    generation = (last.generation or 0) + 10
    for number in range(2):
        world.sent()
        again = last.model_copy(update={"request_id": f"again-{number}", "generation": generation + number})
        outcome = await consume(partial(_anew, world, f"again-{number}"), again)
        if outcome.status not in (Status.READY, Status.DELETED):
            return [f"a further run ended {outcome.status}: {outcome.reason} {[f.message for f in outcome.failures]}"]
    wrong = [f"a further run sent {sent}"] if (sent := world.sent()) else []
    found, unknown = snapshot(world), await unknown_to_ledger(world)
    if spare:
        found = {part: {name: found[part].get(name) for name in shown[part]} for part in shown}
        unknown = []
    if found != shown:
        wrong.append(f"the world is not as declared: {sorted(found['statuses'])} not {sorted(shown['statuses'])}")
    return [*wrong, *unknown, *(f"doubled: {one}" for one in world.plane.world.records.doubles)]
