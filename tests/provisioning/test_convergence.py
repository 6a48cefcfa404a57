"""A stack reaches what its document declares, by exactly the changes that takes, and then rests."""

import pytest

from infra.deadline import Deadline
from tests.documents import gateway, mcp_target, oauth, provider, small_stack
from workflows.document.stack import OWNER_TAG
from workflows.planner.outcome import ResourceStatus, Status
from workflows.planning import plan

TARGET = "gateways.payments.targets.target-0"
WEB_ACL = "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/edge/00000000-0000-0000-0000-000000000000"


async def test_everything_declared_exists_and_is_ready(world):
    """One apply on an empty account leaves exactly the declared resources, READY and tagged as ours."""
    outcome = await world.apply(small_stack())
    assert outcome.status is Status.READY
    assert set(world.live) == {
        "provider idp",
        "gateway payments",
        "target target-0",
        "target target-1",
        "target target-2",
    }
    assert {record.status for record in world.live.values()} == {"READY"}
    assert world.live["gateway payments"].tags == {OWNER_TAG: "payments.tools"}
    assert world.plane.world.records.doubles == []


async def test_references_arrive_resolved(world):
    """A target's provider ARN is the one that the service gave."""
    await world.apply(small_stack(1))
    config = world.live["target target-0"].request["credentialProviderConfigurations"][0]
    arn = config["credentialProvider"]["oauthCredentialProvider"]["providerArn"]
    assert arn == world.live["provider idp"].arn


async def test_a_converged_stack_is_only_read(world):
    """A second apply sends nothing, and reads less than one call per resource."""
    await world.apply(small_stack(20))
    world.sent()
    outcome = await world.apply(small_stack(20))
    assert outcome.status is Status.READY
    assert world.sent() == []
    assert sum(outcome.calls.values()) <= 10


async def test_a_changed_description_is_one_call(world):
    """Only what differs is sent, and the outcome says where."""
    document = small_stack()
    await world.apply(document)
    world.sent()
    document["gateways"]["payments"]["targets"]["target-0"]["description"] = "The ledger"
    outcome = await world.apply(document)
    assert outcome.status is Status.READY
    assert world.sent() == ["UpdateGatewayTarget"]
    assert world.live["target target-0"].request["description"] == "The ledger"
    await world.apply(document)
    assert world.sent() == []


async def test_a_removed_member_is_cleared(world):
    """What was declared once and is no more is cleared, not kept."""
    document = small_stack(1)
    document["gateways"]["payments"]["description"] = "Payments"
    await world.apply(document)
    del document["gateways"]["payments"]["description"]
    world.sent()
    await world.apply(document)
    assert world.sent() == ["UpdateGateway"]
    assert "description" not in world.live["gateway payments"].request


async def test_hand_made_settings_survive_an_update(world):
    """What nobody declared and somebody set by hand is carried over."""
    document = small_stack(1)
    await world.apply(document)
    by_hand = world.live["gateway payments"].request
    by_hand["customTransformConfiguration"] = {
        "lambda": {"arn": "arn:aws:lambda:us-east-1:123456789012:function:transform"}
    }
    by_hand["wafConfiguration"] = {"failureMode": "FAIL_OPEN"}
    world.plane.world.web_acls[world.live["gateway payments"].id] = WEB_ACL
    document["gateways"]["payments"]["description"] = "Payments"
    await world.apply(document)
    request = world.live["gateway payments"].request
    assert request.get("wafConfiguration") == {"failureMode": "FAIL_OPEN"}
    assert "customTransformConfiguration" in request
    assert request["description"] == "Payments"


TRANSFORM = {"lambda": {"arn": "arn:aws:lambda:us-east-1:123456789012:function:transform"}}


async def test_members_that_only_update_takes_are_declarable(world):
    """A gateway's customTransformConfiguration is set by an update right after its creation, once."""
    document = small_stack(0)
    document["gateways"]["payments"]["customTransformConfiguration"] = TRANSFORM
    outcome = await world.apply(document)
    assert outcome.status is Status.READY
    assert sorted(world.sent()) == ["CreateGateway", "CreateOauth2CredentialProvider", "UpdateGateway"]
    assert world.live["gateway payments"].request["customTransformConfiguration"] == TRANSFORM
    world.sent()
    await world.apply(document)
    assert world.sent() == []


async def test_a_waf_configuration_waits_for_the_association_of_its_web_acl(world):
    """The association needs the gateway: READY with a warning until reads show it, pending for a plan, then set."""
    document = small_stack(1)
    document["gateways"]["payments"]["wafConfiguration"] = {"failureMode": "FAIL_CLOSE"}
    for expected in (["CreateGateway", "CreateGatewayTarget", "CreateOauth2CredentialProvider"], []):
        planned = await plan(world.context(), document, Deadline(), frozenset())
        assert [one.address for one in planned.pending if one.withheld] == ["gateways.payments"]
        world.sent()
        outcome = await world.apply(document)
        assert (outcome.status, sorted(world.sent())) == (Status.READY, expected)
        assert [(one.path, one.rule) for one in outcome.warnings] == [("gateways.payments", "withheld")]
    gateway = world.live["gateway payments"]
    world.plane.world.web_acls[gateway.id] = WEB_ACL
    gateway.updated += 1_000
    outcome = await world.apply(document)
    assert (outcome.status, world.sent(), outcome.warnings) == (Status.READY, ["UpdateGateway"], ())
    assert gateway.request["wafConfiguration"] == {"failureMode": "FAIL_CLOSE"}
    assert not (await plan(world.context(), document, Deadline(), frozenset())).pending


async def test_a_waf_configuration_whose_association_is_gone_hinders_no_update(world):
    """The service refuses an update that repeats it, although reads still show it."""
    document = small_stack(1)
    await world.apply(document)
    gateway = world.live["gateway payments"]
    gateway.request["wafConfiguration"] = {"failureMode": "FAIL_OPEN"}
    document["gateways"]["payments"]["description"] = "Payments"
    assert (await world.apply(document)).status is Status.READY
    assert gateway.request["description"] == "Payments"


async def test_drift_is_repaired(world):
    """What somebody changed by hand in a declared member is put back."""
    document = small_stack(1)
    document["gateways"]["payments"]["targets"]["target-0"]["description"] = "The ledger"
    await world.apply(document)
    record = world.live["target target-0"]
    record.request["description"] = "mine"
    record.updated = world.plane.world.now
    await world.apply(document)
    assert world.live["target target-0"].request["description"] == "The ledger"


async def test_what_was_deleted_by_hand_is_made_again(world):
    """A target that somebody deleted comes back under a new token."""
    document = small_stack(2)
    await world.apply(document)
    old = world.live["target target-0"]
    old.go("GONE", now=world.plane.world.now)
    # Reads may hide what was just created for a while, so the worker waits before it believes in a deletion.
    outcome = await world.apply(document)
    assert outcome.status is Status.READY
    new = world.live["target target-0"]
    assert new.id != old.id
    assert new.token != old.token


async def test_a_target_that_leaves_the_document_is_removed(world):
    """Targets are pruned without being asked for."""
    document = small_stack(2)
    await world.apply(document)
    del document["gateways"]["payments"]["targets"]["target-1"]
    outcome = await world.apply(document)
    assert outcome.status is Status.READY
    assert "target target-1" not in world.live
    assert "target target-0" in world.live


async def test_an_emptied_document_removes_nothing_without_leave(world):
    """`gateways: {}` removes neither gateway nor targets nor provider; the outcome says what it would have removed."""
    await world.apply(small_stack())
    world.sent()
    outcome = await world.apply({"stack": "payments.tools", "gateways": {}})
    assert world.sent() == []
    assert {result.status for result in outcome.results} == {ResourceStatus.RETAINED}
    assert {warning.path for warning in outcome.warnings} >= {"gateways.payments", "oauth2CredentialProviders.idp"}


async def test_an_allowed_removal_goes_targets_first(world):
    """With its address in `allow`, a gateway that left the document is removed with its targets."""
    await world.apply(small_stack())
    world.sent()
    allow = frozenset({"gateways.payments", "oauth2CredentialProviders.idp"})
    outcome = await world.apply({"stack": "payments.tools"}, allow=allow)
    assert outcome.status is Status.READY
    assert world.live == {}
    sent = world.sent()
    assert sent.index("DeleteGateway") > max(n for n, name in enumerate(sent) if name == "DeleteGatewayTarget")
    assert set(sent[-2:]) == {"DeleteGateway", "DeleteOauth2CredentialProvider"}


async def test_removal_leaves_nothing(world):
    """A removed stack leaves an empty account; asked for again, it sends nothing."""
    await world.apply(small_stack())
    outcome = await world.destroy(small_stack())
    assert outcome.status is Status.DELETED
    assert world.live == {}
    world.sent()
    assert (await world.destroy(small_stack())).status is Status.DELETED
    assert world.sent() == []


async def test_a_removed_stack_can_come_back(world):
    """After a removal the same document makes new resources, not the answers to old tokens."""
    await world.apply(small_stack(1))
    first = world.live["target target-0"].token
    await world.destroy(small_stack(1))
    assert (await world.apply(small_stack(1))).status is Status.READY
    assert world.live["target target-0"].token != first


async def test_retained_resources_stay(world):
    """`deletion: RETAIN` keeps a resource through the removal of its stack."""
    document = small_stack(0)
    document["gateways"]["payments"]["gatewright"] = {"deletion": "RETAIN"}
    await world.apply(document)
    outcome = await world.destroy(document)
    assert outcome.status is Status.DELETED
    assert set(world.live) == {"gateway payments"}


async def test_existing_resources_are_referred_to_and_never_changed(world):
    """`existing: true` looks a provider up by name; neither apply nor removal touches it."""
    other = {"stack": "identity", "oauth2CredentialProviders": {"idp": provider()}}
    await world.apply(other)
    world.sent()
    document = small_stack(1)
    document["oauth2CredentialProviders"]["idp"] = {"gatewright": {"existing": True}}
    assert (await world.apply(document)).status is Status.READY
    assert "CreateOauth2CredentialProvider" not in world.sent()
    await world.destroy(document)
    assert set(world.live) == {"provider idp"}


async def test_a_target_of_another_kind_is_replaced(world):
    """What a target is cannot change in place, so it is deleted and made again."""
    document = small_stack(1)
    await world.apply(document)
    old = world.live["target target-0"].id
    document["gateways"]["payments"]["targets"]["target-0"] = {
        "targetConfiguration": {
            "mcp": {
                "lambda": {
                    "lambdaArn": "arn:aws:lambda:us-east-1:123456789012:function:x",
                    "toolSchema": {"inlinePayload": []},
                }
            }
        },
        "credentialProviderConfigurations": [{"credentialProviderType": "GATEWAY_IAM_ROLE"}],
    }
    assert (await world.apply(document)).status is Status.READY
    assert world.live["target target-0"].id != old


async def test_what_is_not_shown_is_set_in_place(world):
    """A gateway that shows no protocol has none yet: that is no other protocol, for which it would be made anew."""
    document = small_stack(1)
    await world.apply(document)
    before = world.live["gateway payments"].id
    document["gateways"]["payments"]["protocolType"] = "MCP"
    outcome = await world.apply(document, allow=frozenset({"gateways.payments"}))
    assert (outcome.status, world.live["gateway payments"].id) == (Status.READY, before)
    assert world.live["gateway payments"].request["protocolType"] == "MCP"


@pytest.mark.parametrize("change", [{"authorizerType": "AWS_IAM", "authorizerConfiguration": None}], ids=str)
async def test_what_cannot_change_in_place_fails_and_touches_nothing(world, change):
    """A gateway's authorizer type is fixed; the failure says so before anything is sent."""
    document = small_stack(1)
    await world.apply(document)
    world.sent()
    body = document["gateways"]["payments"]
    document["gateways"]["payments"] = {k: v for k, v in {**body, **change}.items() if v is not None}
    outcome = await world.apply(document)
    assert outcome.status is Status.FAILED
    assert [failure.code for failure in outcome.failures] == ["Immutable"]
    assert world.sent() == []


async def test_independent_branches_run_side_by_side(world):
    """Two gateways take the time of one, and a provider is made meanwhile."""
    document = {
        "stack": "two",
        "oauth2CredentialProviders": {"idp": provider()},
        "gateways": {
            "one": gateway({"a": mcp_target(credentialProviderConfigurations=oauth())}),
            "two": gateway({"b": mcp_target()}),
        },
    }
    outcome = await world.apply(document)
    assert outcome.status is Status.READY
    critical_path = world.behaviour.durations.gateway + world.behaviour.durations.target
    assert world.plane.world.now < 1.5 * critical_path
