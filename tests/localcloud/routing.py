"""What a rule or a schedule sends to its target, and the sending.

Not faithful: a target is tried once (then its dead-letter queue gets the event); targets are queues, functions and
state machines only; events are delivered one after the other in the order in which they were put.
"""

import json
import queue
import re
import threading
from typing import Any

from jsonpath_ng.parser import parse

from tests.localcloud.invocations import Invocations, put
from tests.localcloud.stack import Clients

_PLACEHOLDER = re.compile(r"<([^<>\s]+)>")


class Router:
    """Delivers matched events to targets from a thread of its own, as the bus does."""

    def __init__(self, clients: Clients, invocations: Invocations) -> None:
        self._clients, self._invocations = clients, invocations
        self.errors: list[tuple[str, Exception]] = []
        self._waiting: queue.Queue[tuple[dict[str, Any], str] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def deliver(self, target: dict[str, Any], event: dict[str, Any]) -> None:
        """Take an event for delivery and return at once."""
        self._waiting.put((target, shaped(target, event)))

    def close(self) -> None:
        """Deliver what was taken, and end."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None:
            target, text = item
            try:
                self._send(target, text)
            except Exception as error:
                self._bury(target, text, error)

    def _send(self, target: dict[str, Any], text: str) -> None:
        arn = target["Arn"]
        if ":sqs:" in arn:
            put(self._clients, arn, text)
        elif ":lambda:" in arn:
            self._invocations.send(arn, text.encode())
        elif ":states:" in arn:
            self._clients("stepfunctions").start_execution(stateMachineArn=arn, input=text)
        else:
            raise NotImplementedError(f"a target that is no queue, function or state machine: {arn}")

    def _bury(self, target: dict[str, Any], text: str, error: Exception) -> None:
        letters = (target.get("DeadLetterConfig") or {}).get("Arn")
        if letters is None:
            self.errors.append((target["Arn"], error))
            return
        values = {"ERROR_CODE": type(error).__name__, "ERROR_MESSAGE": str(error), "TARGET_ARN": target["Arn"]}
        attributes = {name: {"DataType": "String", "StringValue": value} for name, value in values.items()}
        put(self._clients, letters, text, attributes)


def shaped(target: dict[str, Any], event: dict[str, Any]) -> str:
    """The text that a target gets for an event: constant, a part, a template, or the event itself."""
    if target.get("Input") is not None:
        return str(target["Input"])
    if target.get("InputPath"):
        return json.dumps(_at(target["InputPath"], event))
    if target.get("InputTransformer"):
        return _transformed(target["InputTransformer"], event)
    return json.dumps(event)


def _at(path: str, event: dict[str, Any]) -> Any:
    found = parse(re.sub(r"(?<=\.)([\w]*-[\w-]*)", r"'\1'", path)).find(event)
    return found[0].value if found else None


def _transformed(transformer: dict[str, Any], event: dict[str, Any]) -> str:
    values = {name: _at(path, event) for name, path in transformer.get("InputPathsMap", {}).items()}
    values |= {"aws.events.event.json": event, "aws.events.event": event}
    template = transformer["InputTemplate"]

    def replaced(match: re.Match[str]) -> str:
        value = values.get(match[1])
        quoted = len(re.findall(r'(?<!\\)"', template[: match.start()])) % 2 == 1
        if quoted:
            text = value if isinstance(value, str) else json.dumps(value)
            return json.dumps(text)[1:-1]
        return json.dumps(value)

    return _PLACEHOLDER.sub(replaced, template)
