"""R1, R2: one fault at every call and every ledger write, and the stack still ends as declared."""

import copy
from functools import partial
from typing import Any

import pytest

from tests.crash.harness import CALLS, WRITES, At, Scenario, learn, strike
from tests.documents import oauth, small_stack
from tests.worlds import SandboxWorld, provision, virtually
from workflows.decide import Mode
from workflows.outcome import Status
from workflows.request import Request


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


SCENARIOS = [
    Scenario("provision", nothing, provision(small_stack(), "create")),
    Scenario("update", applied, provision(changed(), "update")),
    Scenario("removal", applied, remove(small_stack())),
]


@pytest.mark.parametrize("at", list(At), ids=str)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_single_fault_ends_in_the_declared_world(scenario, at, record_property):
    """Declared world, nothing doubled, nothing unknown to the ledger, and a further run that sends nothing."""
    trace = virtually(partial(learn, scenario))
    assert trace.status in (Status.READY, Status.DELETED)
    points = trace.calls if at in CALLS else trace.writes
    assert at in CALLS + WRITES
    wrong = [one for index in range(points) for one in virtually(partial(strike, scenario, trace, at, index))]
    record_property("points", points)
    assert wrong == []
