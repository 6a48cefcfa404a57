"""A tag authorizes no deletion: what a removal deletes is recorded; what else bears the stack's tag is reported."""

import copy
from typing import Any

import anyio
import pytest

from infra.ledger.sqlite import SqliteLedger
from tests.documents import changed, gateway, mcp_target, provider, small_stack
from tests.everything.test_kinds import LEAST, document
from tests.goals import tried
from tests.twists import Twist, TwistedWorld, refused
from workflows.document.stack import OWNER_TAG
from workflows.kinds import KINDS
from workflows.planner.outcome import Outcome, ResourceStatus, Status

WHAT = "removals beside resources that bear the stack's tag and that the ledger does not know"


@pytest.fixture
def world():
    with TwistedWorld() as made:
        yield made


def snapshot(world: TwistedWorld) -> SqliteLedger:
    """Return a copy of the ledger, as a backup has it."""
    assert isinstance(world.ledger, SqliteLedger)
    copied = SqliteLedger()
    world.ledger._db.backup(copied._db)  # noqa: SLF001 - a backup of the file
    return copied


def restore(world: TwistedWorld, backup: SqliteLedger) -> None:
    assert isinstance(world.ledger, SqliteLedger)
    world.ledger.close()
    world.ledger = backup


def codes(outcome: Outcome) -> dict[str, str]:
    return {failure.code: failure.message for failure in outcome.failures}


@pytest.mark.parametrize("newer", [False, True], ids=["the older document", "the newer document"])
async def test_a_restored_older_ledger_leaves_nothing_behind_in_silence(world, newer):
    """What was made since the backup is named with its id; applied once and removed again, nothing is left."""
    await world.apply(small_stack(1))
    backup = snapshot(world)
    extra = changed(small_stack(1), {"oauth2CredentialProviders.extra": provider()})
    await world.apply(extra)
    restore(world, backup)
    outcome = await world.destroy(extra if newer else small_stack(1))
    tried("R17", WHAT, violations=outcome.status is Status.DELETED)
    assert outcome.status is Status.FAILED
    assert "oauth2credentialprovider/extra" in codes(outcome)["LeftBehind"]
    assert set(world.live) == {"provider extra"}
    assert (await world.apply(extra)).status is Status.READY
    assert (await world.destroy(extra)).status is Status.DELETED
    assert not world.live


async def test_what_somebody_planted_with_the_tag_is_not_deleted(world):
    """Of each kind that has tags: it bears the stack's tag, and nobody recorded it."""
    await world.apply(small_stack(1))
    body = {name: value for name, value in gateway().items() if name != "targets"}
    world.plane.answer("CreateGateway", {**body, "name": "planted", "tags": {OWNER_TAG: "payments.tools"}})
    world.plane.answer("CreateGateway", {**body, "name": "anothers", "tags": {OWNER_TAG: "payments.other"}})
    outcome = await world.destroy(small_stack(1))
    tried("R17", WHAT, violations="gateway planted" not in world.live)
    assert outcome.status is Status.FAILED
    assert "planted" in codes(outcome)["LeftBehind"]
    assert sorted(world.live) == ["gateway anothers", "gateway planted"]
    assert (await world.destroy(small_stack(1))).status is Status.FAILED
    await anyio.sleep(60)
    world.plane.answer("DeleteGateway", {"gatewayIdentifier": world.live["gateway planted"].id})
    await anyio.sleep(60)
    assert (await world.destroy(small_stack(1))).status is Status.DELETED


async def test_a_declared_name_with_the_tag_alone_is_not_deleted_either(world):
    """The document of the removal declares it, and the ledger never heard of it."""
    stack = {**small_stack(0), "apiKeyCredentialProviders": {}}
    await world.apply(stack)
    body = {name: value for name, value in gateway().items() if name != "targets"}
    world.plane.answer("CreateGateway", {**body, "name": "planted", "tags": {OWNER_TAG: "payments.tools"}})
    planted = changed(small_stack(0), {"gateways.planted": gateway()})
    outcome = await world.destroy(planted)
    assert (outcome.status, "gateway planted" in world.live) == (Status.FAILED, True)
    assert "gateways.planted" in {failure.resource for failure in outcome.failures}
    taken = copy.deepcopy(planted)
    taken["gateways"]["planted"]["gatewright"] = {"adopt": True}
    assert (await world.destroy(taken)).status is Status.DELETED
    assert not world.live


async def test_what_is_retained_on_purpose_is_exempt(world):
    """Also in later removals, and until it is adopted again."""
    kept = changed(
        small_stack(1), {"oauth2CredentialProviders.kept": {**provider(), "gatewright": {"deletion": "RETAIN"}}}
    )
    await world.apply(kept)
    for _ in range(2):
        outcome = await world.destroy(kept)
        assert (outcome.status, sorted(world.live)) == (Status.DELETED, ["provider kept"])
    assert (await world.apply(kept)).status is Status.READY
    free = changed(kept, {"oauth2CredentialProviders.kept": provider()})
    assert (await world.apply(free)).status is Status.READY
    assert (await world.destroy(free)).status is Status.DELETED
    assert not world.live


async def test_targets_under_a_shared_gateway_are_reported_when_the_ledger_is_lost(world):
    """They are named with their ids, and taken with `adopt: true`."""
    body = {name: value for name, value in gateway().items() if name != "targets"}
    world.plane.answer("CreateGateway", {**body, "name": "shared"})
    app: dict[str, Any] = {
        "stack": "app.tools",
        "gateways": {"shared": {"gatewright": {"existing": True}, "targets": {"tool": mcp_target()}}},
    }
    assert (await world.apply(app)).status is Status.READY
    identity = world.live["target tool"].id
    world.lose_ledger()
    outcome = await world.apply(app)
    assert identity in codes(outcome)["NameTaken"]
    outcome = await world.destroy(app)
    tried("R17", WHAT, violations=outcome.status is Status.DELETED)
    assert (outcome.status, "target tool" in world.live) == (Status.FAILED, True)
    assert identity in codes(outcome)["LeftBehind"]
    taken = copy.deepcopy(app)
    taken["gateways"]["shared"]["targets"]["tool"]["gatewright"] = {"adopt": True}
    assert (await world.apply(taken)).status is Status.READY
    assert world.live["target tool"].id == identity
    assert (await world.destroy(app)).status is Status.DELETED
    assert sorted(world.live) == ["gateway shared"]


async def test_a_target_of_another_stack_of_the_ledger_is_left_to_that_stack(world):
    """The ledger says whose it is, so the removal of the stack that wanted the name ends."""
    body = {name: value for name, value in gateway().items() if name != "targets"}
    world.plane.answer("CreateGateway", {**body, "name": "shared"})
    shared = {"shared": {"gatewright": {"existing": True}, "targets": {"tool": mcp_target()}}}
    assert (await world.apply({"stack": "first", "gateways": shared})).status is Status.READY
    assert (await world.apply({"stack": "second", "gateways": shared})).status is Status.FAILED
    assert (await world.destroy({"stack": "second", "gateways": shared})).status is Status.DELETED
    assert "target tool" in world.live


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException"])
async def test_tags_that_cannot_be_read_are_told(world, code):
    """Whether anything is left is not known then: the stack is removed, with a warning."""
    stack = changed(small_stack(1), {"oauth2CredentialProviders.other": provider()})
    await world.apply(stack)
    strange = world.plane.answer("CreateOauth2CredentialProvider", {"name": "strange", **_body()})
    assert strange
    world.twists[:] = [Twist("ListTagsForResource", refused(code), times=-1, instead=True)]
    outcome = await world.destroy(stack)
    assert outcome.status is Status.DELETED
    warned = [one.path for one in outcome.warnings if one.rule == "tags-unread"]
    assert "oauth2CredentialProviders" in warned


def _body() -> dict[str, Any]:
    secret = "{{resolve:secretsmanager:payments/idp:SecretString:clientSecret}}"
    made: dict[str, Any] = provider()
    made["oauth2ProviderConfigInput"]["customOauth2ProviderConfig"]["clientSecret"] = secret
    return made


@pytest.mark.parametrize("code", ["ThrottlingException", "ExpiredTokenException", "InternalServerException"])
async def test_a_list_that_fails_for_now_is_read_by_the_next_run(world, code):
    """Nothing is said to be removed before it is known."""
    await world.apply(small_stack(1))
    world.twists[:] = [Twist("ListOauth2CredentialProviders", refused(code), times=-1, instead=True)]
    outcome = await world.destroy(small_stack(1))
    assert outcome.status is Status.IN_PROGRESS
    world.twists.clear()
    assert (await world.destroy(small_stack(1))).status is Status.DELETED


async def test_kinds_that_the_account_does_not_have_stop_no_removal(world):
    """Their lists are refused, and the ledger knows none of them: one warning, since it may be an older ledger."""
    await world.apply(small_stack(1))
    others = [
        kind.operations.list
        for kind in KINDS
        if kind.section not in ("gateways", "targets", "oauth2CredentialProviders")
    ]
    world.twists[:] = [Twist(one, refused("AccessDeniedException"), times=-1, instead=True) for one in others]
    outcome = await world.destroy(small_stack(1))
    assert (outcome.status, [one.rule for one in outcome.warnings]) == (Status.DELETED, ["tags-unread"])
    assert "agentRegistries" in outcome.warnings[0].message


def planted(world: TwistedWorld) -> None:
    """Make a gateway and a provider of our names, with our tag, an interceptor and another secret."""
    tags = {OWNER_TAG: "payments.tools"}
    body = {name: value for name, value in small_stack(1)["gateways"]["payments"].items() if name != "targets"}
    hook = {
        "interceptor": {"lambda": {"arn": "arn:aws:lambda:us-east-1:123456789012:function:spy"}},
        "interceptionPoints": ["REQUEST"],
    }
    world.plane.answer("CreateGateway", {**body, "name": "payments", "tags": tags, "interceptorConfigurations": [hook]})
    made = provider()
    made["oauth2ProviderConfigInput"]["customOauth2ProviderConfig"]["clientSecret"] = "planted-secret"
    world.plane.answer("CreateOauth2CredentialProvider", {**made, "name": "idp", "tags": tags})


async def test_what_an_adoption_by_tag_took_as_current_stays_listed_until_it_is_confirmed(world):
    """In every outcome, in the plan and in the status; `adopt: true` ends that."""
    planted(world)
    for _ in range(2):
        outcome = await world.apply(small_stack(1))
        assert outcome.status is Status.READY
        told = {one.path: one.message for one in outcome.warnings if one.rule == "adopted"}
        assert "interceptorConfigurations" in told.get("gateways.payments", "")
        assert "clientSecret" in told.get("oauth2CredentialProviders.idp", "")
    assert "UpdateGateway" not in world.sent()
    confirmed = copy.deepcopy(small_stack(1))
    for one in (confirmed["gateways"]["payments"], confirmed["oauth2CredentialProviders"]["idp"]):
        one["gatewright"] = {"adopt": True}
    assert not [one for one in (await world.apply(confirmed)).warnings if one.rule == "adopted"]
    assert not [one for one in (await world.apply(small_stack(1))).warnings if one.rule == "adopted"]


async def test_a_secret_that_was_sent_since_needs_no_confirmation(world):
    """After a rotation only what nobody sent is listed."""
    planted(world)
    await world.apply(small_stack(1))
    secrets = world.plane.world.secrets
    held = secrets.find("payments/idp")
    secrets.put("payments/idp", next(iter(held.versions.values())))
    outcome = await world.apply(small_stack(1))
    assert "UpdateOauth2CredentialProvider" in world.sent()
    assert [one.path for one in outcome.warnings if one.rule == "adopted"] == ["gateways.payments"]


async def test_deleted_never_means_denied(world):
    """Under IAM policies by tag, what is gone cannot be read: FAILED, with the statement that would help."""
    await world.apply(small_stack(1))
    denied = refused("AccessDeniedException", "not authorized to perform: bedrock-agentcore:GetGateway")

    def by_tag(answer: dict[str, Any], params: Any) -> dict[str, Any]:
        if any(record.id == params["gatewayIdentifier"] for record in world.plane.world.records.live("gateway")):
            return world.plane.answer("GetGateway", dict(params))  # type: ignore[no-any-return]
        return denied(answer, params)

    world.twists[:] = [Twist("GetGateway", by_tag, times=-1, instead=True)]
    outcome = await world.destroy(small_stack(1))
    failure = next(one for one in outcome.failures if one.resource == "gateways.payments")
    assert (outcome.status, str(failure.actor)) == (Status.FAILED, "PLATFORM")
    assert '"Action": "bedrock-agentcore:GetGateway"' in failure.advice
    world.twists.clear()
    outcome = await world.destroy(small_stack(1))
    assert (outcome.status, world.live) == (Status.DELETED, {})
    assert {result.status for result in outcome.results} == {ResourceStatus.DELETED}


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.tagged and kind.parent is None], ids=lambda k: k.section
)
async def test_a_ledger_from_before_a_kind_was_used_hides_none_of_it(world, kind):
    """The stack has got its first resource of a kind after the backup from which the ledger was restored."""
    await world.apply(document(kind, None))
    backup = snapshot(world)
    assert (await world.apply(document(kind, LEAST[kind.section]), "two")).status is Status.READY
    await anyio.sleep(300)
    restore(world, backup)
    outcome = await world.destroy(document(kind, None))
    left = [failure.resource for failure in outcome.failures if failure.code == "LeftBehind"]
    found = any(one.startswith(f"{kind.section}.") for one in left)
    tried("R17", "removals with a ledger from before a kind was used", violations=[] if found else [kind.section])
    assert found, (outcome.status, left)
    world.twists[:] = [Twist("ListTagsForResource", refused("AccessDeniedException"), times=-1, instead=True)]
    again = await world.destroy(document(kind, None))
    assert kind.section in " ".join(one.message for one in again.warnings if one.rule == "tags-unread")
