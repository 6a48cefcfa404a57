"""Every answer is held against the output shape of its operation: what it shows instead is no observation."""

import copy
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any

import anyio
import pytest

from infra import service_model
from infra.responses import flaws
from infra.service_model import AGENT_REGISTRY, CONTROL_PLANE
from tests.documents import changed, mcp_target, small_stack
from tests.everything.test_kinds import LEAST, document, the
from tests.goals import tried
from tests.twists import Answer, Twist, TwistedWorld
from tests.worlds import provision
from workflows.kinds import KINDS, Kind
from workflows.planner.outcome import Status

WHAT = "answers of every operation with a value of another type, or without a required member"
#: Stands in for values of each type: what no parser of that type makes.
OTHERS: Mapping[type, Any] = {str: ["odd"], list: "odd", dict: "odd", bool: "odd", int: "odd", datetime: "odd"}
_SEED = 14


@pytest.fixture
def world():
    with TwistedWorld() as made:
        yield made


def spoilt(answer: Answer) -> Iterator[Answer]:
    """Yield copies of an answer in each of which one value, at any depth, is of another type."""
    for path in list(_paths(answer)):
        made = copy.deepcopy(answer)
        inner = made
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]] = next((other for kind, other in OTHERS.items() if isinstance(inner[path[-1]], kind)), {})
        yield made


def _noted(answers: list[Answer], answer: Answer) -> Answer:
    answers.append(answer)
    return answer


def _shown(case: Answer, _: Answer, __: Mapping[str, Any]) -> Answer:
    return copy.deepcopy(case)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        if name != "ResponseMetadata":
            yield from _paths(item, (*path, name))


#: Of each kind the reads that a run needs: what is read by name is not listed, and what has no tags is not found again.
READS = [(kind, "get") for kind in KINDS]
READS += [(kind, "list") for kind in KINDS if kind.id_member != "name" and (kind.tagged or kind.parent is not None)]


@pytest.mark.parametrize(("kind", "verb"), READS, ids=lambda one: getattr(one, "section", one))
async def test_a_read_with_a_value_of_another_type_is_no_observation(world: TwistedWorld, kind: Kind, verb: str):
    """Nothing is sent because of it, no bare exception leaves the run, and the same request ends READY afterwards."""
    stack = document(kind, LEAST[kind.section])
    assert (await world.apply(stack)).status is Status.READY
    await anyio.sleep(120)
    answers: list[Answer] = []
    operation = getattr(kind.operations, verb)
    world.twists[:] = [Twist(operation, lambda answer, _: _noted(answers, answer), times=-1)]
    await _touch(world, kind, verb)
    await world.apply(stack, "seen")
    before, cases = the(world, kind).id, [one for answer in answers[:1] for one in spoilt(answer)]
    for number, case in enumerate(Random(_SEED).sample(cases, min(12, len(cases)))):
        await _touch(world, kind, verb)
        world.sent()
        world.twists[:] = [Twist(operation, partial(_shown, case), times=-1)]
        outcome = await world.run(provision(stack, f"case-{number}"), seconds=200.0)
        tried("R18", WHAT, violations=world.sent())
        assert outcome.status in (Status.IN_PROGRESS, Status.READY, Status.FAILED), case
        world.twists.clear()
    assert (await world.apply(stack, "last")).status is Status.READY
    assert (the(world, kind).id, world.sent()) == (before, [])


async def _touch(world: TwistedWorld, kind: Kind, verb: str) -> None:
    """Have the next run read the resource in full, or look for its name."""
    if verb == "list":
        world.lose_ledger()
    record = the(world, kind)
    record.updated = world.plane.world.now
    await anyio.sleep(2)


async def test_a_deep_member_that_is_missing_once_is_asked_for_again(world):
    stack = small_stack(1)
    await world.apply(stack)
    world.live["target target-0"].updated += 1000
    world.twists[:] = [Twist("GetGatewayTarget", _without_endpoint)]
    world.sent()
    assert (await world.apply(stack, "two")).status is Status.READY
    assert world.sent() == []


def _without_endpoint(answer: Answer, _: Mapping[str, Any]) -> Answer:
    made = copy.deepcopy(answer)
    del made["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"]
    return made


async def test_a_list_that_never_ends_ends_with_a_reason(world):
    """Of a list whose pages all have the same token, two are read."""
    await world.apply(small_stack(1))
    asked = 0

    def again(_: Answer, params: Mapping[str, Any]) -> Answer:
        nonlocal asked
        asked += 1
        page = world.plane.answer("ListGatewayTargets", {"gatewayIdentifier": params["gatewayIdentifier"]})
        return {**page, "nextToken": "again"}

    world.twists[:] = [Twist("ListGatewayTargets", again, times=-1, instead=True)]
    outcome = await world.run(provision(small_stack(1), "two"), seconds=60.0)
    assert outcome.status is Status.IN_PROGRESS
    assert any("no end" in result.reason for result in outcome.results)
    assert asked == 2


TWINS = {"name": "target-0", "status": "READY", "createdAt": datetime(2025, 1, 1, tzinfo=UTC)}


@pytest.mark.parametrize("last", [True, False], ids=["listed last", "listed first"])
async def test_of_two_targets_with_one_name_the_recorded_one_is_meant(world, last):
    """Another that the list shows beside it is reported with its id, and left alone."""
    await world.apply(small_stack(1))
    twin = {**TWINS, "targetId": "TWIN000000", "updatedAt": TWINS["createdAt"]}

    def doubled(answer: Answer, _: Mapping[str, Any]) -> Answer:
        return {**answer, "items": [*answer["items"], twin] if last else [twin, *answer["items"]]}

    world.twists[:] = [Twist("ListGatewayTargets", doubled, times=-1)]
    world.sent()
    stack = changed(small_stack(1), {"gateways.payments.targets.target-0.description": "second"})
    outcome = await world.apply(stack, "two")
    assert outcome.status is Status.READY
    assert world.live["target target-0"].request["description"] == "second"
    assert "target-0 (TWIN000000)" in str([one.message for one in outcome.warnings])


async def test_of_two_targets_with_one_name_none_is_guessed(world):
    """Where the ledger knows neither, the target fails, and both ids are named."""
    await world.apply({**small_stack(1)})
    twin = {**TWINS, "targetId": "TWIN000000", "updatedAt": TWINS["createdAt"]}
    world.lose_ledger()
    world.twists[:] = [
        Twist("ListGatewayTargets", lambda a, _: {**a, "items": [*a["items"], twin]}, times=-1),
    ]
    world.sent()
    outcome = await world.apply(small_stack(1), "two")
    codes = {failure.code: failure.message for failure in outcome.failures}
    assert outcome.status is Status.FAILED
    assert "TWIN000000" in codes["DuplicateName"]
    assert world.sent() == []


async def test_of_two_gateways_with_one_name_ours_is_taken(world):
    """After the ledger is lost, the tag tells which one of them is ours."""
    await world.apply(small_stack(1))
    mine = world.live["gateway payments"].id
    body = {name: value for name, value in small_stack(0)["gateways"]["payments"].items() if name != "targets"}
    world.plane.world.records.doubles.clear()
    other = world.plane.answer("CreateGateway", {**body, "name": "payments-2"})
    listed = [record for record in world.plane.world.records.live("gateway") if record.id == other["gatewayId"]]
    listed[0].name = "payments"
    world.lose_ledger()
    world.sent()
    outcome = await world.apply(small_stack(1), "two")
    assert (outcome.status, world.sent()) == (Status.READY, [])
    assert outcome.shown()["resources"]["gateways.payments"]["id"] == mine


async def test_ids_in_the_form_of_arns_are_ids(world):
    """A list that shows an ARN as id names the same gateway."""
    await world.apply(small_stack(1))
    world.lose_ledger()

    def as_arns(answer: Answer, _: Mapping[str, Any]) -> Answer:
        arn = "arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/"
        return {**answer, "items": [{**one, "gatewayId": arn + one["gatewayId"]} for one in answer["items"]]}

    world.twists[:] = [Twist("ListGateways", as_arns, times=-1)]
    world.sent()
    outcome = await world.apply(small_stack(1), "two")
    assert (outcome.status, world.sent()) == (Status.READY, [])


async def test_names_that_differ_in_case_alone_drive_no_resource_twice(world):
    """On a service that ignores case, the second address fails by name."""
    stack = {**small_stack(0), "apiKeyCredentialProviders": {"key": LEAST["apiKeyCredentialProviders"]}}
    assert (await world.apply(stack)).status is Status.READY
    both = {**stack, "apiKeyCredentialProviders": dict.fromkeys(("key", "Key"), LEAST["apiKeyCredentialProviders"])}

    def blind(answer: Answer, params: Mapping[str, Any]) -> Answer:
        del answer
        shown: Answer = world.plane.answer("GetApiKeyCredentialProvider", {"name": params["name"].lower()})
        return shown

    world.twists[:] = [Twist("GetApiKeyCredentialProvider", blind, times=-1, instead=True)]
    outcome = await world.apply(both, "two")
    assert [(one.resource, one.code) for one in outcome.failures] == [
        ("apiKeyCredentialProviders.Key", "NameDiffersInCase")
    ]


async def test_a_read_that_shows_another_resource_is_no_observation(world):
    await world.apply(small_stack(2))
    for name in ("target target-0", "target target-1"):
        world.live[name].updated += 1000
    other = world.live["target target-1"].id

    def mixed_up(answer: Answer, params: Mapping[str, Any]) -> Answer:
        del answer
        shown: Answer = world.plane.answer("GetGatewayTarget", {**params, "targetId": other})
        return shown

    world.twists[:] = [Twist("GetGatewayTarget", mixed_up, times=1, instead=True)]
    world.sent()
    outcome = await world.apply(small_stack(2), "two")
    assert (outcome.status, world.sent()) == (Status.READY, [])


SHAPES = [
    ("GetGateway", CONTROL_PLANE), ("ListGatewayTargets", CONTROL_PLANE), ("GetHarness", CONTROL_PLANE),
    ("GetRegistry", AGENT_REGISTRY),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "service"), SHAPES)
def test_flaws_say_where(operation: str, service: str):
    """An empty answer lacks the required members; no answer at all is wrong as a whole."""
    shape = service_model.operation(operation, service).output_shape
    assert flaws(operation, shape, []).wrong == ("the whole response",)
    assert set(flaws(operation, shape, {}).wrong) == {f"{name} is missing" for name in shape.required_members}


def test_a_target_with_an_arm_that_no_model_knows_has_no_flaws():
    target = {**TWINS, **mcp_target(), "gatewayArn": "a", "targetId": "T", "updatedAt": TWINS["createdAt"]}
    shape = service_model.operation("GetGatewayTarget").output_shape
    unknown = {**target, "credentialProviderConfigurations": [], "targetConfiguration": {"SDK_UNKNOWN_MEMBER": {}}}
    assert not flaws("GetGatewayTarget", shape, unknown).wrong


async def test_a_list_of_empty_pages_without_end_ends(world):
    """Every page has a token of its own."""
    tokens = iter(range(10**6))
    world.twists[:] = [
        Twist("ListGateways", lambda _, __: {"items": [], "nextToken": f"t{next(tokens)}"}, times=-1, instead=True)
    ]
    outcome = await world.run(provision(small_stack(1), "one"), seconds=300.0)
    assert outcome.status is Status.IN_PROGRESS
    assert next(tokens) < 200


async def test_a_page_in_place_of_an_answer_names_its_content_type(world):
    """A proxy or a sign-in page answers every call with status 200."""
    page = {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {"content-type": "text/html; charset=utf-8"}}}
    world.twists[:] = [Twist("ListGateways", lambda _, __: page, times=-1, instead=True)]
    outcome = await world.run(provision(small_stack(1), "one"), seconds=30.0)
    (reason,) = [one.reason for one in outcome.results if "ListGateways" in one.reason]
    assert "ListGateways but text/html, so something else than AWS answers at this endpoint" in reason
