"""The toy's handlers: one event loop and aiobotocore's clients per environment, from the artifact only."""

import asyncio
import json
import os
import time

from aiobotocore.session import get_session

_runner = asyncio.Runner()
_clients: dict[str, object] = {}


class NotYetError(Exception):
    """What a machine tries again."""


async def _client(service):
    if service not in _clients:
        _clients[service] = await get_session().create_client(service).__aenter__()
    return _clients[service]


def worker(event, context):
    return _runner.run(_work(event))


async def _work(event):
    failures, client = [], await _client("stepfunctions")
    for record in event["Records"]:
        body = json.loads(record["body"])
        assert body["account"] == "123456789012", body
        assert record["attributes"]["SenderId"], record
        if body["detail"]["name"] == "poison":
            failures.append({"itemIdentifier": record["messageId"]})
            continue
        text = json.dumps(body["detail"])
        await client.start_execution(stateMachineArn=os.environ["MACHINE"], name=body["id"], input=text)
    return {"batchItemFailures": failures}


def step(event, context):
    name, again = event["name"], event.get("retry", 0)
    time.sleep(event.get("seconds", 0))
    if name == "bad":
        raise ValueError("bad item")
    if name == "flaky" and again < 2:
        raise NotYetError("not yet")
    if name == "killed" and not again:
        print("waiting to be killed", flush=True)
        time.sleep(8)
    if name == "everything":
        _runner.run(_everything())
    return {"done": event.get("count", 0) >= event.get("rounds", 0), "odd": event.get("odd")}


async def _everything():
    await _write_once()
    s3, bucket = await _client("s3"), os.environ["BUCKET"]
    first = await s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    await s3.put_object(Bucket=bucket, Key="k", Body=b"2")
    old = await s3.get_object(Bucket=bucket, Key="k", VersionId=first["VersionId"])
    assert await old["Body"].read() == b"1"
    secret = await (await _client("secretsmanager")).get_secret_value(SecretId=os.environ["SECRET"])
    assert len(secret["SecretString"]) == 20
    await (await _client("sts")).get_caller_identity()


async def _write_once():
    table = await _client("dynamodb")
    put = {"TableName": os.environ["TABLE"], "Item": {"pk": {"S": "1"}}}
    items = [{"Put": {**put, "ConditionExpression": "attribute_not_exists(pk)"}}]
    await table.transact_write_items(TransactItems=items)
    reasons = []
    try:
        await table.transact_write_items(TransactItems=items)
    except table.exceptions.TransactionCanceledException as error:
        reasons = error.response["CancellationReasons"]
    assert [one["Code"] for one in reasons] == ["ConditionalCheckFailed"]


def slow(event, context):
    print("about to sleep", flush=True)
    time.sleep(event.get("seconds", 30))
    return "awake"


def listener(event, context):
    print("heard", json.dumps(event), flush=True)
    if event["detail"].get("name") == "fail":
        raise ValueError("told to fail")
    return event["detail"]
