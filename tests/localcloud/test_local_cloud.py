"""The local cloud does what the toy's template says."""

import json
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.cloud import Cloud
from tests.localcloud.translate import translate

# The group of tests/deploy/test_deployed.py has a cloud of its own.
pytestmark = [pytest.mark.real_time, pytest.mark.xdist_group("localcloud")]


@pytest.fixture(scope="module")
def cloud(template):
    """One cloud for these tests, closed when they are over: a process has one at a time."""
    scales: dict[str, Any] = {"wait_scale": 0.1, "retry_scale": 0.005, "visibility_scale": 0.005}
    with Cloud(translate(template), cache=template.parent / "cache", **scales) as made:
        yield made


def finished(cloud, name):
    """The event with which the machine ends."""

    def found():
        return [one for one in cloud.events_seen() if one.source == "toy.machine" and one.detail["name"] == name]

    return cloud.wait_until(found, 25)[0]


def ended(cloud, machine, name):
    """The execution for this name, when it no longer runs."""

    def found():
        return [one for one in cloud.executions(machine) if one.input.get("name") == name and one.status != "RUNNING"]

    return cloud.wait_until(found, 25)[0]


def mapped(cloud, name, items):
    """An ended map run over these items."""
    cloud.client("s3").put_object(Bucket=cloud.resource("Bucket"), Key=name, Body=json.dumps(items).encode())
    text = json.dumps({"name": name, "key": name})
    cloud.client("stepfunctions").start_execution(stateMachineArn=cloud.resource("Mapper"), input=text)
    return ended(cloud, "Mapper", name)


def read(cloud, key):
    return json.loads(cloud.client("s3").get_object(Bucket=cloud.resource("Bucket"), Key=key)["Body"].read())


def at_once(work, count):
    """Do the work in as many threads."""
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_an_event_goes_through_queue_function_and_machine_to_a_final_event(cloud):
    event_id = cloud.put_event("toy", "Requested", {"name": "good", "rounds": 2}, "Bus")
    last = finished(cloud, "good")
    assert last.detail_type == "Finished"
    assert len(last.detail.pop("token")) == 36
    assert last.detail.pop("at").endswith("Z")
    odd = 'a "quoted" \\ line\nwith ünïcode 😀'
    values = {"some": "no", "none": None, "not": True, "text": "3"}
    assert last.detail == {"name": "good", "count": 3, "same": True, "odd": odd, **values}
    ran = ended(cloud, "Machine", "good")
    assert (ran.name, ran.status, ran.output) == (event_id, "SUCCEEDED", {"name": "good", "count": 3})
    assert ("AKIAWORKER", "states", "StartExecution") in cloud.requests("Worker")
    assert any(request.operation == "PutEvents" for request in cloud.requests("AKIASTATES"))
    cloud.wait_until(lambda: not cloud.messages("Queue"))


def test_poison_is_retried_and_moved_and_its_neighbours_are_not(cloud):
    for name in ("before", "poison", "after"):
        cloud.put_event("toy", "Requested", {"name": name, "rounds": 0}, "Bus")
    for name in ("before", "after"):
        assert ended(cloud, "Machine", name).status == "SUCCEEDED"
    (letter,) = cloud.wait_until(lambda: cloud.messages("Letters"), 15)
    assert json.loads(letter["Body"])["detail"]["name"] == "poison"
    cloud.wait_until(lambda: not cloud.messages("Queue"))


def test_a_machine_retries_what_it_names(cloud):
    cloud.put_event("toy", "Direct", {"name": "flaky", "rounds": 0}, "Bus")
    assert finished(cloud, "flaky").detail_type == "Finished"


@pytest.mark.parametrize(
    ("name", "rounds", "error"),
    [("bad", 0, "ValueError"), ("unreadable", "no number", "States.QueryEvaluationError")],
    ids=["the function fails", "a query cannot be evaluated"],
)
def test_a_machine_catches_and_fails(cloud, name, rounds, error):
    cloud.put_event("toy", "Direct", {"name": name, "rounds": rounds}, "Bus")
    assert finished(cloud, name).detail == {"name": name, "error": error}
    ran = ended(cloud, "Machine", name)
    assert (ran.status, ran.error, ran.cause) == ("FAILED", "GaveUp", f"no luck with {name}")


def test_a_killed_function_is_tried_again_by_the_machine(cloud):
    cloud.put_event("toy", "Direct", {"name": "killed", "rounds": 0}, "Bus")
    cloud.wait_until(lambda: "waiting to be killed" in cloud.logs("Step"))
    assert cloud.kill("Step") >= 1
    assert finished(cloud, "killed").detail_type == "Finished"
    history = cloud.client("stepfunctions").get_execution_history(executionArn=ended(cloud, "Machine", "killed").arn)
    assert "Runtime.ExitError" in json.dumps(history, default=str)


@pytest.mark.parametrize(
    ("function", "kind", "said"),
    [
        ("Slow", "Sandbox.Timedout", "Task timed out after 3.00 seconds"),
        ("Broken", "Runtime.ImportModuleError", "Unable to import module 'nowhere'"),
    ],
    ids=["it takes too long", "it cannot be imported"],
)
def test_a_failure_of_the_function_has_its_name(cloud, function, kind, said):
    answer = cloud.invoke(function)
    body = json.loads(answer.body)
    assert answer.failed
    assert body["errorType"] == kind
    assert said in body["errorMessage"]


def test_the_artifact_is_complete_and_the_interpreter_has_nothing(cloud, template):
    assert not cloud.invoke("Step", {"name": "everything"}).failed, cloud.logs("Step")
    names = {request.operation for request in cloud.requests("Step")}
    assert {"TransactWriteItems", "PutObject", "GetObject", "GetSecretValue", "GetCallerIdentity"} <= names
    packages = {path.name for path in template.parent.glob("cache/runtime/lib/python3*/site-packages/*")}
    assert packages
    assert not any(name.startswith(("boto", "aio", "moto")) for name in packages)


def test_a_function_runs_in_several_environments_at_once(cloud):
    at_once(lambda _: cloud.invoke("Step", {"name": "x", "seconds": 0.5}), 3)
    assert cloud.pool.processes("Step") >= 3


def test_a_map_run_writes_its_results_and_tolerates_one_failure_of_five(cloud):
    ran = mapped(cloud, "five", [{"name": name} for name in ("a", "b", "bad", "c", "d")])
    assert ran.status == "SUCCEEDED", ran
    assert (ran.output["total"], ran.output["succeeded"], ran.output["failed"]) == (5, 4, 1)
    files = read(cloud, ran.output["results"]["Key"])["ResultFiles"]
    failed, good = read(cloud, files["FAILED"][0]["Key"]), read(cloud, files["SUCCEEDED"][0]["Key"])
    assert [(json.loads(one["Input"])["name"], one["Error"]) for one in failed] == [("bad", "ValueError")]
    assert sorted(json.loads(one["Input"])["name"] for one in good) == ["a", "b", "c", "d"]


def test_a_map_run_with_too_many_failures_fails(cloud):
    ran = mapped(cloud, "three", [{"name": "bad"}, {"name": "bad"}, {"name": "a"}])
    assert (ran.status, ran.error) == ("FAILED", "States.ExceedToleratedFailureThreshold")


def test_a_failed_event_goes_to_the_destination_after_its_retries(cloud):
    cloud.put_event("toy", "Heard", {"name": "fail"}, "Bus")
    (message,) = cloud.wait_until(lambda: cloud.messages("Failures"))
    envelope = json.loads(message["Body"])
    assert envelope["requestContext"]["condition"] == "RetriesExhausted"
    assert envelope["requestContext"]["approximateInvokeCount"] == 2
    assert envelope["requestPayload"]["account"] == "123456789012"
    assert envelope["requestPayload"]["detail"] == {"name": "fail"}
    assert envelope["responsePayload"]["errorType"] == "ValueError"
    assert envelope["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }


def test_a_functions_own_dead_letter_queue_gets_the_event(cloud):
    event = {"detail": {"name": "fail"}}
    assert cloud.invoke("Letterer", event, "Event").status == 202
    (message,) = cloud.wait_until(lambda: cloud.messages("Unheard"))
    assert json.loads(message["Body"]) == event
    assert message["MessageAttributes"]["ErrorMessage"]["StringValue"] == "told to fail"


def test_what_cannot_be_delivered_stops_nothing(cloud):
    cloud.put_event("toy", "Lost", {"name": "lost"}, "Bus")
    cloud.put_event("toy", "Heard", {"name": "later"}, "Bus")
    cloud.wait_until(lambda: '"name": "later"' in cloud.logs("Listener"))
    assert [arn.rpartition(":")[2] for arn, _ in cloud.undelivered()] == ["nowhere"]
    (letter,) = cloud.messages("Undelivered")
    assert json.loads(letter["Body"])["detail"] == {"name": "lost"}
    assert letter["MessageAttributes"]["TARGET_ARN"]["StringValue"].endswith(":caught")


def test_schedules_fire_when_told(cloud):
    assert "hourly" not in cloud.logs("Listener")
    cloud.fire("ListenerHourly")
    cloud.fire("ListenerDaily")
    cloud.wait_until(lambda: "hourly" in cloud.logs("Listener"))
    cloud.wait_until(lambda: "Scheduled Event" in cloud.logs("Listener"))


def test_a_target_gets_its_transformed_input(cloud):
    cloud.put_event("toy", "Transform", {"name": 'a "b"'}, "Bus")
    (message,) = cloud.wait_until(lambda: cloud.messages("OnlyTest"))
    body = json.loads(message["Body"])
    assert body == {"text": 'Transform of a "b"', "name": 'a "b"', "all": {"name": 'a "b"'}}


def test_conditions_outputs_and_aliases(cloud):
    outputs = cloud.outputs()
    assert outputs.keys() == {"QueueUrl", "WorkerAlias", "StepArn"}
    assert outputs["WorkerAlias"].endswith(":function:local-Worker:live")
    client = cloud.client("lambda")
    for name in (outputs["StepArn"] + ":live", "local-Step", outputs["StepArn"]):
        assert client.invoke(FunctionName=name, Payload=b'{"name": "x"}')["StatusCode"] == 200
    assert client.invoke(FunctionName="local-Step", Qualifier="live", Payload=b'{"name": "bad"}')["FunctionError"]
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="nobody")


def test_an_execution_name_is_used_once(cloud):
    client, machine = cloud.client("stepfunctions"), cloud.resource("Machine")
    wanted = {"stateMachineArn": machine, "name": "once", "input": '{"name": "once", "rounds": 1}'}
    first = client.start_execution(**wanted)
    assert client.start_execution(**wanted)["executionArn"] == first["executionArn"]
    with pytest.raises(client.exceptions.ExecutionAlreadyExists):
        client.start_execution(**{**wanted, "input": '{"name": "other"}'})
    ended(cloud, "Machine", "once")
    with pytest.raises(client.exceptions.ExecutionAlreadyExists):
        client.start_execution(**wanted)


def test_a_condition_holds_among_many_writers(cloud):
    client, won, refused = cloud.client("dynamodb"), [], []

    def write(number):
        item = {"pk": {"S": "race"}, "by": {"N": str(number)}}
        condition = {"ConditionExpression": "attribute_not_exists(pk)"}
        try:
            client.put_item(TableName=cloud.resource("Table"), Item=item, **condition)
            won.append(number)
        except ClientError as error:
            refused.append(error.response["Error"]["Code"])

    at_once(write, 30)
    assert len(won) == 1
    assert refused == ["ConditionalCheckFailedException"] * 29


def test_a_second_cloud_at_the_same_time_is_refused(cloud, template):
    with pytest.raises(RuntimeError, match="another local cloud"), Cloud(translate(template)):
        pass
    assert len(cloud.client("events").list_event_buses()["EventBuses"]) == 2
