"""The deployed ledger: a DynamoDB table, and an S3 bucket for items that are too large for the table.

Layout. The keys of the table are `_partition` and `_sort`. Every plain member of an item is an attribute, so that
conditions can compare it. The nested members are a single JSON text (infra.ledger.packing) in the attribute `_rest`.
A text that is too large even after compression is uploaded to the bucket under the SHA-256 of its content, and the
attribute `_place` records key and version of the object. The upload precedes the transaction, so an item never refers
to a missing object; an object whose transaction failed is left unused. `_expires` is the table's time to live.

Reads. GetItem and Query are consistent. `partitions` scans the whole table without that guarantee.

Writes. Every write is a TransactWriteItems request with a new idempotency token. The retry layer repeats the request
with the same token, so a write whose response was lost takes effect once. A transaction that is canceled by a
failed condition is final and becomes ConditionFailed, with the key of the first such change. Conflicts with another
transaction are transient and retried.

Errors. Every other failure becomes `_LedgerError`, an OSError and not a CallFailed: an unavailable ledger must not look
like the refusal of a resource by AgentCore. Each call has a deadline of 40 seconds, independent of the run's.
"""

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

from infra.aws import Aws
from infra.deadline import Deadline
from infra.errors import CallFailed, ErrorClass, OutOfTime
from infra.ledger import packing
from infra.ledger.packing import EXPIRES, PARTITION, PLACE, REST, SORT, attribute, attributes_of
from infra.ledger.store import Change, Check, ConditionFailed, Delete, Item, ItemDamaged, Key, Put

#: Seconds for which a call is tried.
_SECONDS = 40.0
_UNMET = "ConditionalCheckFailed"


class DynamoLedger:
    """A ledger in a table with the keys `_partition` and `_sort`, both strings."""

    def __init__(self, aws: Aws, table: str, bucket: str = "") -> None:
        self._aws = aws
        self._table = table
        self._bucket = bucket

    async def get(self, key: Key) -> Item | None:
        """Return an item."""
        answer = await self._call("GetItem", {"Key": attributes_of(key), "ConsistentRead": True})
        return await self._item(key, answer["Item"]) if answer.get("Item") else None

    async def query(self, partition: str, prefix: str = "") -> dict[str, Item]:
        """Return the items of a partition whose sort key starts with a prefix."""
        wanted = {
            "KeyConditionExpression": "#p = :p" + (" AND begins_with(#s, :s)" if prefix else ""),
            "ExpressionAttributeNames": {"#p": PARTITION, **({"#s": SORT} if prefix else {})},
            "ExpressionAttributeValues": {":p": {"S": partition}, **({":s": {"S": prefix}} if prefix else {})},
            "ConsistentRead": True,
        }
        found = {one[SORT]["S"]: one for one in await self._pages("Query", wanted)}
        return {sort: await self._item(Key(partition, sort), one) for sort, one in found.items()}

    async def keys(self, partition: str) -> list[str]:
        """Return the sort keys of the items of a partition."""
        wanted = {
            "KeyConditionExpression": "#p = :p",
            "ProjectionExpression": "#s",
            "ExpressionAttributeNames": {"#p": PARTITION, "#s": SORT},
            "ExpressionAttributeValues": {":p": {"S": partition}},
            "ConsistentRead": True,
        }
        return [one[SORT]["S"] for one in await self._pages("Query", wanted)]

    async def faults(self) -> list[str]:
        """Return nothing: DynamoDB keeps a table free of faults by itself."""
        return []

    async def partitions(self, prefix: str = "") -> list[str]:
        """Return the partitions that start with a prefix. Scans the whole table: for people and schedules only."""
        wanted = {"ProjectionExpression": "#p", "ExpressionAttributeNames": {"#p": PARTITION}}
        found = {one[PARTITION]["S"] for one in await self._pages("Scan", wanted)}
        return sorted(partition for partition in found if partition.startswith(prefix))

    async def write(self, *changes: Change) -> None:
        """Make all changes or none."""
        items = [await self._change(change) for change in changes]
        try:
            await self._call("TransactWriteItems", {"TransactItems": items, "ClientRequestToken": str(uuid.uuid4())})
        except _LedgerError as refused:
            failed = _first_unmet(changes, refused.reasons)
            if failed is None:
                raise
            raise ConditionFailed(failed) from None

    async def _change(self, change: Change) -> dict[str, Any]:
        where = {"TableName": self._table, **_condition(change.when)}
        match change:
            case Put():
                return {"Put": {**where, "Item": await self._attributes(change)}}
            case Delete():
                return {"Delete": {**where, "Key": attributes_of(change.key)}}
            case Check():
                return {"ConditionCheck": {**where, "Key": attributes_of(change.key)}}

    async def _attributes(self, put: Put) -> dict[str, Any]:
        plain, rest = packing.pack(put.item)
        made: dict[str, Any] = {**plain, **attributes_of(put.key)}
        if put.expires is not None:
            made[EXPIRES] = {"N": str(int(put.expires))}
        if rest:
            held = packing.rest_attribute(rest)
            made |= {REST: held} if held is not None else {PLACE: {"S": await self._put_aside(put.key, rest)}}
        return made

    async def _put_aside(self, key: Key, rest: bytes) -> str:
        """Upload data that is too large for an item to the bucket; return the location: key and version of the object.

        Raises OSError if no bucket is configured.
        """
        if not self._bucket:
            raise OSError(f"the ledger item {key.sort} of {key.partition} is too long, and no bucket is set for it")
        name = f"ledger/{hashlib.sha256(rest).hexdigest()}"
        answer = await self._call("PutObject", {"Bucket": self._bucket, "Key": name, "Body": rest}, "s3")
        return f"{name}?{answer.get('VersionId', '')}"

    async def _item(self, key: Key, attributes: Mapping[str, Any]) -> Item:
        """Return the item of a table's attributes. Raises ItemDamaged."""
        try:
            rest = packing.rest_of(attributes) if PLACE not in attributes else await self._fetched(key, attributes)
            return packing.unpack(attributes, rest)
        except packing.BROKEN as error:
            raise ItemDamaged(key, f"its attributes are not those of an item ({type(error).__name__})") from None

    async def _fetched(self, key: Key, attributes: Mapping[str, Any]) -> bytes:
        """Return the nested members that are stored in the bucket. Raises ItemDamaged, and OSError."""
        name, _, version = attributes[PLACE]["S"].partition("?")
        wanted = {"Bucket": self._bucket, "Key": name, **({"VersionId": version} if version else {})}
        try:
            content = await self._aws.within(Deadline.within(_SECONDS)).content("GetObject", wanted, service="s3")
        except (CallFailed, OutOfTime) as failed:
            if isinstance(failed, CallFailed) and failed.error_class is ErrorClass.GONE:
                raise ItemDamaged(key, f"the object {name} of the bucket {self._bucket} does not exist") from None
            raise _LedgerError(self._table, failed) from None
        return content.body

    async def _pages(self, operation: str, wanted: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        start: Mapping[str, Any] = {}
        while True:
            answer = await self._call(operation, {**wanted, **start})
            found += answer.get("Items", [])
            last = answer.get("LastEvaluatedKey")
            if not last:
                return found
            if {"ExclusiveStartKey": last} == start:
                raise OSError(f"the ledger {self._table} cannot be used: {operation} shows the same page again")
            start = {"ExclusiveStartKey": last}

    async def _call(self, operation: str, params: Mapping[str, Any], service: str = "dynamodb") -> dict[str, Any]:
        """Call with retries. Raises _LedgerError: a ledger failure must not look like the refusal of a resource."""
        named = {} if service == "s3" or operation == "TransactWriteItems" else {"TableName": self._table}
        try:
            return await self._aws.within(Deadline.within(_SECONDS))(operation, {**named, **params}, service=service)
        except (CallFailed, OutOfTime) as failed:
            raise _LedgerError(self._table, failed) from None


class _LedgerError(OSError):
    """The store refused a call permanently or is unreachable; `reasons` are those of a canceled transaction."""

    def __init__(self, table: str, failed: CallFailed | OutOfTime) -> None:
        super().__init__(f"the ledger {table} cannot be used: {failed}")
        self.reasons = failed.reasons if isinstance(failed, CallFailed) else ()


def _condition(when: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the condition expression of a change: members equal to values; None for members that must not exist."""
    if not when:
        return {}
    names = {f"#{number}": member for number, member in enumerate(when)}
    values = {f":{number}": attribute(value) for number, value in enumerate(when.values()) if value is not None}
    parts = [
        f"#{number} = :{number}" if value is not None else f"attribute_not_exists(#{number})"
        for number, value in enumerate(when.values())
    ]
    made: dict[str, Any] = {"ConditionExpression": " AND ".join(parts), "ExpressionAttributeNames": names}
    return {**made, "ExpressionAttributeValues": values} if values else made


def _first_unmet(changes: tuple[Change, ...], reasons: tuple[str, ...]) -> Key | None:
    """Return the key of the first failed condition: a canceled transaction reports a reason for each change."""
    return next((change.key for change, reason in zip(changes, reasons, strict=False) if reason == _UNMET), None)
