"""Members that no service model knows: shown, sent back, and never wiped."""

import copy
from functools import partial
from typing import Any

import pytest

from infra.deadline import Deadline
from infra.sandbox.behaviour import Behaviour, Durations
from infra.sandbox.faults import Effect, Fault
from infra.sandbox.plane import Plane
from tests.documents import gateway, mcp_target
from tests.everything.test_kinds import LEAST, document, each_kind, the
from tests.generated import Maker
from tests.goals import tried
from tests.slices import sliced
from tests.unknowns.planes import OUTPUT, SETTING, NewerPlane, OtherWorld, SparsePlane
from tests.worlds import SandboxWorld, virtually
from workflows.document.merge import update_body
from workflows.kinds import GATEWAY, GATEWAY_TARGET, HARNESS
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
    # Without a name in the refusal, the same update is sent again, and then without one member after the other.
    sent = newer.plane.sent_outputs
    assert sent == 1 if outputs == "refused by name" else sent <= 4
    assert ("unmodeled", "gateways.thing") in {(warning.rule, warning.path) for warning in outcome.warnings}
    named = [warning.message for warning in outcome.warnings if warning.rule == "unmodeled"]
    assert any(OUTPUT in message for message in named)
    assert newer.plane.settings[identity] == {(SETTING,): BY_HAND}
    again = await newer.apply(document(GATEWAY, {**LEAST["gateways"], "description": "third"}))
    assert again.status is Status.READY
    assert newer.plane.sent_outputs == sent
    assert any(warning.rule == "unmodeled" for warning in again.warnings), "the warning stands"


async def test_a_refusal_that_passes_wipes_nothing(newer):
    """Refused once, for a reason of its own, the update is sent again as it was."""
    await newer.apply(document(GATEWAY, LEAST["gateways"]))
    identity = the(newer, GATEWAY).id
    newer.plane.settings[identity] = {(SETTING,): BY_HAND}
    newer.plane.faults.add(Fault("UpdateGateway", Effect.REFUSE, 1, code="ValidationException", message="no document"))
    outcome = await newer.apply(document(GATEWAY, changed(GATEWAY)))
    assert (outcome.status, outcome.warnings) == (Status.READY, ())
    assert newer.plane.settings[identity] == {(SETTING,): BY_HAND}


def interceptor(function: str, point: str, **more: Any) -> dict[str, Any]:
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{function}"
    return {"interceptor": {"lambda": {"arn": arn}}, "interceptionPoints": [point], **more}


PASSES = {"inputConfiguration": {"passRequestHeaders": True}}


async def applied(world: OtherWorld | SandboxWorld, *interceptors: dict[str, Any]) -> list[dict[str, Any]]:
    declared = {**LEAST["gateways"], "interceptorConfigurations": list(interceptors)}
    assert (await world.apply(document(GATEWAY, declared))).status is Status.READY
    found: list[dict[str, Any]] = the(world, GATEWAY).request["interceptorConfigurations"]
    return found


async def test_an_element_that_moved_loses_what_left_the_document(world):
    """What was declared of an element is known by its content, not by its place in the list."""
    await applied(world, interceptor("a", "REQUEST", **PASSES), interceptor("b", "RESPONSE"))
    there = await applied(world, interceptor("b", "RESPONSE"), interceptor("a", "REQUEST"))
    assert there == [interceptor("b", "RESPONSE"), interceptor("a", "REQUEST")]


async def test_an_element_that_moved_keeps_what_people_set(world):
    await applied(world, interceptor("a", "REQUEST", **PASSES), interceptor("b", "RESPONSE"))
    the(world, GATEWAY).request["interceptorConfigurations"][1] |= PASSES
    there = await applied(world, interceptor("b", "RESPONSE"), interceptor("a", "REQUEST", **PASSES))
    assert there == [interceptor("b", "RESPONSE", **PASSES), interceptor("a", "REQUEST", **PASSES)]


async def test_an_element_loses_what_a_lost_update_set(world):
    """The answer of an update is lost, and the document goes back: the member does not stay as if set by hand."""
    await applied(world, interceptor("a", "REQUEST"))
    world.plane.faults.add(Fault("UpdateGateway", Effect.LOST_ANSWER))
    world.plane.faults.add(Fault("GetGateway", Effect.ERROR, -1))
    declared = {**LEAST["gateways"], "interceptorConfigurations": [interceptor("a", "REQUEST", **PASSES)]}
    assert (await world.apply(document(GATEWAY, declared))).status is not Status.READY
    world.plane.faults.all.clear()
    assert await applied(world, interceptor("a", "REQUEST")) == [interceptor("a", "REQUEST")]


def test_an_unknown_member_does_not_follow_another_endpoint():
    """It may be a credential for the earlier one; beside an endpoint that stays, it is sent back."""
    seen = {"targetConfiguration": {"mcp": {"mcpServer": {"endpoint": "https://a.example.com", SETTING: "of a"}}}}
    for endpoint, kept in (("https://a.example.com", True), ("https://b.example.com", False)):
        declared = {"targetConfiguration": {"mcp": {"mcpServer": {"endpoint": endpoint}}}, "description": "d"}
        body = update_body(GATEWAY_TARGET, declared, seen, None)
        assert (SETTING in body["targetConfiguration"]["mcp"]["mcpServer"]) is kept


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


_DOCUMENTS, _PARTS = 200, 10


async def wrong_with(seed: int, plane: type[Plane]) -> list[str]:
    """Apply a generated document twice; the second apply must send nothing."""
    with OtherWorld(Behaviour(durations=Durations(*[0.0] * 8)), made_of=plane) as world:
        found = []
        document = Maker(seed, (0.1, 0.3, 0.5)[seed % 3]).document()
        for _ in range(2):
            world.sent()
            outcome = await world.apply(document)
        sent = world.sent()
        if outcome.status is not Status.READY or sent:
            found.append(f"{seed}: {outcome.status} {sent} {outcome.failures}")
        return found


@pytest.mark.sweep
@pytest.mark.parametrize("plane", [SparsePlane, NewerPlane])
@pytest.mark.parametrize("part", range(_PARTS))
def test_r3_generated_documents_converge_on_other_planes(part, plane):
    """What a service leaves out, or shows beyond the models, is no difference, whatever is declared."""
    seeds = sliced(range(part, _DOCUMENTS, _PARTS), 2, part)
    wrong = [one for seed in seeds for one in virtually(partial(wrong_with, seed, plane))]
    tried("R3", "generated documents on planes that show less or more than the models", len(seeds), wrong)
    assert wrong == []


async def test_what_stood_inside_a_member_does_not_follow_another_owner(world):
    """The window of a sliding_window strategy is not sent along with another strategy."""
    window = {"strategy": "sliding_window", "config": {"slidingWindow": {}}}
    await world.apply(document(HARNESS, {**LEAST["harnesses"], "truncation": window}))
    changed = document(HARNESS, {**LEAST["harnesses"], "truncation": {**window, "strategy": "none"}})
    assert (await world.apply(changed)).status is Status.READY
    assert the(world, HARNESS).request["truncation"] == {"strategy": "none", "config": {"slidingWindow": {}}}
