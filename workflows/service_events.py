"""Events that cause work without being requests: scheduled ticks, and events about deleted or failed registries.

A synchronization is requested on the bus, with one request per stack. A new convergence starts an execution of the
state machine for the accepted generation. From there on, both are handled like every other request.
"""

import random
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from infra.deadline import Deadline
from infra.errors import CallFailed
from infra.tasks import gather_all
from infra.telemetry import frames, told
from workflows.document.naming import Place
from workflows.executions import ensure_running
from workflows.planner.outcome import Status
from workflows.records.items import partition_of
from workflows.records.request_state import Mode
from workflows.records.stack import StackRecord
from workflows.requests.acceptance import note_request, synchronization_of
from workflows.requests.authority import Requested, Submitter
from workflows.requests.context import Context
from workflows.requests.resources import records_of
from workflows.requests.stacks import stack_record

#: The detail type of a schedule's tick; its detail may say `{"converge": true}`.
SCHEDULE_EVENT = "Gateway Schedule"
#: The event sources of registries, before and after registries moved to a service of their own.
_SERVICES = frozenset({"aws.agent-registry", "aws.bedrock-agentcore"})
_REGISTRY = re.compile(r"arn:[a-z-]+:[a-z-]+:[a-z0-9-]+:\d{12}:registry/[A-Za-z0-9]+")
_DELETION_EVENT = re.compile(r"delet|failed", re.IGNORECASE)
_SECONDS = 60.0
#: How many stacks are asked for at the same time.
_AT_ONCE = 10

log = structlog.get_logger()


def is_service_event(event: Mapping[str, Any]) -> bool:
    """Return whether an event is a scheduled tick or an event of the service."""
    return event.get("detail-type") == SCHEDULE_EVENT or event.get("source") in _SERVICES


async def handle_service_event(context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
    """Request the work that an event requires; return the stacks for which work was requested."""
    asked: list[str] = []
    request_id = f"schedule-{event.get('id', '')}"
    detail = event.get("detail") or {}
    registries = set(_REGISTRY.findall(str(detail) + str(event.get("resources", ""))))
    tick = event.get("detail-type") == SCHEDULE_EVENT
    if not tick and not (registries and _DELETION_EVENT.search(str(event.get("detail-type")))):
        return {"version": 1, "asked": asked}
    converges = not tick or bool(detail.get("converge"))
    failed: list[CallFailed] = []

    async def ask(partition: str) -> None:
        """Request the work for one stack; a stack that cannot be asked about costs no other stack anything."""
        stack = partition.split("/", 2)[2]
        if not _may(context, event, partition, stack, "provision" if converges else "synchronize"):
            return
        try:
            record = await stack_record(context.ledger, partition)
            if record is None or record.status != Status.READY or record.mode is not Mode.PROVISION:
                return
            if not tick and not await _holds(context, partition, registries):
                return
            if converges:
                await _converge(context, partition, record, request_id)
            elif synchronization_of(record) is not None:
                await context.ask("Gateway Stack Synchronization Requested", {"stack": stack, "requestId": request_id})
            else:
                return
            asked.append(stack)
        except (OSError, CallFailed) as error:
            log.error("a stack was not asked for", stack=stack, error=told(error), frames=frames(error))
            failed.extend([error] if isinstance(error, CallFailed) else [])

    await _with_each(await _partitions(context), ask)
    if failed:
        # The event comes again; what was asked for already is known by the id of the event.
        raise failed[0]
    return {"version": 1, "asked": sorted(asked)}


async def _with_each(partitions: list[str], ask: Callable[[str], Awaitable[None]]) -> None:
    """Ask about every stack, several at a time, in an order of chance: no name is always the last to be reached."""
    waiting = random.sample(partitions, len(partitions))

    async def work() -> None:
        while waiting:
            await ask(waiting.pop())

    await gather_all([work] * _AT_ONCE)


def _may(context: Context, event: Mapping[str, Any], partition: str, stack: str, requested: Requested) -> bool:
    """Return whether the sender of a tick may request this of a stack; only the service can send service events."""
    if context.grants is None or event.get("source") in _SERVICES:
        return True
    who = Submitter(account=str(event.get("account", "")), source=str(event.get("source", "")))
    place = Place(partition.split("/", maxsplit=1)[0], context.aws.region, context.aws.partition)
    return bool(context.grants.of(who, requested, place).of_stack(stack).grants)


async def _partitions(context: Context) -> list[str]:
    """Return the partitions of the stacks of this account and Region."""
    account = await context.aws.within(Deadline.within(_SECONDS)).account()
    return await context.ledger.partitions(partition_of(account, context.aws.region, ""))


async def _holds(context: Context, partition: str, arns: set[str]) -> bool:
    return any(record.arn in arns for record in (await records_of(context.ledger, partition)).values())


async def _converge(context: Context, partition: str, record: StackRecord, request_id: str) -> None:
    stack = partition.split("/", 2)[2]
    now = context.now().timestamp()
    await note_request(context.ledger, partition, request_id, Mode.PROVISION, now=now, unattended=True)
    await ensure_running(context, {"stack": stack, "generation": record.generation, "requestId": request_id})
