"""A kind whose lists, updates and responses have shapes of their own is found, updated and compared."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from infra.deadline import Deadline
from infra.service_model import is_mutating
from tests.documents import gateway
from tests.worlds import SandboxWorld
from workflows.document.reading import read_stack
from workflows.kinds.gateway import GATEWAY
from workflows.reconcile.dry import UnwrittenRecords
from workflows.reconcile.graph import nodes_of
from workflows.reconcile.live import LiveExecutor
from workflows.reconcile.observation import observe_all
from workflows.reconcile.run import Run
from workflows.reconcile.walk import walk
from workflows.records.items import partition_of
from workflows.records.request_state import Mode

ACCOUNT, PREFIX = "123456789012", "updated: "


def name_of_id(item: Mapping[str, Any]) -> str | None:
    return str(item["gatewayId"]).rpartition("-")[0]


def with_prefix(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "description": PREFIX + body["description"]}


def without_prefix(shown: dict[str, Any]) -> dict[str, Any]:
    return {**shown, "description": shown["description"].removeprefix(PREFIX)} if "description" in shown else shown


SHAPED = replace(GATEWAY, listed_name=name_of_id, as_update=with_prefix, as_declared=without_prefix)


async def converged(world: SandboxWorld, description: str) -> list[str]:
    """Converge a gateway of the kind with an empty ledger; return the changing calls."""
    document = {"stack": "payments.tools", "gateways": {"payments": gateway(description=description)}}
    context, declared = world.context(), read_stack(document)
    declared = replace(declared, resources={a: replace(r, kind=SHAPED) for a, r in declared.resources.items()})
    session = UnwrittenRecords(context.ledger, partition_of(ACCOUNT, "us-east-1", declared.name), "run", 1, {})
    calls = context.aws.within(Deadline.within(3_600.0))
    run = Run(context, calls, session, Mode.PROVISION, declared.name, ACCOUNT, "request")
    run.nodes = nodes_of(declared, {}, Mode.PROVISION)
    await observe_all(run)
    world.sent()
    await walk(LiveExecutor(run))
    return [one for one in world.sent() if is_mutating(one)]


async def test_a_kind_of_other_shapes_converges(world):
    """The gateway is found by the id in the list, and compared and updated in the shapes of the kind."""
    assert await converged(world, "payments") == ["CreateGateway"]
    assert await converged(world, "payments") == []
    assert await converged(world, "ledger") == ["UpdateGateway"]
    made = world.live["gateway payments"]
    assert made.request["description"] == PREFIX + "ledger"
    assert await converged(world, "ledger") == []
