"""An event on the bus ends in READY and an event on the bus; everything in between is what is deployed."""

import json
import os
import random
import string
import subprocess
import sys
import time
import urllib.request
from typing import Any

import pytest

from tests.deploy.conftest import ROOT
from tests.deploy.desk import HANDED_OVER, LONG, REQUESTED, SOURCE, stack
from tests.documents import oauth, provider
from workflows.executions import execution_name

pytestmark = [pytest.mark.real_time, pytest.mark.xdist_group("deployed")]


def test_an_event_on_the_bus_ends_in_ready(desk):
    """Bus, rule, queue, function, ledger, AgentCore, and back on the bus."""
    desk.ask(stack("simple"), "simple-1")
    outcome = desk.outcome("simple-1", "Ready")
    assert outcome["resources"]["gateways.simple"]["status"] == "READY"
    assert len(desk.named("gateway", "simple")) == 1
    assert desk.told("simple-1") == ["Accepted", "Ready"]


def consenting(name: str) -> dict[str, Any]:
    document = stack(name)
    credential = oauth("AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/r")
    document["gateways"][name]["targets"]["tools-0"]["credentialProviderConfigurations"] = credential
    document = json.loads(json.dumps(document).replace("CredentialProviders.idp.", f"CredentialProviders.{name}."))
    return {**document, "oauth2CredentialProviders": {name: provider()}}


def test_an_execution_that_takes_many_turns_is_followed_by_another(desk):
    """An execution's history is bounded, a stack's patience is not: the next attempt's name goes on, one at a time."""
    before, desk.cloud.wait_scale = desk.cloud.wait_scale, 0.01
    try:
        desk.ask({**consenting("turning"), "stack": "payments"}, "turning-1")
        waiting = desk.outcome("turning-1", "Awaiting Consent")
        desk.cloud.wait_until(lambda: len(desk.executions("turning-1")) > 2, LONG)
        assert [one.status for one in desk.executions("turning-1")].count("RUNNING") <= 2
        urllib.request.urlopen(waiting["consents"][0]["authorizationUrl"], timeout=10).close()
        desk.outcome("turning-1", "Ready")
        assert set(desk.ended("turning-1")) == {"SUCCEEDED"}
    finally:
        desk.cloud.wait_scale = before
    names = [one.name for one in desk.executions("turning-1")]
    assert names == [execution_name("payments", "turning-1", attempt + 1) for attempt in range(len(names))]
    assert desk.told("turning-1").count("Awaiting Consent") == 1


def test_the_same_event_ten_times_makes_one_of_each(desk, slow):
    slow(gateway=HANDED_OVER)
    for _ in range(10):
        desk.ask(stack("many"), "many-1")
    desk.outcome("many-1", "Ready")
    assert desk.ended("many-1") == ["SUCCEEDED"]
    assert len(desk.named("gateway", "many")) == 1
    assert len(desk.named("target", "tools-0")) >= 1
    assert desk.plane.world.records.doubles == []


def test_consent_parks_the_execution_and_resumes(desk):
    """Nobody holds a function while a person is awaited; it is told once, and goes on by itself afterwards."""
    document = consenting("consent")
    desk.ask(document, "consent-1")
    waiting = desk.outcome("consent-1", "Awaiting Consent")
    time.sleep(3)
    assert [one.status for one in desk.executions("consent-1")] == ["RUNNING"]
    (consent,) = waiting["consents"]
    urllib.request.urlopen(consent["authorizationUrl"], timeout=10).close()
    desk.outcome("consent-1", "Ready")
    assert desk.ended("consent-1") == ["SUCCEEDED"]
    assert desk.told("consent-1").count("Awaiting Consent") == 1


def test_a_poison_message_is_buried_with_its_reason_and_its_neighbours_are_done(desk):
    queue = desk.cloud.client("sqs")
    url = desk.cloud.resource("RequestsQueue")
    queue.send_message(QueueUrl=url, MessageBody="{ this is no JSON")
    desk.ask(stack("neighbour"), "neighbour-1")
    desk.outcome("neighbour-1", "Ready")
    (letter,) = desk.cloud.wait_until(lambda: desk.cloud.messages("RequestsDeadLetters"), LONG)
    assert letter["Body"] == "{ this is no JSON"
    assert "NotARequest" in json.dumps(letter["MessageAttributes"], default=vars)


@pytest.mark.parametrize(
    ("source", "document"),
    [("tests.strangers", stack("mine")), (SOURCE, {**stack("x"), "stack": "payments-evil.x"})],
    ids=["another source", "a prefix of the name"],
)
def test_an_unauthorised_document_is_rejected(desk, source, document):
    request_id = f"denied-{source}-{document['stack']}"
    before = len(refusals(desk, source))
    desk.ask(document, request_id, source=source)
    desk.cloud.wait_until(lambda: len(refusals(desk, source)) > before, LONG)
    rejected = refusals(desk, source)[-1]
    assert {problem["rule"] for problem in rejected["problems"]} == {"authority"}
    assert (rejected["stack"], desk.told(request_id)) == ("", [])


def refusals(desk, source: str) -> list[dict[str, Any]]:
    """What was announced to a sender without a grant: under the id of its event alone."""
    seen = [event.detail for event in desk.cloud.events_seen() if event.detail_type == "Gateway Stack Rejected"]
    return [one for one in seen if one["submitter"].get("source") == source and not one["stack"]]


def test_the_fleet_brings_twenty_stacks_to_ready_and_reports_the_broken_one(desk):
    requests: list[dict[str, Any]] = [
        {"detailType": REQUESTED, "detail": {"stack": stack(f"fleet-{number}"), "requestId": f"fleet-{number}"}}
        for number in range(20)
    ]
    requests[7]["detail"]["stack"]["gateways"]["fleet-7"]["roleArn"] = "not an arn"
    bucket = desk.cloud.resource("DocumentsBucket")
    desk.cloud.client("s3").put_object(Bucket=bucket, Key="fleet/list.json", Body=json.dumps(requests).encode())
    machine = desk.cloud.resource("FleetMachine")
    desk.cloud.client("stepfunctions").start_execution(
        stateMachineArn=machine, name="fleet", input=json.dumps({"key": "fleet/list.json", "maxConcurrency": 4})
    )
    ran = desk.cloud.wait_until(
        lambda: next((one for one in desk.cloud.executions("FleetMachine") if one.status != "RUNNING"), None), LONG
    )
    assert ran.status == "SUCCEEDED", ran
    assert (ran.output["total"], ran.output["succeeded"], ran.output["failed"]) == (20, 19, 1)
    ready = [number for number in range(20) if desk.told(f"fleet-{number}")[-1:] == ["Ready"]]
    assert ready == [number for number in range(20) if number != 7]
    assert desk.told("fleet-7") == ["Rejected"]


def used_up(desk, stack_name: str, request_id: str) -> None:
    """Start and end an execution of the name that a hand-over would take first: one that settled nothing."""
    machine = desk.cloud.resource("ConvergeMachine")
    name = execution_name(stack_name, request_id, 1)
    client = desk.cloud.client("stepfunctions")
    client.start_execution(stateMachineArn=machine, name=name, input=json.dumps({"requestId": request_id, "stack": 1}))
    assert desk.ended(request_id) == ["FAILED"]


def test_an_execution_that_settled_nothing_is_followed_by_the_next_attempt(desk, slow):
    """Its name is taken for ever; the hand-over looks at it, and takes the next. That it failed was announced."""
    used_up(desk, "payments.again", "again-1")
    assert desk.told("again-1") == ["Failed"]
    slow(gateway=HANDED_OVER)
    desk.ask(stack("again"), "again-1")
    desk.outcome("again-1", "Ready")
    assert sorted(desk.ended("again-1")) == ["FAILED", "SUCCEEDED"]


def test_an_event_may_go_straight_to_a_function(desk, slow):
    """Without a queue the function hands over the same way."""
    used_up(desk, "payments.direct", "direct-1")
    slow(gateway=HANDED_OVER)
    detail = {"stack": stack("direct"), "requestId": "direct-1"}
    event = {"id": "e", "account": "123456789012", "source": SOURCE, "detail-type": REQUESTED, "detail": detail}
    answer = json.loads(desk.cloud.invoke("EventsFunction", event).body)
    assert answer["status"] == "IN_PROGRESS"
    desk.outcome("direct-1", "Ready")


def test_a_schedule_has_the_tools_of_every_ready_stack_read_again(desk):
    desk.ask(stack("timed"), "timed-1")
    desk.outcome("timed-1", "Ready")
    tick = {"id": "tick-1", "detail-type": "Gateway Schedule", "source": "gatewright.schedule", "detail": {}}
    tick["account"] = "123456789012"
    answer = json.loads(desk.cloud.invoke("EventsFunction", tick).body)
    assert "payments.timed" in answer.get("asked", ()), answer

    def synchronized() -> bool:
        events = [event.detail for event in desk.cloud.events_seen() if event.detail_type == "Gateway Stack Ready"]
        return any((one["stack"], one["requestId"]) == ("payments.timed", "schedule-tick-1") for one in events)

    desk.cloud.wait_until(synchronized, LONG)


def test_a_large_document_comes_from_the_bucket(desk):
    """`stackUri` is read where a grant allows it; the ledger keeps what is too long for an item in the bucket."""
    noise = random.Random(1)
    document = stack("large", 3)
    for target in document["gateways"]["large"]["targets"].values():
        text = "".join(noise.choices(string.ascii_letters, k=250_000))
        schema = {
            "openapi": "3.0.0",
            "info": {"title": text},
            "servers": [{"url": "https://x.example.com"}],
            "paths": {},
        }
        target["targetConfiguration"] = {"mcp": {"openApiSchema": {"inlinePayload": json.dumps(schema)}}}
        target["credentialProviderConfigurations"] = [API_KEY]
    bucket, s3 = desk.cloud.resource("DocumentsBucket"), desk.cloud.client("s3")
    s3.put_object(Bucket=bucket, Key="documents/payments/large.json", Body=json.dumps(document).encode())
    detail = {"stackUri": f"s3://{bucket}/documents/payments/large.json", "requestId": "large-1"}
    desk.cloud.put_event(SOURCE, REQUESTED, detail, "Bus")
    desk.outcome("large-1", "Ready")
    kept = s3.list_objects_v2(Bucket=bucket, Prefix="ledger/")
    assert kept["KeyCount"] >= 1
    detail = {"stackUri": f"s3://{bucket}/documents/others/large.json", "requestId": "large-2"}
    desk.cloud.put_event(SOURCE, REQUESTED, detail, "Bus")
    assert desk.outcome("large-2", "Rejected")["problems"][0]["path"] == "stackUri"


VAULT = "arn:aws:bedrock-agentcore:us-east-1:123456789012:token-vault/default"
API_KEY = {
    "credentialProviderType": "API_KEY",
    "credentialProvider": {
        "apiKeyCredentialProvider": {"providerArn": f"{VAULT}/apikeycredentialprovider/payments-rates-key"}
    },
}


def shell(desk, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line against the deployment, with credentials of its own."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", ""),
        "AWS_ENDPOINT_URL": desk.cloud.url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIATERMINAL",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_ACCOUNT_ID": "123456789012",
    }
    command = [sys.executable, "-m", "handlers.cli", *arguments, "--json"]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_a_terminal_asks_and_waits_with_two_rights(desk, tmp_path):
    """It puts an event on the bus and reads one item of the table, and calls nothing else."""
    ledger, bus = f"dynamodb:{desk.cloud.resource('LedgerTable')}", desk.cloud.resource("Bus")
    file = tmp_path / "stack.json"
    file.write_text(json.dumps(stack("asked")))
    common = ("--bus", bus, "--ledger", ledger, "--source", SOURCE, "--wait", "--timeout", "60")
    done = shell(desk, "submit", str(file), *common)
    assert json.loads(done.stdout)["status"] == "READY", done.stderr
    asked = {one.operation for one in desk.cloud.requests("AKIATERMINAL")}
    # Everybody may ask for the account of the credentials.
    assert asked == {"PutEvents", "GetItem", "GetCallerIdentity"}
    planned = json.loads(shell(desk, "submit", str(file), *common, "--ask", "plan").stdout)
    assert (planned["status"], planned["plan"]["changes"]) == ("PLANNED", 0)
    denied = shell(desk, "submit", str(file), "--bus", bus, "--ledger", ledger, "--wait", "--timeout", "60")
    assert (denied.returncode, json.loads(denied.stdout)["status"]) == (2, "REJECTED")
    status = json.loads(shell(desk, "status", "payments.asked", "--ledger", ledger).stdout)
    assert status["123456789012/us-east-1/payments.asked"]["status"] == "READY"
    history = json.loads(shell(desk, "history", "payments.asked", "--ledger", ledger).stdout)
    assert [one["status"] for one in history["123456789012/us-east-1/payments.asked"]] == ["READY"]
    removed = json.loads(shell(desk, "submit", str(file), *common, "--ask", "remove").stdout)
    assert removed["status"] == "DELETED"
    assert desk.named("gateway", "asked") == []


def test_a_dead_letter_is_sent_again_from_a_terminal(desk):
    """By its reason; what is wrong with it has not changed, so it comes back with the same one."""
    dead, queue = desk.cloud.resource("RequestsDeadLetters"), desk.cloud.resource("RequestsQueue")
    sqs = desk.cloud.client("sqs")
    sqs.send_message(QueueUrl=queue, MessageBody='{"detailType": "Gateway Stack Dance"}')
    desk.cloud.wait_until(
        lambda: [one for one in desk.cloud.messages("RequestsDeadLetters") if "Dance" in one["Body"]], LONG
    )
    found = json.loads(shell(desk, "dead-letters", "--queue", dead, "--reason", "unknown detail-type").stdout)
    assert len(found["deadLetters"]) == 1
    assert "NotARequest" in found["deadLetters"][0]["reason"]


def test_a_request_under_way_is_cancelled_from_a_terminal(desk, slow):
    slow(gateway=40.0)
    desk.ask(stack("stopped"), "stopped-1")
    desk.cloud.wait_until(lambda: desk.executions("stopped-1"), LONG)
    ledger = f"dynamodb:{desk.cloud.resource('LedgerTable')}"
    found = json.loads(shell(desk, "cancel", "payments.stopped", "--ledger", ledger).stdout)
    assert list(found.values()) == ["cancelled"]
    assert "cancelled" in desk.outcome("stopped-1", "Failed")["reason"]
    assert desk.ended("stopped-1") == ["FAILED"]
