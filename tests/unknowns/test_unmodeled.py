"""Members that no service model knows: shown, sent back, and never wiped."""

import copy
from typing import Any

import pytest

from infra.deadline import Deadline
from infra.sandbox.faults import Effect, Fault
from tests.documents import gateway, mcp_target
from tests.everything.test_kinds import LEAST, document, each_kind, the
from tests.unknowns.planes import OUTPUT, SETTING, NewerPlane, OtherWorld, SparsePlane
from workflows.kinds import GATEWAY, HARNESS
from workflows.planner.outcome import Status
from workflows.planning import plan

BY_HAND = "by hand"
#: A change of each kind that has nothing to do with a setting made by hand, where LEAST has none.
CHANGED: dict[str, dict[str, Any]] = {
    "harnesses": {"maxIterations": 7},
    "oauth2CredentialProviders": {"oauth2ProviderConfigInput": {"customOauth2ProviderConfig": {
        **LEAST["oauth2CredentialProviders"]["oauth2ProviderConfigInput"]["customOauth2ProviderConfig"],
        "clientId": "b",
    }}},
    "apiKeyCredentialProviders": {"apiKey": "{{resolve:secretsmanager:payments/model:SecretString:apiKey}}"},
}  # fmt: skip


@pytest.fixture
def newer():
    with OtherWorld(made_of=NewerPlane) as world:
        yield world


@pytest.fixture
def sparse():
    with OtherWorld(made_of=SparsePlane) as world:
        yield world


def changed(kind: Any) -> dict[str, Any]:
    return copy.deepcopy({**LEAST[kind.section], **CHANGED.get(kind.section, {"description": "other"})})


@each_kind
async def test_a_service_that_shows_less_than_the_models_converges(sparse, kind):
    """Optional members that nobody declared are left out of every answer, and an update reads back as declared."""
    for declared in (LEAST[kind.section], changed(kind)):
        assert (await sparse.apply(document(kind, declared))).status is Status.READY
        sparse.sent()
        assert (await sparse.apply(document(kind, declared))).status is Status.READY
        assert sparse.sent() == []


@each_kind
async def test_a_service_that_shows_more_than_the_models_converges(newer, kind):
    """An unknown member in every structure of every answer is no difference."""
    for declared in (LEAST[kind.section], changed(kind)):
        assert (await newer.apply(document(kind, declared))).status is Status.READY
        newer.sent()
        assert (await newer.apply(document(kind, declared))).status is Status.READY
        assert newer.sent() == []


@each_kind
async def test_a_setting_that_the_models_do_not_know_survives_an_update(newer, kind):
    """Set by hand at the service, it is sent back as it stands when another member changes."""
    await newer.apply(document(kind, LEAST[kind.section]))
    made = the(newer, kind)
    identity = made.name if kind.id_member == "name" else made.id
    newer.plane.settings[identity] = {(SETTING,): BY_HAND}
    assert (await newer.apply(document(kind, changed(kind)))).status is Status.READY
    assert newer.plane.settings[identity] == {(SETTING,): BY_HAND}


@pytest.mark.parametrize(
    ("kind", "declared", "path"),
    [
        (GATEWAY, {"protocolConfiguration": {"mcp": {"instructions": "i"}}}, ("protocolConfiguration", "mcp", SETTING)),
        (
            GATEWAY,
            {
                "interceptorConfigurations": [
                    {
                        "interceptor": {"lambda": {"arn": "arn:aws:lambda:us-east-1:123456789012:function:f"}},
                        "interceptionPoints": ["REQUEST"],
                    }
                ]
            },
            ("interceptorConfigurations", 0, SETTING),
        ),
        (HARNESS, {"skills": [{"path": "a"}], "maxIterations": 1}, (SETTING,)),
    ],
)
async def test_a_setting_inside_a_declared_structure_survives(newer, kind, declared, path):
    """In structures and in elements of lists, as long as the element shows what is declared of it."""
    await newer.apply(document(kind, {**LEAST[kind.section], **declared}))
    newer.plane.settings[the(newer, kind).id] = {path: BY_HAND}
    outcome = await newer.apply(document(kind, {**changed(kind), **declared}))
    assert outcome.status is Status.READY
    assert newer.plane.settings[the(newer, kind).id] == {path: BY_HAND}


@pytest.mark.parametrize("outputs", ["refused by name", "refused without a name"])
async def test_an_output_that_the_service_refuses_is_left_out_from_then_on(newer, outputs):
    """The update goes without it, a warning stands, and no later update tries the member again."""
    await newer.apply(document(GATEWAY, LEAST["gateways"]))
    newer.plane.outputs = outputs
    identity = the(newer, GATEWAY).id
    newer.plane.settings[identity] = {(SETTING,): BY_HAND}
    outcome = await newer.apply(document(GATEWAY, changed(GATEWAY)))
    assert outcome.status is Status.READY
    assert newer.plane.sent_outputs == 1
    assert ("unmodeled", "gateways.thing") in {(warning.rule, warning.path) for warning in outcome.warnings}
    named = [warning.message for warning in outcome.warnings if warning.rule == "unmodeled"]
    assert any(OUTPUT in message for message in named)
    if outputs == "refused by name":
        assert newer.plane.settings[identity] == {(SETTING,): BY_HAND}
    again = await newer.apply(document(GATEWAY, {**LEAST["gateways"], "description": "third"}))
    assert again.status is Status.READY
    assert newer.plane.sent_outputs == 1
    assert any(warning.rule == "unmodeled" for warning in again.warnings), "the warning stands"


async def test_a_refusal_for_another_reason_wipes_nothing(newer):
    """An update that is refused with and without the unknown members fails, and no member is remembered as refused."""
    await newer.apply(document(GATEWAY, LEAST["gateways"]))
    identity = the(newer, GATEWAY).id
    newer.plane.settings[identity] = {(SETTING,): BY_HAND}
    newer.plane.faults.add(Fault("UpdateGateway", Effect.REFUSE, -1, code="ValidationException", message="not today"))
    assert (await newer.apply(document(GATEWAY, changed(GATEWAY)))).status is Status.FAILED
    newer.plane.faults.all.clear()
    outcome = await newer.apply(document(GATEWAY, changed(GATEWAY)))
    assert outcome.status is Status.READY
    assert outcome.warnings == ()
    assert newer.plane.settings[identity] == {(SETTING,): BY_HAND}


async def test_the_plan_shows_what_an_update_repeats(world):
    """Members that are set by hand are named, and so is a member of an element of a list."""
    stack: dict[str, Any] = {"stack": "payments.tools", "gateways": {"tools": gateway({"search": mcp_target()})}}
    await world.apply(stack)
    record = world.plane.world.records.named("gateway", "tools")
    record.request["kmsKeyArn"] = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    stack["gateways"]["tools"]["description"] = "other"
    found = await plan(world.context(), stack, Deadline(), frozenset())
    (one,) = [one for one in found.resources if one.action == "UPDATE"]
    assert one.carried == ("kmsKeyArn",)
    assert one.shown()["carriedOver"] == ["gateways.tools.kmsKeyArn"]
