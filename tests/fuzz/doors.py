"""Every door as far as an event comes before anything is called: taken, or refused with one of the known refusals."""

import gc
import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from handlers import eventbridge, sqs, step_functions
from handlers.cli_files import read_request_file, read_source
from handlers.messages import read_message
from infra.documents import Unreadable, parse
from workflows.document.parameters import fill
from workflows.document.problems import MOST_PROBLEMS, Invalid
from workflows.document.reading import read_stack
from workflows.requests.request import NotARequest, Request, read_request

#: What a door may raise: each says why.
REFUSALS = (Invalid, NotARequest, Unreadable, eventbridge.Unsettled)
#: Bytes that a refusal may have, written as JSON.
_LONGEST_ANSWER = 200_000


class Invocation:
    """A Lambda context."""

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def stack_of(request: Any) -> None:
    if isinstance(request, Request) and request.document is not None:
        read_stack(request.document)


def queue(text: str) -> None:
    record = {"messageId": "m", "body": text, "attributes": {"SenderId": "AIDA"}, "eventSourceARN": "arn:aws:sqs:x"}
    found = read_message(record).request
    if isinstance(found, Invalid):
        raise found
    stack_of(found)


def batch(record: Any) -> None:
    # Beside a message, so that a record that is none is one of a batch; alone it is an event of an unknown form.
    answer = sqs.handler({"Records": [record, {"messageId": "beside", "body": "{"}]}, Invocation())
    assert set(answer) == {"batchItemFailures"}


def bus(event: Any) -> None:
    eventbridge.handler(event, Invocation())


def task(event: Any) -> None:
    step_functions.handler(event, Invocation())


def document(text: str) -> None:
    value = parse(text)
    if isinstance(value, dict):
        read_stack(fill(value, {"x": "payments", "y": [1, {"a": "b"}]}))


def file(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    read_stack(read_source(path, {"x": 1}).document)
    stack_of(read_request(*read_request_file(path), default_id="r"))


def tell(refused: Exception) -> int:
    """Return the length of what a submitter is told."""
    problems = refused.problems if isinstance(refused, Invalid) else []
    assert len(problems) <= MOST_PROBLEMS
    return len(json.dumps([problem.shown() for problem in problems])) + len(str(refused))


class Tally:
    """What came of many events: how many were refused, and every other exception or excess."""

    def __init__(self, most_seconds: float) -> None:
        self.wrong: list[str] = []
        self.refused = self.cases = 0
        self.seconds = self.slowest = 0.0
        self._most = most_seconds

    def give(self, door: Callable[[Any], None], events: Iterable[Any]) -> None:
        for event in events:
            self.cases += 1
            took = self._once(door, event)
            # What is dear is dear again; a collection of garbage, or a busy machine, is not.
            for _ in range(3):
                took = min(took, _seconds(door, event)) if took > self._most else took
            self.seconds += took
            self.slowest = max(self.slowest, took)
            if took > self._most:
                self.wrong.append(f"event {self.cases}: {took:.2f} s of CPU: {ascii(event)[:300]}")

    def _once(self, door: Callable[[Any], None], event: Any) -> float:
        """Give one event, and return its seconds of CPU."""
        began = time.process_time()
        try:
            door(event)
        except REFUSALS as refused:
            self.refused += 1
            if tell(refused) > _LONGEST_ANSWER:
                self.wrong.append(f"event {self.cases}: the answer is long")
        except Exception as error:  # noqa: BLE001 - whatever else comes out is what is looked for
            self.wrong.append(f"event {self.cases}: {type(error).__name__}: {ascii(error)[:99]}: {ascii(event)[:300]}")
        return time.process_time() - began


def _seconds(door: Callable[[Any], None], event: Any) -> float:
    """Return the seconds of CPU that an event takes once more."""
    gc.collect()
    began = time.process_time()
    with suppress(Exception):
        door(event)
    return time.process_time() - began
