"""The record of a stack: requests that come, go and share an id, and an upgrade in the middle of a run."""

from typing import Any

import pytest

from tests.goals import tried
from workflows.records.request_state import ConsentWait, Mode, RequestState, Stall
from workflows.records.stack import MOST_REQUESTS, ReadyDocument, Rollback, StackRecord
from workflows.records.stack_items import read_stack_record, stack_item_of

DOCUMENT = {"stack": "payments"}
READY = {"status": "READY", "requestId": "provision"}


def accepted(record: StackRecord, request_id: str, generation: int, **more: Any) -> StackRecord:
    mode = more.pop("mode", Mode.PROVISION)
    allow = more.pop("allow", ("gateways.a",))
    state = RequestState(request_id, mode, generation, submitter={"source": request_id}, allow=allow)
    given = {"digest": f"d{generation}", "document": DOCUMENT, "rolled_back": False, **more}
    return record.accepted(state, generation, **given)


def synchronized(record: StackRecord, request_id: str, status: str = "READY") -> StackRecord:
    noted = record if record.knows(request_id) else record.noted(RequestState(request_id, Mode.SYNCHRONIZE))
    return noted.synchronized(request_id, {"status": status, "requestId": request_id}, final=True)


def test_the_request_in_force_is_never_dropped():
    """Also where it raised no generation, as that of a schedule, and many synchronizations came since."""
    record = StackRecord.new("id").noted(RequestState("tick", Mode.PROVISION))
    record = accepted(record, "tick", 1)
    for number in range(3 * MOST_REQUESTS):
        record = synchronized(record, f"sync-{number}")
    assert record.requests["tick"].submitter == {"source": "tick"}
    assert record.approvals_of("tick") == {"gateways.a"}
    assert len(record.requests) <= MOST_REQUESTS + 1
    assert read_stack_record(stack_item_of(record)) == record


def test_a_synchronization_under_the_id_of_a_provision_has_a_state_of_its_own():
    """As the last stage of a request: neither wait, nor how it ended, is that of the other."""
    record = accepted(StackRecord.new("id"), "one", 1)
    record = record.waiting("one", Mode.PROVISION, Stall(5.0), ConsentWait({"a": 5.0}))
    record = record.noted(RequestState("one", Mode.SYNCHRONIZE))
    record = synchronized(record.waiting("one", Mode.SYNCHRONIZE, None, None), "one", "FAILED")
    own, last = record.state_of("one", Mode.PROVISION), record.state_of("one", Mode.SYNCHRONIZE)
    assert own is not None
    assert last is not None
    assert (own.consent, own.stall, own.status) == (ConsentWait({"a": 5.0}), Stall(5.0), "")
    assert (last.consent, last.status) == (None, "FAILED")
    again = accepted(record, "one", 1).state_of("one", Mode.SYNCHRONIZE)
    assert again is not None
    assert again.status == "FAILED", "a delivery of the provision does not have it synchronized again"
    assert accepted(record, "one", 1).generation_of("one") == 1


def test_approvals_end_with_their_request():
    """Not with a run of it that does not finish it, and not when another request for its generation comes."""
    record = accepted(StackRecord.new("id"), "one", 1)
    assert record.ended({"status": "IN_PROGRESS", "requestId": "one"}).approvals_of("one") == {"gateways.a"}
    beside = accepted(record, "two", 1, allow=())
    assert beside.approvals_of("one") == {"gateways.a"}
    assert beside.approvals_of("two") == frozenset()
    assert accepted(record, "two", 2).approvals_of("one") == frozenset()
    done = record.ended({"status": "READY", "requestId": "one"}, final=True)
    assert done.approvals_of("one") == frozenset()
    assert accepted(done, "two", 1).approvals_of("one") == frozenset()


def test_a_removal_after_a_rollback_to_nothing_has_no_document():
    """The document in force was rolled back, and there is none before it."""
    record = accepted(StackRecord.new("id"), "one", 1).ended({"status": "ROLLED_BACK", "requestId": "one"})
    removed = accepted(record, "two", 2, mode=Mode.REMOVE, document=None, rolled_back=True)
    assert removed.document is None
    kept = accepted(record.ready_now(), "two", 2, mode=Mode.REMOVE, document=None, rolled_back=True)
    assert kept.document == DOCUMENT


#: The last write of a worker of form 2 that held the stack while it was upgraded, member by member.
LAST_WRITES: dict[str, tuple[dict[str, Any], Any]] = {
    "READY": (
        {"outcome": READY, "readyDocument": DOCUMENT, "readyGeneration": 2, "rollback": None, "leaseId": None},
        lambda record: (record.ready, record.status) == (ReadyDocument(DOCUMENT, 2), "READY"),
    ),
    "a rollback begins": (
        {"rollback": {"generation": 2, "requestId": "two", "failures": [], "removed": ["gateways.a"], "anew": ["b"]}},
        lambda record: record.rollback == Rollback(2, "two", [], ["gateways.a"], ["b"]),
    ),
    "a rollback of an earlier version": (
        {"rollback": {"generation": 2, "failures": [], "removed": [], "anew": []}},
        lambda record: record.rolls_back(2, "two"),
    ),
    "people are asked": (
        {"consentWaits": {"generation": 2, "since": {"a": 5.0}, "told": {"a": ["x"]}}, "standing": None},
        lambda record: record.requests["two"].consent == ConsentWait({"a": 5.0}, {"a": ("x",)}),
    ),
    "a synchronization ends": (
        {"synchronized": {"s": "READY"}, "synchronization": {"requestId": "s", "outcome": {"status": "READY"}}},
        lambda record: record.state_of("s", Mode.SYNCHRONIZE).status == "READY",
    ),
}  # fmt: skip


@pytest.mark.parametrize("write", LAST_WRITES)
def test_r22_the_last_write_of_an_earlier_version_is_understood(write):
    """It merges its members into an item that this version has written meanwhile."""
    members, is_so = LAST_WRITES[write]
    record = accepted(accepted(StackRecord.new("id"), "one", 1).ready_now(), "two", 2)
    read = read_stack_record({**stack_item_of(record), **members})
    tried("R22", "last writes of an earlier version over an item of this form", violations=int(not is_so(read)))
    assert is_so(read)
    assert (read.generation, read.request_id, dict(read.unknown)) == (2, "two", {})
    assert read_stack_record(stack_item_of(read)) == read


def test_events_of_a_request_that_the_record_does_not_know_change_nothing():
    record = accepted(StackRecord.new("id"), "one", 1)
    assert record.announced("other") is record
    assert record.waiting("other", Mode.PROVISION, Stall(5.0), None) is record


def test_a_wait_for_consent_is_as_long_as_that_of_others_for_the_same_generation():
    """The clock runs on when another request asks for the same."""
    mine, other = ConsentWait({"a": 9.0}), ConsentWait({"a": 5.0, "b": 7.0})
    assert mine.sharing([other]).since == {"a": 5.0, "b": 7.0}
    assert mine.sharing([]) == mine


@pytest.mark.parametrize(
    "members", [{"calls": {"GetGateway": "x"}}, {"failures": [{}]}, {"reason": 5}, {"consents": None}]
)
def test_an_outcome_of_another_form_is_no_outcome(members):
    with pytest.raises((TypeError, LookupError)):
        read_stack_record({**stack_item_of(StackRecord.new("id")), "outcome": {"status": "READY", **members}})
