"""A record of the form before says the same of the past when it is read as a log of operations."""

import json
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.goals import tried
from workflows.document.compare import either
from workflows.records.items import SCHEMA
from workflows.records.operation import LATEST_ARRIVAL, OpState, Verb
from workflows.records.request_state import ConsentWait, Mode, Stall
from workflows.records.resource_items import item_of, read_record
from workflows.records.stack import StackRecord
from workflows.records.stack_items import read_stack_record, stack_item_of

GOLDEN = Path(__file__).parents[1] / "ledger" / "golden"
NOW = 1_000_000.0

DECLARED = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 2), max_size=3)
SCOPES = st.sampled_from(["", "request-1", "request-1 rollback"])
VERSIONS = st.dictionaries(st.sampled_from(["key"]), st.sampled_from(["1", "2"]))
DOUBT = st.fixed_dictionaries({"declared": DECLARED, "versions": VERSIONS}, optional={"token": st.sampled_from("xyz")})
MARK = st.fixed_dictionaries({
    "action": st.sampled_from(["CREATE", "UPDATE", "TAG", "DELETE", "SYNCHRONIZE"]), "at": st.just(NOW),
    "doubtful": st.lists(DOUBT, min_size=1, max_size=5), "digest": st.just("d"), "generation": st.integers(1, 3),
})  # fmt: skip
ITEMS = st.fixed_dictionaries({
    "address": st.just("gateways.one"), "kind": st.just("gateways"), "name": st.just("one"), "schema": st.just(2),
    "id": st.sampled_from([None, "id-1"]), "made_in": st.integers(0, 3), "incarnation": st.integers(0, 2),
    "applied": st.none() | DECLARED, "sent": st.none() | DECLARED, "sent_for": SCOPES, "sent_times": st.integers(1, 3),
    "lingering": st.none() | DECLARED, "lingers_until": st.sampled_from([0.0, NOW]), "pending": st.none() | MARK,
    "former_ids": st.lists(st.just("id-0"), max_size=1), "attempts": st.integers(0, 3), "attempts_for": SCOPES,
    "last_reason": st.sampled_from(["", "no role"]), "refused_since": st.sampled_from([0.0, NOW]),
    "refused_to": st.just("request-1: BUSY"), "synchronized_for": SCOPES, "synchronizations": st.integers(0, 2),
    "ever_ready": st.booleans(), "ready_in": st.integers(0, 3), "changed": st.sampled_from(["", "12.0"]),
    "stale_tags": st.lists(st.just("team"), max_size=1), "secret_versions": VERSIONS, "created_at": st.just(0.0),
})  # fmt: skip


@given(ITEMS)
def test_every_question_has_the_answer_that_form_2_gave(item):
    """The members of form 2 are what they were when they are asked of the log."""
    # An object that is not known was made in no generation.
    item |= {"made_in": item["made_in"] if item["id"] else 0}
    record, mark = read_record(item), item["pending"] or {}
    doubts = [one["declared"] for one in mark.get("doubtful", ())]
    made_by = mark["generation"] if mark.get("action") == "CREATE" and item["id"] is None else item["made_in"]
    folded = [op for op in record.log.operations if op.state is OpState.UNANSWERED]
    asked = {
        "applied": (record.last_applied, item["applied"]),
        "sent": (record.last_accepted, item["sent"]),
        "lingering": (record.lingering, item["lingering"]),
        "until": ([op.at + LATEST_ARRIVAL for op in folded if op.at], [NOW] * bool(folded and item["lingers_until"])),
        "doubts": ([op.declared for op in record.unacknowledged], doubts),
        "declared": (record.ever_declared, reduce(either, (item["applied"], item["sent"], item["lingering"], *doubts))),
        "tokens": (record.pending_tokens, {one["token"] for one in mark.get("doubtful", ()) if "token" in one}),
        "begun": (record.log.intent.verb if record.log.intent is not None else None, mark.get("action")),
        "attempts": (record.attempts(item["attempts_for"]), item["attempts"]),
        "reason": (record.log.error, item["last_reason"]),
        "refused": (record.refused_since("request-1", "BUSY"), item["refused_since"]),
        "synchronized": (record.synchronizations(item["synchronized_for"]), item["synchronizations"]),
        "made in": (record.created_generation(ours=True), made_by),
        "former": (record.deposed, tuple(item["former_ids"])),
        "ready": (record.first_ready_generation, item["ready_in"] if item["ever_ready"] else None),
        "stale tags": (record.log.tags_in_doubt, tuple(item["stale_tags"])),
    }
    if item["applied"] is not None or item["sent"] is not None:
        asked["versions"] = (dict(record.log.secret_versions), item["secret_versions"])
    wrong = [f"{name}: {now}, was {before}" for name, (now, before) in asked.items() if now != before]
    tried("R22", "records of the form before, read as logs", len(asked), wrong)
    assert wrong == []
    assert read_record(item_of(record)) == record


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("v2-*.jsonl")), ids=lambda path: path.stem)
def test_a_stored_record_of_form_2_is_written_as_form_3(path):
    """Whatever a worker of that version left, its next write is of this form, and says the same."""
    changes = [change for line in path.read_text("utf-8").splitlines() for change in json.loads(line).get("put", ())]
    items: list[Any] = [item for _, sort, item in changes if sort.startswith("resource#")]
    assert items
    for item in items:
        record = read_record(item)
        written = item_of(record)
        assert written["schema"] == SCHEMA
        assert read_record(written) == record
        assert (record.id, record.exists) == (item["id"], item["id"] is not None or item["pending"] is not None)


def stack_of_form_2(**members: Any) -> StackRecord:
    """Return the record of a stack of form 2 whose request `one` is in force."""
    item = {"schema": 2, "version": 3, "generation": 1, "requestId": "one", "recent": {"one": 1}, "digest": "d"}
    return read_stack_record({**item, **members})


def test_a_creation_of_form_2_without_doubts_keeps_its_token():
    """An older worker of that form wrote the token of the creation beside the mark."""
    item = {"address": "gateways.one", "kind": "gateways", "name": "one", "schema": 2}
    record = read_record({**item, "pending": {"action": "CREATE", "at": NOW, "token": "x", "generation": 1}})
    assert record.log.intent is not None
    assert (record.log.intent.verb, set(record.pending_tokens)) == (Verb.CREATE, {"x"})
    bare = read_record({**item, "pending": {"action": "UPDATE", "at": NOW}})
    assert bare.log.intent is not None
    assert (bare.log.intent.verb, set(bare.pending_tokens)) == (Verb.UPDATE, set())


@pytest.mark.parametrize("rollback", ["", " rollback"], ids=["the request", "its rollback"])
def test_a_request_of_form_2_waits_for_as_long_as_it_did(rollback):
    record = stack_of_form_2(
        standing={"requestId": f"one{rollback}", "since": 5, "where": "x"},
        consentWaits={"generation": f"1{rollback}", "since": {"a": 7.0}, "told": {"a": ["digest"]}},
    )
    state = record.requests["one"]
    assert state.stall == Stall(5.0, "x", rollback=bool(rollback))
    assert state.consent == ConsentWait({"a": 7.0}, {"a": ("digest",)}, rollback=bool(rollback))


def test_waits_of_another_request_of_form_2_and_waits_without_times_are_none():
    for waits in ({"generation": 2, "since": {"a": 7.0}}, {"generation": 1, "since": 7.0}, {}):
        state = stack_of_form_2(standing={"requestId": "two", "since": 5}, consentWaits=waits).requests["one"]
        assert (state.stall, state.consent) == (None, None)


def test_a_synchronization_of_form_2_waits_for_as_long_as_it_did():
    members = {
        "synchronizations": ["s", "t", "u"],
        "synchronizations:standing": {"s": {"requestId": "s", "since": 5, "where": "x"}},
        "synchronizations:consentWaits": {one: {"generation": 1, "since": {"a": 7.0}} for one in ("s", "u")},
    }
    record = stack_of_form_2(**members)
    waiting, other = record.state_of("s", Mode.SYNCHRONIZE), record.state_of("t", Mode.SYNCHRONIZE)
    assert waiting is not None
    assert other is not None
    assert (waiting.stall, waiting.consent) == (Stall(5.0, "x"), ConsentWait({"a": 7.0}))
    assert (other.stall, other.consent) == (None, None)
    asking = record.state_of("u", Mode.SYNCHRONIZE)
    assert asking is not None
    assert (asking.stall, asking.consent) == (None, ConsentWait({"a": 7.0}))


def test_what_an_older_worker_wrote_of_a_request_that_is_not_known_is_dropped():
    """Its last write names the waits of a request that an item of form 3 does not have any more."""
    item = stack_item_of(StackRecord.new("id"))
    read = read_stack_record({**item, "request_id": "other", "standing": {"requestId": "other", "since": 5}})
    assert read.requests == {}


def test_a_stack_of_form_2_without_a_request_has_none():
    assert read_stack_record({"schema": 2, "version": 1, "generation": 0}).requests == {}
