"""R1, R2: one fault at every call and every ledger write, and the stack still ends as declared."""

import copy
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra.documents import parse
from infra.sandbox.behaviour import Behaviour, Durations
from infra.sandbox.world import Failure
from tests.crash.harness import CALLS, WRITES, At, Scenario, learn, strike
from tests.documents import mcp_target, oauth, small_stack
from tests.worlds import SandboxWorld, provision, virtually
from workflows.decide import Mode
from workflows.outcome import Status
from workflows.request import Request

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
    return parse((EVENTS / name).read_text())


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


GATEWAY = frozenset({"gateways.payments"})
SCENARIOS = [
    Scenario("provision", nothing, provision(small_stack(), "create")),
    Scenario("update", applied, provision(changed(), "update")),
    Scenario("removal", applied, remove(small_stack())),
    Scenario("everything", nothing, provision(sample("every-kind.yaml"), "create"), quick),
    Scenario("everything changed", everything_applied, provision(sample("every-kind-changed.yaml"), "update"), quick),
    Scenario("everything removed", everything_applied, remove(sample("every-kind.yaml")), quick),
    Scenario("replacement", applied, provision(replaced(), "replace", allow=GATEWAY)),
    Scenario("rollback", rolls_back, provision(rolling(), "roll"), quick, provision(small_stack(), "again")),
    Scenario("rollback to nothing", rolls_back_to_nothing, provision(rolling(), "roll"), quick, remove(small_stack())),
]


@pytest.mark.parametrize("at", list(At), ids=str)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_single_fault_ends_in_the_declared_world(scenario, at, record_property):
    """Declared world, nothing doubled, nothing unknown to the ledger, and a further run that sends nothing."""
    trace = virtually(partial(learn, scenario))
    assert trace.status in (Status.READY, Status.DELETED, Status.ROLLED_BACK)
    points = trace.calls if at in CALLS else trace.writes
    assert at in CALLS + WRITES
    wrong = [one for index in range(points) for one in virtually(partial(strike, scenario, trace, at, index))]
    record_property("points", points)
    assert wrong == []
