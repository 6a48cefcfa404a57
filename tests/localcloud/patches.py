"""What moto lacks, patched into it: the targets of rules, JSONata, execution names, scaled waiting.

The patches are per process and lead to one host at a time, the cloud that was started last.
"""

import functools
import importlib
import sys
import threading
import time
import uuid
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Protocol

import boto3
from botocore.config import Config
from moto.core.config import default_user_config
from moto.events.models import EventsBackend, Rule
from moto.sqs.models import Queue, SQSBackend
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
    StateTaskServiceAwsSdk,
)
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

from tests.localcloud import distributed, query
from tests.localcloud.members import replace

REGION = "us-east-1"
# Requests that are signed with this key are the cloud's own and are not recorded.
CLOUD_KEY = "AKIACLOUD"
_STATES_KEY = "AKIASTATES"
_ASL = "moto.stepfunctions.parser.asl.component"
_SLICE_SECONDS = 0.1
_LOOK_SECONDS = 0.02


class Host(Protocol):
    """What the patches need from the cloud that is running."""

    url: str
    wait_scale: float

    def saw(self, entry: dict[str, Any], event_id: str) -> None:
        """An event was accepted by a bus."""

    def deliver(self, target: dict[str, Any], event: dict[str, Any]) -> None:
        """A rule matched an event."""


_state: dict[str, Any] = {"host": None, "open": False}
_stock = SimpleNamespace(
    put_events=EventsBackend.put_events,
    start_execution=StepFunctionsParserBackend.start_execution,
    receive_message=SQSBackend.receive_message,
    add_message=Queue.add_message,
    delete_message=Queue.delete_message,
)
_starting = threading.RLock()
_queues = threading.RLock()


def claim(host: Host) -> None:
    """Make `host` the cloud that rules, waits and clients lead to; moto's state exists once in a process."""
    if _state["open"]:
        raise RuntimeError("another local cloud is open in this process")
    _state.update(host=host, open=True)


def release() -> None:
    """Let another cloud be opened; threads of this one that are about to end still find it."""
    _state["open"] = False


def install() -> None:
    """Patch moto; doing it twice is the same as doing it once."""
    _client.cache_clear()
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    query.install()
    distributed.install()
    replace(Rule, send_to_targets=_send_to_targets)
    replace(EventsBackend, put_events=_put_events)
    replace(StepFunctionsParserBackend, start_execution=_start_execution)
    replace(StateTaskServiceAwsSdk, _normalise_parameters=_only_for_sfn(_lower_first_letters))
    replace(StateTaskServiceAwsSdk, _normalise_response=_only_for_sfn(_upper_first_letters))
    replace(SQSBackend, receive_message=_receive_message)
    replace(Queue, add_message=_locked(_stock.add_message), delete_message=_locked(_stock.delete_message))
    _patch_waiting()
    for name, module in list(sys.modules.items()):
        if name.startswith("moto.stepfunctions") and hasattr(module, "boto_client_for"):
            replace(module, boto_client_for=_client_for)


def _locked(method: Any) -> Any:
    """The method under the queues' lock: moto's deletion would lose a message that is sent meanwhile."""

    @functools.wraps(method)
    def under_lock(*args: Any, **named: Any) -> Any:
        with _queues:
            return method(*args, **named)

    return under_lock


def _receive_message(
    backend: SQSBackend, name: str, count: int, wait: float, visibility: int, names: list[str] | None = None
) -> list[Any]:
    """Receive, holding the lock for a look at a time, not for the whole wait."""
    end = time.monotonic() + int(wait or 0)
    while True:
        with _queues:
            found: list[Any] = _stock.receive_message(backend, name, count, 0, visibility, names)
        if found or time.monotonic() >= end:
            return found
        time.sleep(_LOOK_SECONDS)


def _put_events(backend: EventsBackend, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = _stock.put_events(backend, events)
    for entry, result in zip(events, results, strict=True):
        if "EventId" in result:
            _state["host"].saw(entry, result["EventId"])
    return results


def _send_to_targets(rule: Rule, original_event: Any, **_named: Any) -> None:
    """Hand a matching event to the host, once per target; moto knows few targets and drops `account`."""
    if rule.state == "DISABLED" or not rule.event_pattern.matches_event(original_event):
        return
    event = {name: value for name, value in original_event.items() if name != "ingestion-time"}
    event["time"] = _timestamp(event["time"])
    for target in rule.targets:
        _state["host"].deliver(target, event)


def _timestamp(value: Any) -> str:
    if isinstance(value, str) and not value.replace(".", "").isdigit():
        return value
    return datetime.fromtimestamp(float(value), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _start_execution(backend: StepFunctionsParserBackend, arn: str, name: Any = None, *rest: Any, **named: Any) -> Any:
    """Start under a lock, so that of two starts with one name one is the second; unnamed ones get a name."""
    with _starting:
        return _stock.start_execution(backend, arn, name or str(uuid.uuid4()), *rest, **named)


def _lower_first_letters(_task: Any, parameters: dict[str, Any], *_rest: Any, **_named: Any) -> None:
    """Parameters as boto names them; moto passes them on as a definition writes them."""
    for name in list(parameters):
        parameters[name[0].lower() + name[1:]] = parameters.pop(name)


def _upper_first_letters(_task: Any, response: dict[str, Any], *_rest: Any, **_named: Any) -> None:
    """An answer of Step Functions as a state gets it: names in capitals, times in milliseconds."""
    for name in list(response):
        value = response.pop(name)
        if isinstance(value, dict):
            _upper_first_letters(None, value)
        response[name[0].upper() + name[1:]] = int(value.timestamp() * 1000) if isinstance(value, datetime) else value


def _only_for_sfn(method: Any) -> Any:
    """A method of an aws-sdk task that works for Step Functions; moto does nothing there for any service."""

    def chosen(task: Any, *rest: Any, **named: Any) -> None:
        if task.resource.api_name == "sfn":
            method(task, *rest, **named)

    return chosen


def _client_for(region: str, service: str, state_credentials: Any = None) -> Any:
    """The interpreter's clients: stock it makes one per task, on a session that threads must not share."""
    with _starting:
        return _client(service)


@functools.cache
def _client(service: str) -> Any:
    return make_client(_state["host"].url, service, _STATES_KEY, parameter_validation=False)


def make_client(url: str, service: str, key: str, **settings: Any) -> Any:
    """A boto3 client that speaks to the local cloud, once, with the access key id `key`."""
    session: Any = boto3.Session(aws_access_key_id=key, aws_secret_access_key="local", region_name=REGION)
    config = Config(
        retries={"total_max_attempts": 1},
        read_timeout=1000,
        max_pool_connections=50,
        s3={"addressing_style": "path"},
        inject_host_prefix=False,
        **settings,
    )
    return session.client(service, endpoint_url=url, config=config)


def _patch_waiting() -> None:
    """Wait states and retry intervals take `wait_scale` of their time."""
    waiting = importlib.import_module(f"{_ASL}.state.wait.wait_function.wait_function")
    replace(waiting.WaitFunction, _wait_interval=_wait)
    retrier = importlib.import_module(f"{_ASL}.common.retry.retrier_decl")
    replace(retrier, time=SimpleNamespace(sleep=lambda seconds: time.sleep(seconds * _state["host"].wait_scale)))


def _wait(_function: Any, env: Any, wait_seconds: float) -> None:
    """Wait, in slices, for as long as the execution runs."""
    end = time.monotonic() + wait_seconds * _state["host"].wait_scale
    while env.is_running() and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _SLICE_SECONDS))
