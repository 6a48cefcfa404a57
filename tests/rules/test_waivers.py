"""A document may waive a rule that refuses, with a reason: AWS moves on, and a rule that is wrong must stop nobody."""

import copy

import pytest

from infra.deadline import Deadline
from tests.authority.desk import FILE, PAYMENTS, deployed
from tests.documents import gateway, mcp_target
from tests.worlds import SandboxWorld, provision
from workflows.document.problems import Invalid
from workflows.document.reading import read_stack
from workflows.planner.outcome import Status
from workflows.service import handle

PATH = "gateways.payments.targets.tools.targetConfiguration.mcp.mcpServer.endpoint"


def document(**waive: str) -> dict:
    """Return a stack whose target breaks R21: an endpoint with a template."""
    target = mcp_target("https://tools.example.com/{tenant}/mcp", gatewright={"waive": waive})
    return {"stack": "payments.tools", "gateways": {"payments": gateway({"tools": target})}}


def test_a_waived_rule_warns_with_the_reason():
    with pytest.raises(Invalid) as refused:
        read_stack(document())
    assert [(one.path, one.rule) for one in refused.value.problems] == [(PATH, "R21")]
    [warning] = read_stack(document(R21="the gateway fills it in since June")).warnings
    assert (warning.path, warning.rule) == (PATH, "R21")
    assert "(waived: the gateway fills it in since June)" in warning.message


@pytest.mark.parametrize("number", ["R36", "R16", "R999"])
def test_what_is_no_rule_of_ours_that_refuses_cannot_be_waived(number):
    """A limit of the service model, a warning, and a number that no rule has."""
    with pytest.raises(Invalid) as refused:
        read_stack(document(R21="why", **{number: "why"}))
    assert [one.path for one in refused.value.problems] == [
        f"gateways.payments.targets.tools.gatewright.waive.{number}"
    ]


def test_a_waiver_needs_a_reason():
    with pytest.raises(Invalid) as refused:
        read_stack(document(R21=""))
    assert "gateways.payments.targets.tools.gatewright.waive.R21" in [one.path for one in refused.value.problems]


async def test_an_outcome_says_what_was_waived(world: SandboxWorld):
    outcome = await world.apply(document(R21="why"))
    assert [(one.path, one.rule) for one in outcome.warnings] == [(PATH, "R21")]


@pytest.mark.parametrize("granted", [False, True])
async def test_grants_say_which_rules_may_be_waived(world: SandboxWorld, granted):
    """Without the category `waivers`, a team waives nothing."""
    grants = copy.deepcopy(FILE["grants"])
    if granted:
        grants["grants"][0]["mayName"]["waivers"] = ["R21"]
    request = provision(document(R21="why"), "one", submitter=PAYMENTS)
    outcome = await handle(deployed(world, grants), request, Deadline.within(600))
    if granted:
        assert outcome.status is Status.READY
    else:
        assert (outcome.status, [one.rule for one in outcome.problems]) == (Status.REJECTED, ["authority"])
