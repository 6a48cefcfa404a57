"""The deployed ledger on a table that behaves as DynamoDB may: lagging reads, conflicts, tokens and versions."""

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.aws import Aws
from infra.ledger import Check, ConditionFailed, Key, Put
from infra.ledger.dynamodb import DynamoLedger
from infra.ledger.packing import EXPIRES, PARTITION, SORT
from tests.worlds import REGION

A, B = Key("p", "a"), Key("p", "b")
#: More than an item holds, and nothing that could be compressed.
LONG = "".join(f"{number:x}" for number in range(250_000))


class Table:
    """A table and a bucket: reads lag behind by a write unless they are consistent, and a token counts once."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Any] = {}
        self.before: dict[tuple[str, str], Any] = {}
        self.tokens: set[str] = set()
        self.objects: list[tuple[str, bytes]] = []

    async def transact_write_items(self, **params: Any) -> dict[str, Any]:
        if params["ClientRequestToken"] in self.tokens:
            return {}
        self.tokens.add(params["ClientRequestToken"])
        self.before = dict(self.items)
        for one in params["TransactItems"]:
            item = one["Put"]["Item"]
            self.items[item[PARTITION]["S"], item[SORT]["S"]] = item
        return {}

    def _shown(self, params: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
        return self.items if params.get("ConsistentRead") else self.before

    async def get_item(self, **params: Any) -> dict[str, Any]:
        found = self._shown(params).get((params["Key"][PARTITION]["S"], params["Key"][SORT]["S"]))
        return {"Item": found} if found is not None else {}

    async def query(self, **params: Any) -> dict[str, Any]:
        return {"Items": list(self._shown(params).values())}

    async def put_object(self, **params: Any) -> dict[str, Any]:
        self.objects.append((params["Key"], params["Body"]))
        return {"VersionId": str(len(self.objects) - 1)}

    async def get_object(self, **params: Any) -> dict[str, Any]:
        versions = [body for key, body in self.objects if key == params["Key"]]
        return {"Body": _Body(self.objects[int(params["VersionId"])][1] if "VersionId" in params else versions[-1])}


class _Body:
    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    async def read(self) -> bytes:
        return self._octets


def ledger_on(client: Any) -> DynamoLedger:
    async def open_client(_: str) -> Any:
        return client

    return DynamoLedger(Aws(open_client, REGION), "table", "bucket")


async def test_what_was_written_is_read_at_once():
    """An item, and the items of a partition: a run that begins now must know what the one before it did."""
    ledger = ledger_on(Table())
    await ledger.write(Put(A, {"version": 1}))
    assert await ledger.get(A) == {"version": 1}
    assert await ledger.query("p") == {"a": {"version": 1}}


async def test_the_same_content_again_is_another_write():
    """Back to what stood before: it is no repetition of the write that brought it there first."""
    ledger = ledger_on(Table())
    for version in (1, 2, 1):
        await ledger.write(Put(A, {"version": version}))
    assert await ledger.get(A) == {"version": 1}


async def test_what_was_put_aside_is_read_in_the_version_that_was_written():
    """Whatever was put under the same name in the bucket since."""
    table = Table()
    ledger = ledger_on(table)
    await ledger.write(Put(A, {"document": {"text": LONG}}))
    ((key, _),) = table.objects
    await table.put_object(Key=key, Body=b'{"document": {"text": "forged"}}')
    assert await ledger.get(A) == {"document": {"text": LONG}}


async def test_an_item_says_when_it_may_be_forgotten():
    """The table's time to live reads that attribute; without it, history is kept for ever."""
    table = Table()
    await ledger_on(table).write(Put(A, {}, expires=1_234.5), Put(B, {}))
    assert [one.get(EXPIRES) for one in table.items.values()] == [{"N": "1234"}, None]


class Cancelled:
    """A client whose transactions are cancelled, each part for its reason."""

    def __init__(self, *codes: str) -> None:
        self._codes = codes

    async def transact_write_items(self, **_: Any) -> None:
        text = f"Transaction cancelled, please refer cancellation reasons for specific reasons {list(self._codes)}"
        error = {"Code": "TransactionCanceledException", "Message": text.replace("'", "")}
        reasons = [{"Code": code} for code in self._codes]
        answer = {"Error": error, "CancellationReasons": reasons, "ResponseMetadata": {"HTTPStatusCode": 400}}
        raise ClientError(answer, "TransactWriteItems")


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
async def test_a_conflict_says_nothing_of_a_condition(code):
    """A run that took it for one would believe that its lease is lost; the ledger cannot be used, that is all."""
    ledger = ledger_on(Cancelled("None", code))
    with pytest.raises(OSError, match="cannot be used"):
        await ledger.write(Check(A, {"leaseId": "mine"}), Put(B, {}))


async def test_of_several_reasons_the_condition_counts():
    """One part lost a race, another one's condition did not hold: that one is named."""
    ledger = ledger_on(Cancelled("TransactionConflict", "ConditionalCheckFailed"))
    with pytest.raises(ConditionFailed) as caught:
        await ledger.write(Check(A, {"leaseId": "mine"}), Put(B, {}, when={"version": 1}))
    assert caught.value.key == B
