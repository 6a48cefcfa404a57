"""Names change hands: what bears ours now may be somebody else's, and what others may need is not made anew."""

from infra.deadline import Deadline
from infra.ledger.sqlite import SqliteLedger
from infra.sandbox.world import Failure
from tests.documents import gateway, mcp_target, provider, small_stack
from workflows.planner.outcome import Status
from workflows.planning import plan


async def test_a_provider_that_took_our_name_is_not_ours(world):
    """Ours was deleted by hand and another stack made one of that name: neither updated nor removed by us."""
    document = small_stack(0)
    await world.apply(document)
    world.live["provider idp"].go("GONE", now=world.plane.world.now)
    theirs = {"stack": "other", "oauth2CredentialProviders": {"idp": provider(clientId="theirs")}}
    assert (await world.apply(theirs)).status is Status.READY
    outcome = await world.apply(document)
    assert [failure.code for failure in outcome.failures] == ["NameTaken"]
    await world.destroy(document)
    assert set(world.live) == {"provider idp"}
    assert world.live["provider idp"].tags["gatewright:stack"] == "other"


async def test_an_adopted_gateway_gets_its_new_targets(world):
    """Adoption, a change and new targets in one run, each done once."""
    await world.apply({"stack": "other", "gateways": {"payments": gateway()}})
    world.sent()
    body = gateway({"t": mcp_target()}, gatewright={"adopt": True})
    outcome = await world.apply({"stack": "payments.tools", "gateways": {"payments": body}})
    assert outcome.status is Status.READY
    assert world.sent() == ["TagResource", "CreateGatewayTarget"]


async def test_a_plan_shows_what_an_adoption_would_change(world):
    """Taking over a gateway that differs shows its paths before anything is sent."""
    await world.apply({"stack": "other", "gateways": {"payments": gateway(description="theirs")}})
    body = gateway(description="ours", gatewright={"adopt": True})
    document = {"stack": "payments.tools", "gateways": {"payments": body}}
    (planned,) = (await plan(world.context(), document, Deadline(), frozenset())).resources
    assert (planned.action, [change.path for change in planned.changes]) == (
        "TAG",
        ['tags["gatewright:stack"]', "description"],
    )


async def test_a_failed_gateway_of_others_is_not_made_anew(world):
    """Adopting a FAILED gateway, or finding ours FAILED without a ledger, deletes nothing without leave."""
    world.plane.world.failing["payments"] = Failure(-1, "the role cannot be assumed")
    await world.apply({"stack": "other", "gateways": {"payments": gateway()}})
    world.plane.world.failing.clear()
    world.sent()
    adopting = {"stack": "payments.tools", "gateways": {"payments": gateway(gatewright={"adopt": True})}}
    assert (await world.apply(adopting)).status is Status.FAILED
    world.close()
    world.ledger = SqliteLedger()
    ours = {"stack": "other", "gateways": {"payments": gateway()}}
    outcome = await world.apply(ours)
    assert outcome.status is Status.FAILED
    assert "allow" in outcome.failures[0].advice
    assert world.sent() == []
    assert (await world.apply(ours, allow=frozenset({"gateways.payments"}))).status is Status.READY


async def test_a_target_under_a_gateway_that_left_the_document_with_it(world):
    """An `existing: true` gateway leaves the document with our target under it: kept and said, removed on removal."""
    await world.apply({"stack": "other", "gateways": {"shared": gateway()}})
    body = {"gatewright": {"existing": True}, "targets": {"t": mcp_target()}}
    await world.apply({"stack": "payments.tools", "gateways": {"shared": body}})
    outcome = await world.apply({"stack": "payments.tools"})
    assert {warning.path for warning in outcome.warnings} >= {"gateways.shared.targets.t"}
    assert "target t" in world.live
    assert (await world.destroy({"stack": "payments.tools"})).status is Status.DELETED
    assert set(world.live) == {"gateway shared"}
