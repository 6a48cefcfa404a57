"""Documents that are somewhere else, and ids that are no ids: answered, once, and nothing is lost."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from handlers.sqs import take
from infra.aws import Aws
from infra.deadline import Deadline
from tests.documents import gateway, mcp_target
from tests.intake.test_queue import REQUESTED, record
from tests.tables import services, table
from tests.worlds import REGION
from workflows.planner.outcome import Status
from workflows.records.request_state import Mode
from workflows.requests.authority import Grants
from workflows.requests.context import Context
from workflows.requests.request import Request
from workflows.service import handle

pytestmark = pytest.mark.real_time
NOBODY = Grants.model_validate({"version": 1, "grants": []})


@pytest.fixture
def fast(world):
    for name in ("provider", "gateway", "target", "synchronize"):
        setattr(world.behaviour.durations, name, 0.05)
    return world


def stack(name: str) -> dict:
    return {"stack": name, "gateways": {"one": gateway({"tools": mcp_target()})}}


@asynccontextmanager
async def bucket_beside(world, moto, name: str) -> AsyncIterator[tuple[Context, Any]]:
    """A world that has a bucket, too."""
    async with services(moto) as client:
        s3 = await client("s3")
        await s3.create_bucket(Bucket=name)

        async def both(service: str) -> Any:
            return s3 if service == "s3" else world.client(service)

        yield replace(world.context(), aws=Aws(both, REGION)), s3


@pytest.mark.parametrize(
    "detail",
    [
        {"requestId": "x" * 3000, "stack": stack("payments")},
        {"requestId": "\ud800", "stack": stack("payments")},
        {"requestId": "a\nb", "stack": stack("payments")},
        {"stack": stack("p" * 2000)},
        {"stack": stack("\udfff")},
        {"stack": stack("")},
    ],
    ids=["a long id", "a broken id", "an id of two lines", "a long name", "a broken name", "no name"],
)
async def test_what_cannot_be_written_down_is_rejected_once(fast, moto, detail):
    """Nobody may ask for anything here, and a strange id or name is no reason to deliver the message again."""
    async with table(moto) as ledger:
        context = replace(fast.context(), ledger=ledger, grants=NOBODY)
        message = record("m1", json.dumps({"detail-type": REQUESTED, "id": "e", "source": "x", "detail": detail}))
        assert await take(context, [message], Deadline.within(60)) == []
    assert [kind for kind, _ in fast.announced] == ["Gateway Stack Rejected"]
    assert all(len(told["requestId"]) <= 128 and len(told["stack"]) <= 128 for _, told in fast.announced)


async def test_the_document_of_an_accepted_request_is_the_one_that_was_accepted(fast, moto):
    """The object is replaced before the message comes again: the request goes on with what it began."""
    async with bucket_beside(fast, moto, "stacks-of-payments") as (context, s3):
        request = Request(mode=Mode.PROVISION, request_id="one", stack="", uri="s3://stacks-of-payments/stack.yaml")
        outcomes = []
        for name in ("first", "second"):
            document = stack("payments")
            document["gateways"] = {name: document["gateways"]["one"]}
            await s3.put_object(Bucket="stacks-of-payments", Key="stack.yaml", Body=json.dumps(document).encode())
            fast.behaviour.durations.gateway = 2.0 if name == "first" else 0.05
            outcomes.append(await handle(context, request, Deadline.within(25, patience=0.1)))
        while outcomes[-1].status is Status.IN_PROGRESS:
            outcomes.append(await handle(context, request, Deadline.within(60)))
    assert outcomes[0].status is Status.IN_PROGRESS
    assert outcomes[-1].status is Status.READY
    assert [name for name in fast.live if name.startswith("gateway")] == ["gateway first"]


async def test_an_object_that_is_no_document_says_so(fast, moto):
    async with bucket_beside(fast, moto, "odd-objects") as (context, s3):
        for body, rule in ((b"[1]", "type"), (b"\xff", "unreadable"), (b"a: [", "unreadable"), (None, "unreachable")):
            key = f"object-{rule}-{len(body or b'')}"
            if body is not None:
                await s3.put_object(Bucket="odd-objects", Key=key, Body=body)
            request = Request(mode=Mode.PROVISION, request_id=key, stack="", uri=f"s3://odd-objects/{key}")
            outcome = await handle(context, request, Deadline.within(60))
            assert outcome.status is Status.REJECTED
            assert [problem.rule for problem in outcome.problems] == [rule]
