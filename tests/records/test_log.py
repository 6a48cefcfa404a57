"""The log of operations in any order of events: bounded, readable again, and never without a doubt that may matter."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.goals import tried
from workflows.kinds import GATEWAY
from workflows.kinds.observed import ObservedState
from workflows.records.declaration import Declaration
from workflows.records.operation import LATEST_ARRIVAL, TRANSITIONS, Operation, OpState, Verb
from workflows.records.resource import ResourceRecord
from workflows.records.resource_items import item_of, read_record

#: Members of which declarations are made; each stands for a member of a resource, or for a tag.
MEMBERS = ("a", "b", "c")
#: More operations than a record ever holds.
MOST = 20


@dataclass
class Past:
    """A record, and what is known of its past without one."""

    record: ResourceRecord = field(default_factory=lambda: ResourceRecord("gateways.one", "gateways", "one"))
    now: float = 1_000_000.0
    #: Until when each member may be set by a call without an answer; for ever where the last word is not spoken.
    doubts: dict[str, float] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    #: Since another request tried, and at all.
    attempts: dict[str, int] = field(default_factory=dict)
    ever: dict[str, int] = field(default_factory=dict)
    lives: int = 0
    generation: int = 1

    def observed(self) -> ObservedState:
        return ObservedState(GATEWAY, f"id-{self.lives}", {"gatewayId": f"id-{self.lives}", "updatedAt": str(self.now)})

    def begin(self, verb: Verb, declared: Mapping[str, Any], scope: str) -> tuple[Operation, Declaration]:
        token = (f"token-{self.record.incarnation}",) if verb is Verb.CREATE else ()
        intent = Operation.intended(verb, self.now, declared, scope=scope, generation=self.generation, tokens=token)
        self.record = self.record.begin(intent, Declaration(declared))
        if verb in (Verb.CREATE, Verb.UPDATE, Verb.TAG):
            self.doubts |= dict.fromkeys(declared, float("inf"))
            self.tokens |= set(token)
        return intent, Declaration(declared)

    def count(self, scope: str) -> None:
        if scope not in self.attempts:
            self.attempts.clear()
        self.attempts[scope] = self.attempts.get(scope, 0) + 1
        self.ever[scope] = self.ever.get(scope, 0) + 1

    def answered(self, until: float) -> None:
        """A call was answered: those before it arrive until a moment, if at all."""
        self.doubts = {one: min(before, until) for one, before in self.doubts.items()}
        self.doubts = {one: before for one, before in self.doubts.items() if before >= self.now}


Event = Callable[[Past, Mapping[str, Any], str], None]


def lost(past: Past, declared: Mapping[str, Any], scope: str) -> None:
    """A call had no answer."""
    if past.record.object is None:
        past.record = past.record.before_creation(past.now, again=False)
    past.begin(Verb.CREATE if past.record.object is None else Verb.UPDATE, declared, scope)


def accepted(past: Past, declared: Mapping[str, Any], scope: str) -> None:
    """The service took a creation, or an update."""
    if past.record.object is not None:
        before = dict(past.doubts)
        intent, declaration = past.begin(Verb.UPDATE, declared, scope)
        past.record = past.record.update_accepted(intent, declaration, past.observed(), {}, now=past.now, again=False)
        past.doubts = before
        past.answered(past.now + LATEST_ARRIVAL)
    else:
        past.lives += 1
        past.record = past.record.before_creation(past.now, again=False)
        intent, declaration = past.begin(Verb.CREATE, declared, scope)
        past.record = past.record.creation_accepted(intent, declaration, past.observed(), now=past.now, parent_id=None)
        past.doubts.clear()
    past.tokens.clear()
    past.count(scope)


def settled(past: Past, declared: Mapping[str, Any], scope: str) -> None:
    """It is at rest, as declared."""
    del scope
    past.record = past.record.settled(
        Declaration(declared), past.observed(), now=past.now, generation=1, parent_id=None, versions={}, normalized=()
    )
    past.answered(past.now + LATEST_ARRIVAL)
    past.tokens.clear()


def vanished(past: Past, declared: Mapping[str, Any], scope: str) -> None:
    """Reads do not show it any more."""
    del declared, scope
    past.record = past.record.vanished(past.now)
    past.doubts = dict.fromkeys(past.doubts, past.now + LATEST_ARRIVAL)
    past.tokens.clear()


def deletion_refused(past: Past, declared: Mapping[str, Any], scope: str) -> None:
    """The service does not delete it now."""
    del declared
    past.begin(Verb.DELETE, {}, scope)
    past.record = past.record.deletion_refused()


def deletion_failed(past: Past, declared: Mapping[str, Any], scope: str) -> None:
    """It is at rest again after a deletion."""
    del declared
    past.begin(Verb.DELETE, {}, scope)
    past.record = past.record.deletion_failed(scope)
    past.count(scope)


def refused_for_now(past: Past, declared: Mapping[str, Any], scope: str) -> None:
    """The service takes no change at the moment."""
    del declared
    past.record = past.record.refused_for_now(past.now, scope, error_class="BUSY", error="busy")


def synchronized(past: Past, declared: Mapping[str, Any], scope: str) -> None:
    """Its tools are read again."""
    del declared
    intent, _ = past.begin(Verb.SYNCHRONIZE, {}, scope)
    past.record = past.record.synchronization_accepted(intent, 1, attempt=False)


def gone(past: Past, declared: Mapping[str, Any], scope: str) -> None:
    """It was seen to go."""
    del declared, scope
    past.record = past.record.gone()
    past.doubts.clear()
    past.tokens.clear()


def later(past: Past, declared: Mapping[str, Any], scope: str) -> None:
    """Time passes."""
    del declared, scope
    past.now += LATEST_ARRIVAL / 2


ANYTIME: tuple[Event, ...] = (lost, accepted, refused_for_now, gone, later)
OF_OBJECTS: tuple[Event, ...] = (settled, vanished, deletion_refused, deletion_failed, synchronized)
ONE, OTHER = {"a": 1}, {"b": 1}
DECLARED = st.dictionaries(st.sampled_from(MEMBERS), st.integers(0, 2), max_size=3)
PASTS = st.lists(
    st.tuples(st.sampled_from([*ANYTIME, *OF_OBJECTS]), DECLARED, st.sampled_from(["one", "two"])), max_size=25
)


@given(PASTS)
def test_any_order_of_events(events):
    """Every member that a lost call may set yet is among those that are compared; so are tokens, and attempts."""
    past, wrong = Past(), []
    for event, declared, scope in events:
        if event in OF_OBJECTS and past.record.object is None:
            continue
        event(past, declared, scope)
        record = past.record
        missing = set(past.doubts) - set(record.ever_declared or {})
        wrong += [f"after {event.__name__}: {missing} may be set"] * bool(missing)
        wrong += ["a token is forgotten"] * (not past.tokens <= record.pending_tokens)
        wrong += ["attempts"] * any(
            not times <= record.attempts(one) <= past.ever[one] for one, times in past.attempts.items()
        )
        wrong += ["unbounded"] * (len(record.log.operations) > MOST)
        wrong += ["read otherwise"] * (read_record(item_of(record)) != record)
    tried("R2", "orders of events that a record keeps in mind", 1, wrong)
    assert wrong == []


def test_an_answer_does_not_end_the_doubt_of_the_same_call_before():
    """The same update was lost, then taken, and another document is in force: the lost one may arrive yet."""
    past = Past()
    for event, declared in ((accepted, OTHER), (lost, ONE), (accepted, ONE), (accepted, OTHER), (settled, OTHER)):
        event(past, declared, "one")
    assert set(past.record.ever_declared or {}) == {*ONE, *OTHER}


def test_an_update_that_another_followed_may_be_in_force():
    """Should the later one fail, the service may show members of the one before, until it is at rest as declared."""
    past = Past()
    for event, declared in ((accepted, {}), (accepted, ONE), (accepted, OTHER)):
        event(past, declared, "one")
    assert set(past.record.ever_declared or {}) == {*ONE, *OTHER}
    settled(past, OTHER, "one")
    assert set(past.record.ever_declared or {}) == {*OTHER}


def test_lost_calls_are_folded_and_none_is_forgotten():
    """Of nine creations without an answer each declaration and each token is kept."""
    past = Past()
    for number in range(9):
        intent = Operation.intended(
            Verb.CREATE, past.now, {f"member-{number}": number}, tokens=(f"token-{number}",),
            secret_versions={"key": str(number)},
        )  # fmt: skip
        past.record = past.record.begin(intent, Declaration({}))
    assert set(past.record.ever_declared or {}) == {f"member-{number}" for number in range(9)}
    assert past.record.pending_tokens == {f"token-{number}" for number in range(9)}
    assert len(past.record.unacknowledged) == 5
    folded = past.record.unacknowledged[0]
    assert folded.secret_versions["key"] not in map(str, range(9)), "two versions are not one of them"


def test_a_declaration_is_stored_once():
    """However many operations carry it."""
    past, declared = Past(), {"a": 1}
    for event in (accepted, settled, accepted):
        event(past, declared, "one")
    item = item_of(past.record)
    assert len([op for op in item["operations"] if "declared" in op]) >= 2
    assert list(item["declarations"].values()) == [declared]


def test_what_made_an_object_is_known_through_later_updates():
    """Also after it settled under other declarations: a rollback goes by the generation that made it."""
    past = Past()
    for generation, (scope, declared) in enumerate((("one", ONE), ("two", OTHER), ("three", ONE)), 1):
        past.generation = generation
        accepted(past, declared, scope)
        settled(past, declared, scope)
    assert past.record.created_generation(ours=True) == 1
    assert past.record.created_generation(ours=False) == 0
    assert past.record.created_at == past.now


@pytest.mark.parametrize("state", OpState)
def test_no_other_transition_is_made(state):
    """The lifecycle of an operation is the table."""
    operation = Operation(Verb.UPDATE, state)
    for after in OpState:
        if after in TRANSITIONS[state]:
            assert operation.become(after).state is after
        else:
            with pytest.raises(AssertionError, match="cannot become"):
                operation.become(after)


def test_an_object_is_found_for_a_creation_only():
    """An unanswered update names no object."""
    past = Past()
    empty = past.record.log
    assert empty.identify("id-1") is empty
    past.begin(Verb.UPDATE, {"a": 1}, "one")
    assert past.record.log.identify("id-1") is past.record.log
    created = Past()
    created.begin(Verb.CREATE, {"a": 1}, "one")
    assert created.record.log.identify("id-1").operations[-1].object_id == "id-1"
