"""Which request is in force: the bare decision over the stack's record, in a table."""

from dataclasses import dataclass
from typing import Any

import pytest

from infra.ledger import Item, Key
from infra.ledger.sqlite import SqliteLedger
from workflows.planner.outcome import Status
from workflows.records.request_state import Mode
from workflows.records.stack import StackRecord
from workflows.records.stack_items import read_stack_record
from workflows.requests.acceptance import Accepted, Refused, accept, decide_acceptance
from workflows.requests.request import Request
from workflows.requests.stacks import stack_record

DOCUMENT = {"stack": "payments"}
URI = "s3://stacks/payments.yaml"


def asks(request_id: str = "new", mode: Mode = Mode.PROVISION, **more: Any) -> Request:
    document = None if mode is Mode.REMOVE else DOCUMENT
    return Request(mode=mode, request_id=request_id, stack="payments", **{"document": document, **more})


def holds(**more: Any) -> StackRecord:
    """The record of a stack whose third generation, of the request `old`, is under way."""
    return read_stack_record({
        "schema": 2, "generation": 3, "recent": {"older": 2, "old": 3}, "requestId": "old", "mode": "PROVISION",
        "digest": "d3", "document": DOCUMENT, "readyDocument": {"stack": "payments"}, "readyGeneration": 2,
        "outcome": None, "allow": ["gateways.a"], **more,
    })  # fmt: skip


def ended(status: str, request_id: str = "old") -> dict[str, Any]:
    return {"outcome": {"status": status, "requestId": request_id, "reason": ""}}


@dataclass(frozen=True)
class Row:
    """What the ledger holds, what is asked with which document, and the generation or the refusal that follows."""

    state: str
    record: StackRecord | None
    request: Request
    digest: str
    generation: int | None = None
    refused: Status | None = None


ROWS = (
    Row("a first request", None, asks(), "d1", 1),
    Row("a first request that names its generation", None, asks(generation=7), "d1", 7),
    Row("another request", holds(), asks(), "d4", 4),
    Row("another request for the same document", holds(), asks(), "d3", 4),
    Row("another request for the generation in force", holds(), asks(generation=3), "d3", 3),
    Row("another request for it with another document", holds(), asks(generation=3), "d4", refused=Status.REJECTED),
    Row("a request for an older generation", holds(), asks(generation=2), "d2", refused=Status.SUPERSEDED),
    Row("a request that came before, late", holds(), asks("older"), "d2", refused=Status.SUPERSEDED),
    Row("the request in force again", holds(), asks("old"), "d3", 3),
    Row("the request in force again, with another document", holds(), asks("old"), "d4", refused=Status.REJECTED),
    Row("the same by its URI, where another document stands by now", holds(), asks("old", uri=URI), "d4", 3),
    Row("the request in force again, which is READY", holds(**ended("READY")), asks("old"), "d3",
        refused=Status.READY),
    Row("the request in force again, which has failed", holds(**ended("FAILED")), asks("old"), "d3",
        refused=Status.FAILED),
    Row("the request in force again, which awaits consent", holds(**ended("AWAITING_CONSENT")), asks("old"), "d3", 3),
    Row("another request for the generation in force, which is READY", holds(**ended("READY")), asks(generation=3),
        "d3", 3),
    Row("a removal", holds(), asks(mode=Mode.REMOVE), "removal", 4),
    Row("a removal under the id of the request in force", holds(), asks("old", Mode.REMOVE), "removal",
        refused=Status.REJECTED),
    Row("a document by its URI under the id of a removal in force", holds(mode="REMOVE"), asks("old", uri=URI), "d3",
        refused=Status.REJECTED),
)  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.state)
def test_which_request_is_in_force(row):
    found = decide_acceptance(row.record or StackRecord.new("id"), row.request, row.digest)
    if isinstance(found, Refused):
        assert (found.status, row.generation) == (row.refused, None), found
        return
    assert (found.generation, row.refused) == (row.generation, None)
    assert (found.request_id, found.mode) == (row.request.request_id, row.request.mode)
    assert found.knows(row.request.request_id)


def test_what_is_accepted_again_keeps_its_document():
    """What stands at a URI by now changes nothing of a request that is under way."""
    found = decide_acceptance(holds(), asks("old", uri=URI, document={"stack": "payments", "gateways": {}}), "d4")
    assert isinstance(found, StackRecord)
    assert (found.document, found.digest) == (DOCUMENT, "d3")


def test_after_a_removal_there_is_nothing_to_go_back_to():
    """What was READY before was removed on purpose."""
    found = decide_acceptance(holds(), asks(mode=Mode.REMOVE), "removal")
    assert isinstance(found, StackRecord)
    assert found.ready is None


def test_what_one_request_allows_is_its_own():
    """The next one begins without leave."""
    new, old = (
        decide_acceptance(holds(), asks(), "d4"),
        decide_acceptance(holds(), asks("old", allow=frozenset({"gateways.b"})), "d3"),
    )
    assert isinstance(new, StackRecord)
    assert isinstance(old, StackRecord)
    assert new.approvals_of("new") == frozenset()
    assert new.approvals_of("old") == frozenset()
    assert old.approvals_of("old") == {"gateways.b"}


class Raced(SqliteLedger):
    """A ledger in which another request is accepted between the next look at an item and what is written after it."""

    other: Request | None = None

    async def get(self, key: Key) -> Item | None:
        item = await super().get(key)
        if self.other is not None:
            other, self.other = self.other, None
            await accept(self, key.partition, other, other.request_id)
        return item


async def test_an_acceptance_that_was_overtaken_begins_anew():
    """Each of two requests at once has a generation of its own, and neither is forgotten."""
    ledger = Raced()
    ledger.other = asks("fast")
    found = await accept(ledger, "payments", asks("slow"), "slow")
    record = await stack_record(ledger, "payments")
    ledger.close()
    assert isinstance(found, Accepted)
    assert record is not None
    assert (found.generation, record.generation_of("fast"), record.generation_of("slow")) == (2, 1, 2)
