"""R20: a hundred thousand changed events, through every door: each is taken or refused, in little time."""

import json
import random
from functools import partial
from typing import Any

import pytest

from tests.fuzz import doors
from tests.fuzz.doors import Tally
from tests.fuzz.mutations import EVENTS, as_json, as_yaml, events, garbled, misshapen, samples
from tests.goals import tried
from tests.slices import several

pytestmark = pytest.mark.sweep

#: CPU seconds that one small event may take, and that all take on average.
_ONE, _MEAN = 1.0, 0.05
_SHARES = 5


def judge(what: str, tally: Tally) -> None:
    slow = [] if tally.seconds / tally.cases < _MEAN else [f"{tally.seconds} s of CPU for {tally.cases} events"]
    tried("R20", what, tally.cases, [*tally.wrong, *slow])
    assert tally.wrong == []
    assert slow == []
    assert tally.refused > 0


def _bodies(random_: random.Random, event: Any) -> str:
    """A whole event, or its detail with its type, garbled: nearly always no JSON."""
    detail = event["detail"]
    shape = event if random_.random() < 0.5 else {"detailType": event["detail-type"], **detail}
    return garbled(random_, json.dumps(shape).encode()).decode("utf-8", "replace")


def _detail(random_: random.Random, event: Any) -> str:
    return as_json(misshapen(random_, {"detailType": event["detail-type"], **event["detail"]}))


@pytest.mark.parametrize("share", range(_SHARES))
def test_r20_garbled_bodies_of_messages(share):
    tally = Tally(_ONE)
    tally.give(doors.queue, events(share, several(10_000, 20), _bodies))
    judge("garbled bodies of messages", tally)


@pytest.mark.parametrize("share", range(_SHARES))
def test_r20_misshapen_bodies_of_messages(share):
    tally = Tally(_ONE)
    tally.give(doors.queue, events(100 + share, several(2_000, 20), _detail))
    judge("misshapen bodies of messages", tally)


def _record(random_: random.Random, event: Any) -> Any:
    record = {
        "messageId": "m",
        "body": as_json(event),
        "attributes": {"SenderId": "AIDA", "ApproximateReceiveCount": "1", "MessageGroupId": "g"},
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:requests.fifo",
    }
    return misshapen(random_, record)


def test_r20_misshapen_messages(paused):
    tally = Tally(_ONE)
    tally.give(doors.batch, events(200, several(4_000, 20), _record))
    tried("R20", "misshapen messages of a queue", tally.cases, tally.wrong)
    assert tally.wrong == []


@pytest.mark.parametrize("share", range(_SHARES))
def test_r20_misshapen_events_of_the_bus(paused, share):
    tally = Tally(_ONE)
    tally.give(doors.bus, events(300 + share, several(2_000, 20), misshapen))
    judge("misshapen events of the bus", tally)


def _task(random_: random.Random, event: Any) -> Any:
    named = {"stack": "payments", "generation": 1, "requestId": "r", "stage": "gateways", "synchronize": False}
    asked = {"detailType": event["detail-type"], "detail": event["detail"], "requestId": "r", "stage": ""}
    return misshapen(random_, named if random_.random() < 0.2 else asked)


@pytest.mark.parametrize("share", range(_SHARES))
def test_r20_misshapen_tasks_of_state_machines(paused, share):
    tally = Tally(_ONE)
    tally.give(doors.task, events(400 + share, several(2_000, 20), _task))
    judge("misshapen tasks of state machines", tally)


def _stack(random_: random.Random, event: Any) -> Any:
    found = event["detail"].get("stack")
    return found if isinstance(found, dict) else {"stack": random_.choice(["a", "b"])}


def _garbled_yaml(random_: random.Random, event: Any) -> str:
    return garbled(random_, as_yaml(_stack(random_, event)).encode()).decode("utf-8", "replace")


@pytest.mark.parametrize("share", range(_SHARES))
def test_r20_garbled_documents(share):
    tally = Tally(_ONE)
    tally.give(doors.document, events(500 + share, several(2_000, 20), _garbled_yaml))
    judge("garbled documents, as stackUri names them", tally)


def _misshapen_text(random_: random.Random, event: Any) -> str:
    return as_json(misshapen(random_, _stack(random_, event)))


@pytest.mark.parametrize("share", range(_SHARES))
def test_r20_misshapen_documents(share):
    tally = Tally(_ONE)
    tally.give(doors.document, events(600 + share, several(1_000, 20), _misshapen_text))
    judge("misshapen documents, as stackUri names them", tally)


def test_r20_garbled_files_of_the_terminal(tmp_path):
    raw = [path.read_bytes() for path in sorted(EVENTS.iterdir()) if path.stat().st_size < 6_000]
    raw += [as_yaml(_stack(random.Random(0), event)).encode() for event in samples()]
    random_ = random.Random(700)
    tally = Tally(_ONE)
    tally.give(
        partial(doors.file, tmp_path / "file"),
        (garbled(random_, random_.choice(raw)) for _ in range(several(1_500, 20))),
    )
    judge("garbled files of the terminal", tally)
