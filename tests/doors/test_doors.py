"""The Lambda handlers: one event loop and one set of clients per execution environment, over real sockets."""

import json
import re
import time
from collections.abc import Iterator

import pytest

from handlers import environment, eventbridge, sqs, step_functions
from handlers.environment import Environment
from infra.sandbox.behaviour import Durations
from infra.sandbox.faults import Effect, Fault
from infra.sandbox.server import SandboxServer
from infra.settings import SettingsError, read_settings
from tests.documents import gateway, mcp_target
from tests.servers import serving
from tests.worlds import OUTPUTS
from workflows.requests.request import NotARequest

pytestmark = pytest.mark.real_time

FAST = {"provider": 0.05, "gateway": 0.1, "target": 0.05, "synchronize": 0.05, "delete": 0.05}


class LambdaContext:
    aws_request_id = "invocation-1"

    def __init__(self, seconds: float = 300.0) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with serving(Durations(**FAST)) as made:
        yield made


@pytest.fixture
def patience() -> float:
    """Seconds that the doors wait for the service; a test that tests being left waiting sets nearly none."""
    return 5.0


@pytest.fixture
def deployed(server, monkeypatch, tmp_path, patience) -> Iterator[Environment]:
    """The handlers' environment, with a ledger file and a bus, as a deployment would set it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    settings = {
        "GATEWRIGHT_LEDGER": f"sqlite:{tmp_path}/ledger",
        "GATEWRIGHT_BUS_NAME": "bus",
        "GATEWRIGHT_PATIENCE_SECONDS": str(patience),
    }
    made = Environment(read_settings(settings))
    environment.use(made)
    yield made
    environment.use(None)
    made.close()
    OUTPUTS.extend([(tmp_path / "ledger").read_bytes().decode("latin-1"), str(server.plane.events)])


def event(name: str = "team", detail_type: str = "Gateway Stack Requested", **detail) -> dict:
    document = {"stack": name, "gateways": {name: gateway({"tools": mcp_target()})}}
    return {
        "id": f"event-{name}",
        "detail-type": detail_type,
        "source": "com.example",
        "account": "123456789012",
        "detail": {"stack": document, **detail},
    }


def test_an_event_becomes_a_stack_and_an_announcement(deployed, server):
    outcome = eventbridge.handler(event(), LambdaContext())
    assert outcome["status"] == "READY"
    assert outcome["requestId"] == "event-team"
    accepted, ready = server.plane.events
    assert (accepted["Source"], accepted["DetailType"]) == ("gatewright", "Gateway Stack Accepted")
    assert (ready["Source"], ready["DetailType"]) == ("gatewright", "Gateway Stack Ready")
    assert json.loads(ready["Detail"]) == outcome


def test_a_removal_names_the_stack(deployed, server):
    eventbridge.handler(event(), LambdaContext())
    removal = {"id": "r", "detail-type": "Gateway Stack Removal Requested", "detail": {"stack": "team"}}
    assert eventbridge.handler(removal, LambdaContext())["status"] == "DELETED"
    assert list(server.plane.world.records.live("gateway")) == []


def test_a_synchronization_names_the_stack(deployed, server):
    eventbridge.handler(event(), LambdaContext())
    request = {"id": "s", "detail-type": "Gateway Stack Synchronization Requested", "detail": {"stack": "team"}}
    assert eventbridge.handler(request, LambdaContext())["status"] == "READY"
    eventbridge.handler(request, LambdaContext())
    assert server.plane.journal.count()["SynchronizeGatewayTargets"] == 1


def test_a_synchronization_of_an_unknown_stack_is_rejected(deployed):
    request = {"id": "s", "detail-type": "Gateway Stack Synchronization Requested", "detail": {"stack": "nobody"}}
    outcome = eventbridge.handler(request, LambdaContext())
    assert outcome["status"] == "REJECTED"
    assert outcome["problems"][0]["rule"] == "unknown-stack"


def test_what_is_not_settled_is_delivered_again(deployed, server):
    """A function without the time for a call begins none, and has the event delivered once more."""
    with pytest.raises(eventbridge.Unsettled):
        eventbridge.handler(event(), LambdaContext(seconds=22.0))
    assert server.plane.journal.mutating() == []
    assert eventbridge.handler(event(), LambdaContext())["status"] == "READY"


@pytest.mark.parametrize("patience", [0.1])
def test_a_door_that_hands_nothing_over_waits_itself(deployed, server):
    """Without a state machine nobody would come back soon, so that patience leaves nothing to the next delivery."""
    server.plane.behaviour.durations.gateway = 3.0
    assert eventbridge.handler(event(), LambdaContext())["status"] == "READY"
    record = {"messageId": "m", "body": json.dumps(event("other")), "attributes": {}}
    assert sqs.handler({"Records": [record]}, LambdaContext()) == {"batchItemFailures": []}


def test_an_unknown_detail_type_is_an_error(deployed):
    with pytest.raises(NotARequest):
        eventbridge.handler(event(detail_type="Order Placed"), LambdaContext())


def test_a_wrong_detail_is_rejected_not_raised(deployed):
    outcome = eventbridge.handler(event(generation="seven", extra=1), LambdaContext())
    assert outcome["status"] == "REJECTED"
    assert {problem["path"] for problem in outcome["problems"]} == {"generation", "extra"}


@pytest.mark.parametrize("patience", [0.1])
def test_step_functions_get_unfinished_outcomes_back(deployed, server):
    """The same input again goes on where the last run ended, until it is READY; nothing is sent twice."""
    task = {"detailType": "Gateway Stack Requested", "detail": event()["detail"], "requestId": "execution-1"}
    outcome = step_functions.handler(task, LambdaContext())
    assert (outcome["status"], outcome["requestId"]) == ("IN_PROGRESS", "execution-1")
    assert outcome["retryAfterSeconds"] >= 1
    tries = 0
    while outcome["status"] == "IN_PROGRESS" and tries < 200:
        time.sleep(0.2)
        outcome = step_functions.handler(task, LambdaContext())
        tries += 1
    assert outcome["status"] == "READY"
    assert server.plane.journal.mutating() == ["CreateGateway", "CreateGatewayTarget"]


def test_step_functions_may_name_an_accepted_request(deployed, server):
    """A state machine carries the name of a request, and the document comes from the ledger."""
    accepted = eventbridge.handler(event(), LambdaContext())
    task = {"stack": "team", "generation": accepted["generation"], "requestId": "execution-1"}
    server.plane.journal.calls.clear()
    assert step_functions.handler(task, LambdaContext())["status"] == "READY"
    assert server.plane.journal.mutating() == []
    assert step_functions.handler({**task, "stack": "nobody"}, LambdaContext())["status"] == "REJECTED"
    with pytest.raises(NotARequest):
        step_functions.handler({"stack": "team"}, LambdaContext())


def test_only_our_own_retry_layer_is_active(deployed, server):
    """What arrives at the server is what our layer counted: the client repeats nothing by itself."""
    server.plane.faults.add(Fault("ListGateways", Effect.ERROR, times=3))
    outcome = eventbridge.handler(event(), LambdaContext())
    assert server.plane.journal.count()["ListGateways"] == outcome["calls"]["ListGateways"] == 4


def test_a_batch_goes_through_one_environment(deployed):
    records = [
        {"messageId": "good", "body": json.dumps(event("good")), "attributes": {}},
        {"messageId": "bad", "body": "{", "attributes": {}},
    ]
    assert sqs.handler({"Records": records}, LambdaContext()) == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    # A second invocation uses the same loop and clients.
    assert sqs.handler({"Records": records[:1]}, LambdaContext()) == {"batchItemFailures": []}


def test_every_run_writes_one_outcome_line_and_one_metric(server, monkeypatch, tmp_path, capfd):
    """A deployed environment writes JSON lines: one outcome a run, and one metric blob that CloudWatch reads."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("GATEWRIGHT_LEDGER", f"sqlite:{tmp_path}/ledger")
    eventbridge.handler(event(), LambdaContext())
    environment.environment().close()
    environment.use(None)
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
    (outcome,) = [line for line in lines if line.get("event") == "outcome"]
    assert (outcome["status"], outcome["stack"], outcome["request"]) == ("READY", "team", "event-team")
    (metric,) = [line for line in lines if "_aws" in line]
    assert (metric["Runs"], metric["status"], metric["stack"]) == ([1.0], "READY", "team")


@pytest.mark.parametrize(
    ("name", "value"),
    [("GATEWRIGHT_LEDGER", "nonsense"), ("GATEWRIGHT_MAX_CONCURRENCY", "0"), ("LOG_LEVEL", "LOUD")],
)
def test_a_malformed_environment_is_one_clear_line(name, value):
    with pytest.raises(SettingsError) as caught:
        read_settings({name: value})
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_task_whose_own_id_is_none_is_no_request(deployed):
    """It would run under another id at every turn, or under none."""
    detail = {**event()["detail"], "requestId": "x\n"}
    with pytest.raises(NotARequest):
        step_functions.handler({"detailType": "Gateway Stack Requested", "detail": detail}, LambdaContext())


def test_a_task_that_is_wrong_is_answered_under_its_own_id(deployed):
    detail = {"requestId": "mine", "stack": {"stack": "x"}, "generation": "seven"}
    outcome = step_functions.handler({"detailType": "Gateway Stack Requested", "detail": detail}, LambdaContext())
    assert (outcome["status"], outcome["requestId"]) == ("REJECTED", "mine")


class Torn:
    """An invocation whose platform cannot say how much time is left."""

    def get_remaining_time_in_millis(self) -> int:
        raise RuntimeError("no time is known")


@pytest.mark.parametrize(
    ("door", "message"),
    [
        (
            eventbridge.handler,
            {"detail-type": "Gateway Stack Requested", "id": "e", "detail": {"stack": {"stack": "s"}}},
        ),
        (step_functions.handler, {"stack": "s", "generation": 1, "requestId": "r"}),
    ],
    ids=["eventbridge", "step functions"],
)
def test_an_error_at_a_door_is_logged_with_its_frames(deployed, logs, door, message):
    """File, line and function of each frame, and no value; then the platform is told."""
    with pytest.raises(RuntimeError):
        door(message, Torn())
    (line,) = [one for one in map(json.loads, logs.getvalue().splitlines()) if one["event"] == "invocation failed"]
    assert line["error"] == "RuntimeError"  # its text may quote a value
    assert re.fullmatch(r"tests/doors/test_doors\.py:\d+ get_remaining_time_in_millis", line["frames"][-1])
    assert any(re.fullmatch(r"[^ ]*handlers/environment\.py:\d+ deadline_of", frame) for frame in line["frames"])


def test_what_asks_to_come_again_is_no_error(deployed, logs):
    with pytest.raises(eventbridge.Unsettled):
        eventbridge.handler(event(), LambdaContext(5.0))
    assert "invocation failed" not in logs.getvalue()


def test_an_error_of_one_message_is_logged_with_its_frames(deployed, logs):
    """The message comes again; its neighbours do not."""
    record = {"messageId": "m", "body": json.dumps({"detailType": "Gateway Stack Requested", "stack": {"stack": "s"}})}
    assert sqs.handler([record], Torn()) == {"batchItemFailures": [{"itemIdentifier": "m"}]}
    (line,) = [one for one in map(json.loads, logs.getvalue().splitlines()) if one["event"] == "batch failed"]
    assert line["frames"][-1].endswith("get_remaining_time_in_millis")
