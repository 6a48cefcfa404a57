"""Lambda's event source mappings for SQS: pollers that hand batches of messages to functions.

Not faithful: a batch takes what is there and does not wait for more (no batching window), there are no filters, and
a FIFO queue's groups are kept in order only within a batch.
"""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import sqs_backends

from tests.localcloud.invocations import Invocations
from tests.localcloud.resolve import ACCOUNT, Resource

_IDLE_SECONDS = 0.02
_DEFAULT_BATCH = 10
_DEFAULT_CONCURRENCY = 5
_RECEIVE_LIMIT = 10
_KINDS = {"String": "stringValue", "Number": "stringValue", "Binary": "binaryValue"}


class Mapping:
    """One mapping from a queue to a function; one that is not enabled takes nothing."""

    def __init__(self, resource: Resource, region: str, invocations: Invocations, visibility_scale: float) -> None:
        properties = resource.properties
        self._arn, self._function = properties["EventSourceArn"], properties["FunctionName"]
        self._queue, self._region, self._invocations = self._arn.rpartition(":")[2], region, invocations
        self._size = int(properties.get("BatchSize", _DEFAULT_BATCH))
        self._partial = "ReportBatchItemFailures" in properties.get("FunctionResponseTypes", [])
        concurrency = int(properties.get("ScalingConfig", {}).get("MaximumConcurrency", _DEFAULT_CONCURRENCY))
        self._free = threading.Semaphore(concurrency)
        self._workers = ThreadPoolExecutor(concurrency, thread_name_prefix=f"mapping-{self._queue}")
        self._visibility_scale, self._stopping = visibility_scale, threading.Event()
        self._enabled = str(properties.get("Enabled", True)).lower() == "true"
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no further batch."""
        self._stopping.set()
        self._thread.join()
        self._workers.shutdown(wait=False, cancel_futures=True)

    @property
    def _backend(self) -> Any:
        return sqs_backends[ACCOUNT][self._region]

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._free.acquire()
            batch = self._receive() if self._enabled else []
            if batch:
                self._workers.submit(self._handle, batch)
            else:
                self._free.release()
                self._stopping.wait(_IDLE_SECONDS)

    def _receive(self) -> list[Any]:
        visibility = int(self._backend.get_queue(self._queue).visibility_timeout)
        batch: list[Any] = []
        while len(batch) < self._size:
            count = min(_RECEIVE_LIMIT, self._size - len(batch))
            got = self._backend.receive_message(self._queue, count, 0, visibility, ["All"])
            batch += got
            if not got:
                break
        return batch

    def _handle(self, batch: list[Any]) -> None:
        try:
            failed = self._failed(batch)
            for message in batch:
                if message.id in failed:
                    self._shorten(message)
                else:
                    # The function may have deleted it, or it has moved to the dead-letter queue.
                    with suppress(ReceiptHandleIsInvalid):
                        self._backend.delete_message(self._queue, message.receipt_handle)
        finally:
            self._free.release()

    def _failed(self, batch: list[Any]) -> set[str]:
        """The ids of the messages that stay in the queue; a wrong report means all of them, as on Lambda."""
        everything = {message.id for message in batch}
        records = {"Records": [self._record(message) for message in batch]}
        answer = self._invocations.invoke(self._function, json.dumps(records).encode())
        if answer.failed:
            return everything
        report = json.loads(answer.body or b"null")
        if not self._partial or not isinstance(report, dict):
            return set()
        failures = report.get("batchItemFailures") or []
        named = {failure.get("itemIdentifier") for failure in failures}
        return everything if named - everything else named

    def _shorten(self, message: Any) -> None:
        """Leave `visibility_scale` of the time for which a message stays hidden, whoever set that time."""
        now = time.time() * 1000
        for original in self._backend.get_queue(self._queue)._messages:
            if original.id == message.id:
                original.visible_at = now + max(0.0, original.visible_at - now) * self._visibility_scale

    def _record(self, message: Any) -> dict[str, Any]:
        """A message as Lambda gives it to a function."""
        return {
            "messageId": message.id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": str(message.approximate_receive_count),
                "SentTimestamp": str(message.sent_timestamp),
                "SenderId": str(message.sender_id),
                "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
                **({"MessageGroupId": message.group_id} if message.group_id else {}),
            },
            "messageAttributes": {name: _attribute(one) for name, one in message.message_attributes.items()},
            "md5OfBody": message.body_md5,
            "eventSource": "aws:sqs",
            "eventSourceARN": self._arn,
            "awsRegion": self._region,
        }


def _attribute(one: dict[str, Any]) -> dict[str, Any]:
    kind = one["DataType"]
    value = one.get("StringValue", one.get("BinaryValue"))
    return {
        _KINDS[kind.partition(".")[0]]: value,
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": kind,
    }
