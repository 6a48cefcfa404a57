"""A local cloud for tests: a SAM template's resources in moto, its functions under AWS's runtime interface emulator.

The wiring is read from the translated template: rules, targets, event source mappings, retries, destinations and
state machines. Not faithful: permissions are not checked, schedules fire only when a test says so, and one process
has one cloud at a time (moto's state is the process's).
"""

import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from moto.moto_api._internal.models import moto_api_backend
from moto.sqs.models import sqs_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from tests.localcloud import patches
from tests.localcloud.emulator import Answer, EmulatorPool
from tests.localcloud.invocations import Invocations, UnknownFunctionError, functions
from tests.localcloud.mappings import Mapping
from tests.localcloud.patches import CLOUD_KEY, REGION
from tests.localcloud.resolve import ACCOUNT
from tests.localcloud.routing import Router
from tests.localcloud.server import Request, Server
from tests.localcloud.stack import Stack
from tests.localcloud.translate import Translated

_POLL_SECONDS = 0.02
_TEST_KEY = "AKIATEST"
_NAME = "local"


class Event(NamedTuple):
    """An event that was put on a bus."""

    source: str
    detail_type: str
    detail: dict[str, Any]
    bus: str
    id: str


class Execution(NamedTuple):
    """An execution of a state machine."""

    name: str
    arn: str
    status: str
    input: Any
    output: Any
    error: str | None
    cause: str | None


class Cloud:
    """Runs one translated template. Scales shorten what AWS would wait: 0.01 makes a minute 0.6 seconds.

    `endpoints` gives functions other addresses than moto's, by the name after AWS_ENDPOINT_URL_ in the environment.
    """

    def __init__(
        self,
        translated: Translated,
        *,
        endpoints: dict[str, str] | None = None,
        environments: int = 10,
        retry_scale: float = 0.01,
        visibility_scale: float = 0.01,
        wait_scale: float = 1.0,
        cache: Path | None = None,
        level: str = "error",
    ) -> None:
        self.wait_scale, self.url = wait_scale, ""
        self._translated, self._endpoints, self._environments = translated, endpoints or {}, environments
        self._retry_scale, self._visibility_scale, self._cache = retry_scale, visibility_scale, cache
        self._level = level
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock, self._events = threading.Lock(), list[Event]()

    def __enter__(self) -> Self:
        with ExitStack() as started:
            self._start(started)
            self._started = started.pop_all()
        return self

    def _start(self, started: ExitStack) -> None:
        patches.claim(self)
        started.callback(patches.release)
        folder = Path(tempfile.mkdtemp(prefix="cloud-"))
        started.callback(shutil.rmtree, folder, ignore_errors=True)
        moto_api_backend.reset()
        started.callback(moto_api_backend.reset)
        self._server = Server(self._answer)
        started.callback(self._server.close)
        self.url = self._server.url
        os.environ["MOTO_PORT"] = str(self._server.port)
        patches.install()
        self._stack = Stack(self._translated, _NAME, REGION, self.url, self._own_client)
        self._stack.deploy()
        self._start_functions(folder, started)

    def _start_functions(self, folder: Path, started: ExitStack) -> None:
        variables = {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": self.url}
        variables |= {f"AWS_ENDPOINT_URL_{name}": url for name, url in self._endpoints.items()}
        self.pool = EmulatorPool(folder, variables, self._environments, self._cache, self._level)
        for function in functions(self._stack, self._translated):
            self.pool.add(function)
        self._invocations = Invocations(self._stack, self.pool, self._own_client, self._retry_scale)
        self._router = Router(self._own_client, self._invocations)
        started.callback(self._router.close)
        for one in self._stack.of_type("AWS::Lambda::EventSourceMapping").values():
            mapping = Mapping(one, REGION, self._invocations, self._visibility_scale)
            started.callback(mapping.stop)
        # Ended first: what waits for an answer gets one, and nothing is retried.
        started.callback(self.pool.close)
        started.callback(self._stop_executions)
        started.callback(self._invocations.stop)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End every process and thread that the cloud started, and forget moto's state."""
        self._started.close()

    def _stop_executions(self) -> None:
        for execution in self._running():
            execution.stop(datetime.now(UTC), "Cloud.Closed", "")

    def _running(self) -> list[Any]:
        machines = stepfunctions_parser_backends[ACCOUNT][REGION].state_machines
        return [one for machine in machines for one in machine.executions if one.status == "RUNNING"]

    # What the patches of moto call.

    def saw(self, entry: dict[str, Any], event_id: str) -> None:
        """Remember an event that a bus accepted."""
        bus = str(entry.get("EventBusName") or "default").rpartition("/")[2]
        event = Event(entry["Source"], entry["DetailType"], json.loads(entry["Detail"]), bus, event_id)
        with self._lock:
            self._events.append(event)

    def deliver(self, target: dict[str, Any], event: dict[str, Any]) -> None:
        """Send an event to the target of a rule that matched it."""
        self._router.deliver(target, event)

    # What the server calls.

    def _answer(self, name: str, kind: str, payload: bytes) -> Answer:
        try:
            return self.invoke(name, payload, kind)
        except UnknownFunctionError as unknown:
            body = json.dumps({"Type": "User", "message": f"Function not found: {unknown}"}).encode()
            return Answer(
                404, {"Content-Type": "application/json", "X-Amzn-ErrorType": "ResourceNotFoundException"}, body
            )

    # What tests call.

    def invoke(self, function: str, payload: Any = None, kind: str = "RequestResponse") -> Answer:
        """Invoke a function by its logical id, name or ARN as the Lambda API does; `kind` is the InvocationType."""
        raw = payload if isinstance(payload, bytes) else json.dumps(payload or {}).encode()
        name = self.resource(function) if function in self._translated.artifacts else function
        if kind == "Event":
            self._invocations.send(name, raw)
            return Answer(202, {}, b"")
        return self._invocations.invoke(name, raw)

    def client(self, service: str, key: str = _TEST_KEY) -> Any:
        """A boto3 client; it is shared, and its requests are recorded under `key`."""
        with self._lock:
            if (service, key) not in self._clients:
                self._clients[service, key] = patches.make_client(self.url, service, key)
            return self._clients[service, key]

    def _own_client(self, service: str) -> Any:
        return self.client(service, CLOUD_KEY)

    def put_event(self, source: str, detail_type: str, detail: dict[str, Any], bus: str) -> str:
        """Put an event on the bus of a logical id; the event's id."""
        entry = {"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail)}
        answer = self.client("events").put_events(Entries=[{**entry, "EventBusName": self.resource(bus)}])
        return str(answer["Entries"][0]["EventId"])

    def events_seen(self) -> list[Event]:
        """The events that were put on custom buses, in order."""
        with self._lock:
            return [event for event in self._events if event.bus != "default"]

    def undelivered(self) -> list[tuple[str, Exception]]:
        """The targets' ARNs that an event could not be delivered to and that have no dead-letter queue, and why."""
        return list(self._router.errors)

    def requests(self, who: str) -> list[Request]:
        """The AWS requests that arrived from one function (by logical id) or access key id, in order."""
        return self._server.record.of(who)

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs."""
        return self._stack.outputs()

    def resource(self, logical_id: str) -> str:
        """What Ref gives: a queue's URL, a bus's name, a state machine's ARN."""
        return self._stack.resource(logical_id).physical_id

    def arn(self, logical_id: str) -> str:
        """What GetAtt Arn gives."""
        return self._stack.resource(logical_id).arn

    def executions(self, logical_id: str) -> list[Execution]:
        """A state machine's executions, in the order in which they were started."""
        machine = stepfunctions_parser_backends[ACCOUNT][REGION].describe_state_machine(self.resource(logical_id))
        executions: list[Any] = list(machine.executions)  # those of the interpreter, which moto types as its plain ones
        return [_described(one.to_describe_output()) for one in executions]

    def messages(self, logical_id: str) -> list[dict[str, Any]]:
        """Every message in a queue, in flight or not; looking at them changes nothing."""
        name = self.arn(logical_id).rpartition(":")[2]
        held = list(sqs_backends[ACCOUNT][REGION].get_queue(name)._messages)
        return [{"Id": one.id, "Body": one.body, "MessageAttributes": one.message_attributes} for one in held]

    def fire(self, logical_id: str) -> None:
        """Send a schedule's (AWS::Scheduler::Schedule or AWS::Events::Rule) input to its target, now."""
        properties = self._stack.resource(logical_id).properties
        targets = properties.get("Targets") or [properties["Target"]]
        event: dict[str, Any] = {
            "version": "0",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": ACCOUNT,
        }
        event |= {"region": REGION, "resources": [self.arn(logical_id)], "detail": {}}
        for target in targets:
            self.deliver(target, event)

    def logs(self, function: str) -> str:
        """What a function's environments wrote to standard output and standard error."""
        return self.pool.logs(function)

    def kill(self, function: str) -> int:
        """End a function's environments as a crash would; how many there were."""
        return self.pool.kill(function)

    def wait_until(self, predicate: Callable[[], Any], seconds: float = 10.0) -> Any:
        """What the predicate gives as soon as it is true; TimeoutError when it does not become true."""
        deadline = time.monotonic() + seconds
        while not (found := predicate()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not true within {seconds} seconds")
            time.sleep(_POLL_SECONDS)
        return found


def _described(output: dict[str, Any]) -> Execution:
    result = json.loads(output["output"]) if output.get("output") else None
    return Execution(
        output["name"],
        output["executionArn"],
        str(getattr(output["status"], "value", output["status"])),
        json.loads(output["input"]),
        result,
        output.get("error"),
        output.get("cause"),
    )
