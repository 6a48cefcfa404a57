"""A request that takes many short runs, as in a deployment, ends as it does in a long one."""

import copy
import json
import random
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import pytest

from infra.sandbox.behaviour import Behaviour, Durations
from infra.sandbox.faults import Effect, Fault
from infra.sandbox.world import Failure
from tests.documents import ROLE, SECRET, gateway, mcp_target, small_stack
from tests.everything.states import addresses, state
from tests.everything.test_kinds import LEAST
from tests.generated import Maker, valid
from tests.goals import tried
from tests.slices import sliced
from tests.worlds import SandboxWorld, provision, virtually
from workflows.kinds import KINDS
from workflows.planner.outcome import Outcome, Status
from workflows.records.request_state import Mode
from workflows.requests.request import Request

#: How a world settles a request: in one run, or in many.
Way = Callable[[SandboxWorld, Request], Any]
_GONE = re.compile(r"\b(gat\d)-[a-z0-9]{10}\b")
SECTIONS = [kind.section for kind in KINDS if kind.parent is None]


async def in_one(world: SandboxWorld, request: Request) -> Outcome:
    return await world.run(request)


async def in_many(world: SandboxWorld, request: Request) -> Outcome:
    return await world.settle(request)


ways = pytest.mark.parametrize("settle", [in_one, in_many])


@ways
async def test_what_a_retained_resource_needs_stays_with_it(world, settle):
    """A harness that is retained keeps its provider, also while something else takes a minute to go."""
    key = "${apiKeyCredentialProviders.key.credentialProviderArn}"
    model = {"openAiModelConfig": {"modelId": "gpt-5", "apiKeyArn": key}}
    document = {
        "stack": "s",
        "apiKeyCredentialProviders": {"key": {"apiKey": SECRET}},
        "harnesses": {"h": {"gatewright": {"deletion": "RETAIN"}, "executionRoleArn": ROLE, "model": model}},
        "gateways": {"g": gateway({"t": mcp_target()})},
    }
    await world.apply(document)
    world.behaviour.durations.delete = 60.0
    allow = frozenset({"harnesses.h", "apiKeyCredentialProviders.key", "gateways.g"})
    assert (await settle(world, provision({"stack": "s"}, "two", allow=allow))).status is Status.READY
    assert {"apiKey key", "harness h"} <= set(world.live)
    assert "gateway g" not in world.live


@ways
@pytest.mark.parametrize("back", [{}, {"onFailure": "ROLLBACK"}], ids=["halt", "rollback"])
async def test_a_retained_target_keeps_its_gateway(world, settle, back):
    kept = mcp_target(gatewright={"deletion": "RETAIN"})
    await world.apply({"stack": "s", "gateways": {"g": gateway({"a-slow": mcp_target(), "kept": kept})}})
    world.behaviour.durations.delete = 60.0
    outcome = await settle(world, provision({"stack": "s", **back}, "two", allow=frozenset({"gateways.g"})))
    assert (outcome.status, set(world.live)) == (Status.READY, {"gateway g", "target kept"})


@ways
async def test_what_cannot_be_deleted_is_tried_three_times(world, settle):
    """Made anew it is to be, and the reason why it cannot is told."""
    world.behaviour.durations.delete = world.behaviour.durations.runtime = 40.0
    world.plane.world.failing["r"] = Failure(-1, "The subnet is gone", frozenset({"CREATE", "DELETE"}))
    document = {"stack": "s", "agentRuntimes": {"r": LEAST["agentRuntimes"]}}
    outcome = await settle(world, provision(document, "one", allow=frozenset({"agentRuntimes.r"})))
    (failure,) = outcome.failures
    assert "The subnet is gone" in failure.message
    assert world.sent().count("DeleteAgentRuntime") <= 3


@ways
async def test_a_missing_permission_is_waited_for_as_long_as_iam_takes(world, settle):
    text = "Gateway execution role lacks permission to invoke Lambda function x"
    world.plane.faults.add(Fault("CreateGatewayTarget", Effect.REFUSE, -1, 0, "ValidationException", text))
    began = anyio.current_time()
    outcome = await settle(world, provision(small_stack(1), "one"))
    (failure,) = outcome.failures
    assert (outcome.status, str(failure.actor)) == (Status.FAILED, "PLATFORM")
    assert text in failure.message
    assert anyio.current_time() - began < 300


@ways
async def test_a_deletion_that_is_refused_for_a_while_is_repeated(world, settle):
    await world.apply(small_stack(1))
    text = "Gateway has targets associated with it. Delete all targets before deleting the gateway."
    world.plane.faults.add(fault := Fault("DeleteGateway", Effect.REFUSE, -1, 0, "ValidationException", text))

    async def lift() -> None:
        await anyio.sleep(20)
        fault.times = 0

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lift)
        outcome = await settle(world, Request(mode=Mode.REMOVE, request_id="r", stack="payments.tools"))
    assert (outcome.status, world.live) == (Status.DELETED, {})


@ways
async def test_what_the_service_keeps_showing_otherwise_is_not_sent_for_ever(world, settle):
    """Here it trims a text, which is no listed form of that member: sent three times, it is not in force."""
    document: dict[str, Any] = {"stack": "s", "agentRuntimes": {"r": dict(LEAST["agentRuntimes"])}}
    await world.apply(document)
    world.sent()
    world.behaviour.durations.runtime = 30.0
    document["agentRuntimes"]["r"]["description"] = "Ledger of payments "
    record = world.live["runtime r"]

    async def trim() -> None:
        while True:
            if isinstance(record.request.get("description"), str):
                record.request["description"] = record.request["description"].strip()
            await anyio.sleep(0.2)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(trim)
        outcome = await settle(world, provision(document, "one"))
        tasks.cancel_scope.cancel()
    assert [(one.code, one.resource) for one in outcome.failures] == [("NotInForce", "agentRuntimes.r")]
    assert world.sent().count("UpdateAgentRuntime") == 3


@ways
async def test_a_rollback_says_what_it_made_anew(world, settle):
    document = {"stack": "s", "gateways": {"g": gateway({"t": mcp_target()})}}
    await world.apply(document)
    changed: dict[str, Any] = {**copy.deepcopy(document), "onFailure": "ROLLBACK"}
    changed["gateways"]["g"] = {"roleArn": ROLE, "authorizerType": "AWS_IAM", "targets": {"bad": mcp_target()}}
    world.plane.world.failing["bad"] = Failure(-1, "no")
    world.behaviour.durations.gateway, world.behaviour.durations.target = 60.0, 20.0
    outcome = await settle(world, provision(changed, "two", allow=frozenset({"gateways.g"})))
    assert outcome.status is Status.ROLLED_BACK
    assert {"gateways.g", "gateways.g.targets.t"} <= {one.path for one in outcome.warnings if one.rule == "rollback"}


# Whole stories, by chance.


def with_needs(chance: random.Random, document: dict[str, Any]) -> dict[str, Any]:
    """Retain some of what is declared, and let harnesses need providers and gateways."""
    for section in SECTIONS:
        for body in (document.get(section) or {}).values():
            for one in (body, *(body.get("targets") or {}).values()):
                if chance.random() < 0.2:
                    one["gatewright"] = {"deletion": "RETAIN"}
    keys, gateways = list(document.get("apiKeyCredentialProviders") or {}), list(document.get("gateways") or {})
    for harness in (document.get("harnesses") or {}).values():
        if keys and chance.random() < 0.5:
            arn = f"${{apiKeyCredentialProviders.{chance.choice(keys)}.credentialProviderArn}}"
            harness["model"] = {"openAiModelConfig": {"modelId": "gpt", "apiKeyArn": arn}}
        if gateways and chance.random() < 0.5:
            harness["environmentVariables"] = {"U": f"${{gateways.{chance.choice(gateways)}.gatewayUrl}}"}
    return valid(document)


def variant(chance: random.Random, maker: Maker, document: dict[str, Any]) -> dict[str, Any]:
    """Return a document some of whose resources left, changed, or came anew."""
    other, made = maker.document("g"), copy.deepcopy(document)
    for section in SECTIONS:
        coming = other.get(section) or {}
        for name in list(made.setdefault(section, {})):
            one = chance.random()
            if one < 0.15:
                del made[section][name]
            elif one < 0.6 and coming:
                made[section][name] = copy.deepcopy(chance.choice(list(coming.values())))
        for name, body in coming.items():
            if name not in made[section] and chance.random() < 0.4:
                made[section][name] = copy.deepcopy(body)
    return valid(made)


def failing(chance: random.Random, document: dict[str, Any]) -> dict[str, Failure]:
    bodies = [(name, body) for section in SECTIONS for name, body in document.get(section, {}).items()]
    names = {name for name, _ in bodies} | {name for _, body in bodies for name in body.get("targets", {})}
    if not names or chance.random() < 0.5:
        return {}
    operations = chance.choice((("CREATE",), ("UPDATE",), ("DELETE",), ("CREATE", "UPDATE", "DELETE")))
    return {chance.choice(sorted(names)): Failure(-1, "boom", frozenset(operations))}


async def story(seed: int, settle: Way) -> list[Any]:
    """Live through three documents, some of which fail; return how each ended and what stood then."""
    chance, behaviour = random.Random(seed), Behaviour(limit_rates=False, registries=100)
    maker = Maker(seed, chance.choice((0.1, 0.2)))
    behaviour.durations = Durations(
        **{
            name: chance.choice((1.0, 5.0, 40.0))
            for name in ("provider", "gateway", "target", "synchronize", "runtime", "harness", "registry", "delete")
        }
    )
    with SandboxWorld(behaviour) as world:
        ends, document = [], with_needs(chance, maker.document("g"))
        documents = [document]
        for step in range(3):
            asked = {**document, "onFailure": chance.choice(("HALT", "ROLLBACK"))}
            world.plane.world.failing = failing(chance, asked)
            allow = addresses(*documents) if chance.random() < 0.7 else frozenset()
            request = provision(asked, f"r{step}", allow=allow)
            if step and chance.random() < 0.15:
                request = Request(mode=Mode.REMOVE, request_id=f"r{step}", stack="g")
            outcome = await settle(world, request)
            failures = sorted((one["resource"], one["code"]) for one in outcome.shown()["failures"])
            # What is retained may name a gateway that was replaced since.
            ends.append((str(outcome.status), failures, _GONE.sub(r"\1", json.dumps(state(world), sort_keys=True))))
            await anyio.sleep(200)
            document = with_needs(chance, variant(chance, maker, document))
            documents.append(document)
        return ends


@pytest.mark.sweep
@pytest.mark.parametrize("part", range(6))
def test_r9_a_story_ends_the_same_in_one_run_each_or_in_many(part):
    """Where its requests are cut into runs makes no difference to how they end, and to what stands then."""
    # Some that went wrong once are tried in every run.
    seeds = [*(5057, 5084)[part::6], *sliced(range(58)[part::6], 10, part)]
    wrong = [one for one in seeds if virtually(partial(story, one, in_one)) != virtually(partial(story, one, in_many))]
    tried("R9", "stories of three documents, in one run each and in many short ones", len(seeds), wrong)
    assert wrong == []
