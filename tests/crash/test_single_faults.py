"""R1, R2, R13: one fault at every call and every ledger write of every path, and two at every pair of a small one."""

import copy
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra.documents import parse
from infra.ledger.sqlite import SqliteLedger
from infra.sandbox.behaviour import Behaviour, Durations
from infra.sandbox.world import Failure
from tests.crash.harness import At, Point, Scenario, learn, strike
from tests.documents import mcp_target, oauth, small_stack
from tests.goals import tried
from tests.slices import sliced
from tests.worlds import SandboxWorld, provision, virtually
from workflows.planner.outcome import Status
from workflows.records.request_state import Mode
from workflows.requests.request import Request

EVENTS = Path(__file__).parents[2] / "events"


def changed() -> dict[str, Any]:
    """The small stack with one of everything that can change: updated, added, removed, described anew."""
    document = small_stack(4)
    gateway = document["gateways"]["payments"]
    gateway["description"] = "Payments"
    gateway["targets"]["target-0"]["description"] = "The ledger"
    gateway["targets"]["target-1"]["credentialProviderConfigurations"] = oauth(scopes=["ledger.write"])
    del gateway["targets"]["target-2"]
    config = document["oauth2CredentialProviders"]["idp"]["oauth2ProviderConfigInput"]["customOauth2ProviderConfig"]
    config["clientId"] = "payments-2"
    return document


async def nothing(world: SandboxWorld) -> None:
    del world


async def applied(world: SandboxWorld) -> None:
    outcome = await world.apply(small_stack())
    assert outcome.status is Status.READY


def remove(document: dict[str, Any]) -> Request:
    return Request(mode=Mode.REMOVE, request_id="remove", stack=document["stack"], document=copy.deepcopy(document))


def sample(name: str) -> dict[str, Any]:
    document: dict[str, Any] = parse((EVENTS / name).read_text())
    return document


def quick() -> SandboxWorld:
    """A world that does not take long: fewer polls, and so fewer points to strike at."""
    durations = Durations(provider=0.3, gateway=0.3, target=0.3, runtime=0.3, harness=0.3, registry=0.3, delete=0.3)
    return SandboxWorld(Behaviour(durations=durations))


async def everything_applied(world: SandboxWorld) -> None:
    assert (await world.apply(sample("every-kind.yaml"))).status is Status.READY


def replaced() -> dict[str, Any]:
    """The small stack with a gateway, a target and a vendor that only new resources can have."""
    document = small_stack(2)
    made = document["gateways"]["payments"]
    made["authorizerType"] = "AWS_IAM"
    del made["authorizerConfiguration"]
    made["targets"]["target-0"]["targetConfiguration"] = {"mcp": {"openApiSchema": {"inlinePayload": "{}"}}}
    return document


def rolling() -> dict[str, Any]:
    """The changed small stack, with a target that never becomes ready."""
    document = {**changed(), "onFailure": "ROLLBACK"}
    document["gateways"]["payments"]["targets"]["bad"] = mcp_target()
    return document


async def rolls_back(world: SandboxWorld) -> None:
    await applied(world)
    world.plane.world.failing["bad"] = Failure(-1, "The endpoint cannot be reached")


async def rolls_back_to_nothing(world: SandboxWorld) -> None:
    world.plane.world.failing["bad"] = Failure(-1, "The endpoint cannot be reached")


async def ledger_lost(world: SandboxWorld) -> None:
    """Everything exists and bears our tags, and nothing is remembered."""
    await applied(world)
    world.close()
    world.ledger = SqliteLedger()


async def made_by_others(world: SandboxWorld) -> None:
    """Everything exists under our names, and is somebody else's."""
    await ledger_lost(world)
    for record in world.live.values():
        record.tags.clear()


def repaired() -> dict[str, Any]:
    """The changed small stack with all that was there: without a ledger nobody knows what left the document."""
    document = changed()
    document["gateways"]["payments"]["targets"]["target-2"] = small_stack()["gateways"]["payments"]["targets"][
        "target-2"
    ]
    return document


def adopting() -> dict[str, Any]:
    """The changed small stack, which takes over what bears its names."""
    document = repaired()
    for made in (document["gateways"]["payments"], document["oauth2CredentialProviders"]["idp"]):
        made["gatewright"] = {"adopt": True}
    return document


def synchronize() -> Request:
    return Request(mode=Mode.SYNCHRONIZE, request_id="synchronize", stack="payments.tools")


def tiny(request_id: str = "create") -> Request:
    return provision(small_stack(1), request_id)


async def tiny_applied(world: SandboxWorld) -> None:
    assert (await world.run(tiny())).status is Status.READY


def tiny_changed() -> dict[str, Any]:
    document = small_stack(1)
    document["gateways"]["payments"]["description"] = "Payments"
    document["gateways"]["payments"]["targets"]["target-0"]["description"] = "The ledger"
    return document


pytestmark = pytest.mark.sweep
GATEWAY = frozenset({"gateways.payments"})
SCENARIOS = [
    Scenario("provision", nothing, provision(small_stack(), "create")),
    Scenario("update", applied, provision(changed(), "update")),
    Scenario("removal", applied, remove(small_stack())),
    Scenario("synchronization", applied, synchronize(), quick, provision(small_stack(), "again"), repeated=3),
    Scenario("ledger lost", ledger_lost, provision(repaired(), "update"), quick),
    Scenario("adoption", made_by_others, provision(adopting(), "adopt"), quick),
    Scenario("everything", nothing, provision(sample("every-kind.yaml"), "create"), quick),
    Scenario("everything changed", everything_applied, provision(sample("every-kind-changed.yaml"), "update"), quick),
    Scenario("everything removed", everything_applied, remove(sample("every-kind.yaml")), quick),
    Scenario("replacement", applied, provision(replaced(), "replace", allow=GATEWAY)),
    Scenario("rollback", rolls_back, provision(rolling(), "roll"), quick, provision(small_stack(), "again")),
    Scenario("rollback to nothing", rolls_back_to_nothing, provision(rolling(), "roll"), quick, remove(small_stack())),
]
SMALL = [
    Scenario("provision", nothing, tiny(), quick),
    Scenario("update", tiny_applied, provision(tiny_changed(), "update"), quick),
    Scenario("removal", tiny_applied, remove(small_stack(1)), quick),
]


def goal_of(scenario: Scenario, at: At) -> str:
    if scenario.name.startswith("rollback"):
        return "R13"
    return "R2" if at in (At.ANSWER_LOST, At.EFFECT_LOST, At.LATE) else "R1"


@pytest.mark.parametrize("at", list(At), ids=str)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_r1_r2_r13_every_single_fault_ends_in_the_declared_world(scenario, at):
    """Declared world, nothing doubled, nothing unknown to the ledger, and a further run that sends nothing."""
    trace = virtually(partial(learn, scenario))
    assert trace.status in (Status.READY, Status.DELETED, Status.ROLLED_BACK)
    points = sliced([point for point in trace.points if point.at is at], 20, scenario.name, at)
    wrong = [one for point in points for one in virtually(partial(strike, scenario, trace, point))[1]]
    tried(goal_of(scenario, at), f"{at}, at every point of every path", len(points), wrong)
    assert wrong == []


#: The first and the second of two faults: one of each sort that leaves something else behind.
FIRST = (At.BEFORE_SENDING, At.ANSWER_LOST, At.NOT_REMEMBERED, At.BEFORE_WRITE, At.WRITE_UNANSWERED)
SECOND = (At.NOT_REMEMBERED, At.ANSWER_LOST, At.BEFORE_WRITE)
#: A call or write that no run comes to.
_BEYOND = 1_000
#: In how many parts the pairs are tried, so that they spread over processes.
_PARTS = 8


@pytest.mark.parametrize("part", range(_PARTS))
@pytest.mark.parametrize("scenario", SMALL, ids=lambda scenario: scenario.name)
def test_r1_r2_every_pair_of_faults_ends_in_the_declared_world(scenario, part):
    """A provider, a gateway and a target: a second fault at every later point of what goes on after the first."""
    trace = virtually(partial(learn, scenario))
    wrong: list[str] = []
    pairs = 0
    firsts = [point for point in trace.points if point.at in FIRST]
    for first in sliced(firsts[part::_PARTS], 20, scenario.name, part):
        for at in SECOND:
            for index in sliced(range(first.index + 1, _BEYOND), 6, first, at):
                struck, found = virtually(partial(strike, scenario, trace, first, Point(at, index)))
                if len(struck) < 2:
                    break
                wrong += found
                pairs += 1
    tried("R1", "two faults, at every pair of points of provider, gateway and target", pairs, wrong)
    assert wrong == []
