"""Changes that are easily lost: inside lists, beside tags, through failures, and behind references to secrets."""

import json

from infra.sandbox.world import Failure
from tests.documents import mcp_target, oauth, provider, small_stack
from workflows.planner.outcome import ResourceStatus, Status

SECRETS = '{"clientSecret": "sandbox-payments-idp-secret", "otherKey": "sandbox-reports-secret"}'


def target_of(document: dict) -> dict:
    target: dict[str, object] = document["gateways"]["payments"]["targets"]["target-0"]
    return target


async def test_a_member_removed_inside_a_list_is_cleared(world):
    """CustomParameters of the one credential configuration go when they leave the document."""
    document = small_stack(1)
    target_of(document)["credentialProviderConfigurations"] = oauth(customParameters={"resource": "a"})
    await world.apply(document)
    target_of(document)["credentialProviderConfigurations"] = oauth()
    await world.apply(document)
    config = world.live["target target-0"].request["credentialProviderConfigurations"][0]
    assert "customParameters" not in config["credentialProvider"]["oauthCredentialProvider"]


async def test_a_tag_and_a_description_change_together(world):
    """Both arrive: the update does not hide the tags' change."""
    document = small_stack(0)
    await world.apply(document)
    world.sent()
    document["gateways"]["payments"] |= {"tags": {"team": "x"}, "description": "new"}
    await world.apply(document)
    assert world.sent() == ["UpdateGateway", "TagResource"]
    assert world.live["gateway payments"].tags["team"] == "x"
    document["gateways"]["payments"]["tags"] = {}
    await world.apply(document)
    assert "team" not in world.live["gateway payments"].tags


async def test_a_tag_and_a_target_change_together(world):
    """A gateway that was only tagged is not taken for gone when the run looks once more."""
    document = small_stack(1)
    await world.apply(document)
    world.sent()
    document["gateways"]["payments"]["tags"] = {"team": "x"}
    target_of(document)["description"] = "new"
    assert (await world.apply(document)).status is Status.READY
    assert sorted(world.sent()) == ["TagResource", "UpdateGatewayTarget"]


async def test_a_removed_member_stays_removed_through_a_failed_update(world):
    """When the update that clears a member fails, the old value is not taken for somebody's own setting."""
    document = small_stack(1)
    target_of(document)["description"] = "old"
    await world.apply(document)
    record = world.live["target target-0"]
    del target_of(document)["description"]
    world.plane.world.failing["target-0"] = Failure(1, "internal", frozenset({"UPDATE"}))
    assert (await world.apply(document)).status is Status.READY
    assert "description" not in record.request


async def test_another_secret_key_is_another_secret(world):
    """A reference that names another member of the same version is sent."""
    world.plane.world.secrets.put("payments/idp", SECRETS)
    document = small_stack(0)
    await world.apply(document)
    other = "{{resolve:secretsmanager:payments/idp:SecretString:otherKey}}"
    document["oauth2CredentialProviders"]["idp"] = provider(clientSecret=other)
    assert (await world.apply(document)).status is Status.READY
    kept = world.plane.world.secrets.find("bedrock-agentcore-identity!default/oauth2/idp")
    assert kept.versions[kept.current] == json.loads(SECRETS)["otherKey"]


async def test_a_new_life_is_not_judged_by_the_old_one(world):
    """A gateway that was READY, deleted by hand and failing at its re-creation gets its three tries."""
    await world.apply(small_stack(0))
    world.live["gateway payments"].go("GONE", now=world.plane.world.now)
    world.plane.world.failing["payments"] = Failure(2, "the role cannot be assumed")
    assert (await world.apply(small_stack(0))).status is Status.READY


async def test_dependencies_of_two_generations_do_not_wait_in_a_circle(world):
    """Applied with b after a, removed by a document with a after b: the removal ends."""

    def waits(on: str) -> dict:
        return mcp_target(gatewright={"dependsOn": [f"gateways.payments.targets.{on}"]})

    document = small_stack(0)
    document["gateways"]["payments"]["targets"] = {"a": mcp_target(), "b": waits("a")}
    await world.apply(document)
    document["gateways"]["payments"]["targets"] = {"a": waits("b"), "b": mcp_target()}
    assert (await world.destroy(document)).status is Status.DELETED
    assert world.live == {}


async def test_what_a_retained_target_needs_is_retained(world):
    """The gateway and the provider of a retained target stay with it, and the outcome says why."""
    document = small_stack(1)
    target_of(document)["gatewright"] = {"deletion": "RETAIN"}
    await world.apply(document)
    world.sent()
    outcome = await world.destroy(document)
    assert {result.status for result in outcome.results} == {ResourceStatus.RETAINED}
    assert world.sent() == []
    assert len(world.live) == 3
