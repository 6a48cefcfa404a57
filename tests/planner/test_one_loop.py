"""A plan and a run are one loop: with another executor and nothing else, the same decisions are taken first."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from infra.deadline import Deadline
from infra.service_model import is_mutating
from tests.crash.test_single_faults import replaced, sample
from tests.documents import gateway, oauth, small_stack
from tests.worlds import SandboxWorld, provision
from workflows.document.reading import read_stack
from workflows.planner.decision import Decision, State
from workflows.planner.outcome import Status
from workflows.planning import plan
from workflows.reconcile.dry import DryExecutor, UnwrittenRecords
from workflows.reconcile.executor import Executor
from workflows.reconcile.graph import Node, nodes_of
from workflows.reconcile.live import LiveExecutor
from workflows.reconcile.observation import observe_all
from workflows.reconcile.run import Run
from workflows.reconcile.walk import walk
from workflows.records.items import partition_of
from workflows.records.request_state import Mode
from workflows.requests.resources import records_of

ACCOUNT = "123456789012"
First = dict[str, tuple[str, tuple[str, ...]]]


class WitnessedLive(LiveExecutor):
    """The live executor, which keeps the first decision about each resource."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.first: First = {}

    def decided(self, node: Node, state: State, decision: Decision) -> None:
        self.first.setdefault(node.address, (decision.action, decision.paths))


class WitnessedDry(DryExecutor):
    """The dry executor, likewise."""

    @property
    def first(self) -> First:
        return {address: (steps.first.action, steps.first.paths) for address, steps in self.steps.items()}


async def driven(world: SandboxWorld, document: dict[str, Any], made: Callable[[Run], Any]) -> Any:
    """Run a document with an executor, over records that nobody writes: the world is all that may change."""
    context, stack = world.context(), read_stack(document)
    calls = context.aws.within(Deadline.within(3_600.0))
    partition = partition_of(ACCOUNT, context.aws.region, stack.name)
    session = UnwrittenRecords(context.ledger, partition, "run", 9, await records_of(context.ledger, partition))
    run = Run(context, calls, session, Mode.PROVISION, stack.name, ACCOUNT, "request", ALLOWED)
    run.nodes = nodes_of(stack, session.records, Mode.PROVISION)
    await observe_all(run)
    executor = made(run)
    assert isinstance(executor, Executor)
    await walk(executor)
    return executor


def changed() -> dict[str, Any]:
    document = small_stack(2)
    document["gateways"]["payments"]["description"] = "Payments"
    document["gateways"]["payments"]["targets"]["target-1"]["description"] = "The ledger"
    return document


def grown() -> dict[str, Any]:
    document = small_stack(2)
    document["gateways"]["more"] = gateway(tags={"team": "payments"})
    return document


def shrunk() -> dict[str, Any]:
    document = small_stack(2)
    del document["gateways"]["payments"]["targets"]["target-0"]
    return document


async def nothing(world: SandboxWorld) -> None:
    del world


async def small(world: SandboxWorld) -> None:
    await world.apply(small_stack(2))


async def everything(world: SandboxWorld) -> None:
    await world.apply(sample("every-kind.yaml"))


async def invisible(world: SandboxWorld) -> None:
    """Create the gateway and the provider; reads do not show them yet."""
    world.behaviour.durations.visible_after = 60.0
    await world.run(provision(small_stack(2), "begun"), seconds=30)


ALLOWED = frozenset({"gateways.payments"})
Before = Callable[[SandboxWorld], Awaitable[None]]
CASES: dict[str, tuple[Before, Callable[[], dict[str, Any]]]] = {
    "nothing exists": (nothing, lambda: small_stack(2)),
    "one of every kind, and nothing exists": (nothing, lambda: sample("every-kind.yaml")),
    "created, and reads do not show it yet": (invisible, lambda: small_stack(2)),
    "as declared": (small, lambda: small_stack(2)),
    "members differ": (small, changed),
    "a resource more": (small, grown),
    "a target less": (small, shrunk),
    "a gateway is replaced, with its targets": (small, replaced),
    "one of every kind is changed": (everything, lambda: sample("every-kind-changed.yaml")),
}


@pytest.mark.parametrize("case", CASES)
async def test_the_plan_is_what_the_run_does_first(world, case):
    """The same first decision about each resource, and as many changing calls as the plan foretells."""
    before, document = CASES[case]
    await before(world)
    planned = await driven(world, document(), WitnessedDry)
    world.sent()
    ran = await driven(world, document(), WitnessedLive)
    sent = [one for one in world.sent() if is_mutating(one)]
    assert planned.first == ran.first
    assert sorted(call for steps in planned.steps.values() for call in steps.calls) == sorted(sent)


async def test_a_plan_changes_nothing(world):
    """Neither the world nor the ledger, with the same loop."""
    await small(world)
    partition = partition_of(ACCOUNT, "us-east-1", "payments.tools")
    ledger = await world.ledger.query(partition)
    world.sent()
    await driven(world, replaced(), WitnessedDry)
    assert world.sent() == []
    assert await world.ledger.query(partition) == ledger


def replacing() -> dict[str, Any]:
    """Return a document that replaces the gateway, with the targets in it."""
    document = consenting()
    document["gateways"]["payments"]["authorizerType"] = "AWS_IAM"
    del document["gateways"]["payments"]["authorizerConfiguration"]
    return document


def consenting() -> dict[str, Any]:
    document = small_stack(1)
    asks = oauth("AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/return")
    document["gateways"]["payments"]["targets"]["target-0"]["credentialProviderConfigurations"] = asks
    return document


async def test_a_plan_replaces_a_gateway_in_which_a_target_awaits_consent(world):
    """A run waits until the session ends; a plan says so by its steps, at once."""
    assert (await world.apply(consenting())).status is Status.AWAITING_CONSENT
    replaces = replacing()
    del replaces["gateways"]["payments"]["targets"]["target-0"]
    began = anyio.current_time()
    found = await plan(world.context(), replaces, Deadline.within(600), ALLOWED)
    actions = {one.address: one.action for one in found.resources}
    assert actions["gateways.payments"] == "REPLACE"
    assert found.estimate["DeleteGatewayTarget"] == 1
    assert anyio.current_time() - began < 2.0


async def test_a_plan_does_not_wait_for_a_target_that_reads_do_not_show(world):
    """Its gateway is to be replaced, and nobody knows whether the target exists."""
    await world.apply(small_stack(1))
    world.live["target target-0"].visible = world.plane.world.now + 10_000.0
    began = anyio.current_time()
    await plan(world.context(), replaced(), Deadline.within(600), ALLOWED)
    assert anyio.current_time() - began < 2.0
