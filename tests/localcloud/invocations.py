"""The Lambda API's Invoke, answered by the emulators: synchronous, and asynchronous with retries and destinations.

Not faithful: a retried event gets a new request id in the function, events do not age out, there are no recursion
checks, and destinations and dead-letter targets other than SQS queues are refused.
"""

import json
import re
import threading
import uuid
from datetime import UTC, datetime
from typing import Any

from tests.localcloud.emulator import Answer, EmulatorPool, Function
from tests.localcloud.stack import Clients, Stack
from tests.localcloud.translate import Translated

# After the first failure Lambda waits a minute, after the second two.
_RETRY_SECONDS = (60.0, 120.0)
_DEFAULT_RETRIES = 2
_ARN = re.compile(r"^(?:arn:aws:lambda:[^:]*:\d*:function:)?(?P<name>[^:]+)(?::(?P<qualifier>.+))?$")


class UnknownFunctionError(Exception):
    """No function has this name."""


class Invocations:
    """Invokes the stack's functions by name or ARN."""

    def __init__(self, stack: Stack, pool: EmulatorPool, clients: Clients, retry_scale: float) -> None:
        self._stack, self._pool, self._clients, self._retry_scale = stack, pool, clients, retry_scale
        self._stopping = threading.Event()
        self._names = {
            one.physical_id: logical_id for logical_id, one in stack.of_type("AWS::Lambda::Function").items()
        }
        self._configs = self._read_configs()

    def _read_configs(self) -> dict[tuple[str, str], dict[str, Any]]:
        configs = {}
        for one in self._stack.of_type("AWS::Lambda::EventInvokeConfig").values():
            logical_id, _ = self.find(one.properties["FunctionName"])
            configs[logical_id, one.properties["Qualifier"]] = one.properties
        return configs

    def find(self, name_or_arn: str) -> tuple[str, str]:
        """The logical id and the qualifier that a function's name or ARN means."""
        match = _ARN.match(name_or_arn)
        if match is None or match["name"] not in self._names:
            raise UnknownFunctionError(name_or_arn)
        return self._names[match["name"]], match["qualifier"] or "$LATEST"

    def invoke(self, name_or_arn: str, payload: bytes) -> Answer:
        """Invoke and wait for the answer."""
        logical_id, _ = self.find(name_or_arn)
        return self._pool.invoke(logical_id, payload)

    def send(self, name_or_arn: str, payload: bytes) -> None:
        """Accept an event; a thread of its own invokes the function until it succeeds or the retries are used up."""
        logical_id, qualifier = self.find(name_or_arn)
        threading.Thread(target=self._work, args=(logical_id, qualifier, payload), daemon=True).start()

    def stop(self) -> None:
        """Retry nothing from now on."""
        self._stopping.set()

    def _work(self, logical_id: str, qualifier: str, payload: bytes) -> None:
        config = self._configs.get((logical_id, qualifier), {})
        tries = config.get("MaximumRetryAttempts", _DEFAULT_RETRIES)
        for attempt in range(int(tries) + 1):
            if attempt and self._stopping.wait(_RETRY_SECONDS[attempt - 1] * self._retry_scale):
                return
            answer = self._pool.invoke(logical_id, payload)
            if not answer.failed or self._stopping.is_set():
                break
        if not self._stopping.is_set():
            self._conclude(logical_id, qualifier, payload, answer, attempt + 1)

    def _conclude(self, logical_id: str, qualifier: str, payload: bytes, answer: Answer, count: int) -> None:
        destinations = self._configs.get((logical_id, qualifier), {}).get("DestinationConfig", {})
        destination = destinations.get("OnFailure" if answer.failed else "OnSuccess", {}).get("Destination")
        arn = f"{self._stack.resource(logical_id).arn}:{qualifier}"
        if destination:
            self._put(destination, json.dumps(_envelope(arn, qualifier, payload, answer, count)))
        letters = self._stack.resource(logical_id).properties.get("DeadLetterConfig", {}).get("TargetArn")
        if letters and answer.failed:
            self._put(letters, payload.decode(), _letter_attributes(answer))

    def _put(self, arn: str, body: str, attributes: dict[str, Any] | None = None) -> None:
        put(self._clients, arn, body, attributes)


def put(clients: Clients, arn: str, body: str, attributes: dict[str, Any] | None = None) -> None:
    """Send a message to the queue of an ARN."""
    if ":sqs:" not in arn:
        raise NotImplementedError(f"a destination that is no queue: {arn}")
    sqs = clients("sqs")
    url = sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
    group = {"MessageGroupId": "local"} if arn.endswith(".fifo") else {}
    sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes or {}, **group)


def _envelope(arn: str, version: str, payload: bytes, answer: Answer, count: int) -> dict[str, Any]:
    """What Lambda sends to a destination."""
    failure = {"functionError": "Unhandled"} if answer.failed else {}
    return {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": arn,
            "condition": "RetriesExhausted" if answer.failed else "Success",
            "approximateInvokeCount": count,
        },
        "requestPayload": json.loads(payload or b"null"),
        "responseContext": {"statusCode": 200, "executedVersion": version, **failure},
        "responsePayload": json.loads(answer.body or b"null"),
    }


def _letter_attributes(answer: Answer) -> dict[str, Any]:
    """What Lambda says about an event that it moves to a function's own dead-letter queue."""
    message = str(json.loads(answer.body).get("errorMessage", ""))[:1024] or "unknown"
    values = {"RequestID": str(uuid.uuid4()), "ErrorCode": "200", "ErrorMessage": message}
    return {name: {"DataType": "String", "StringValue": value} for name, value in values.items()}


def functions(stack: Stack, translated: Translated) -> list[Function]:
    """The stack's functions with their built artifacts."""
    found = []
    for logical_id, one in stack.of_type("AWS::Lambda::Function").items():
        if logical_id in translated.artifacts:
            found.append(_function(logical_id, one.physical_id, one.properties, translated))
    return found


def _function(logical_id: str, name: str, properties: dict[str, Any], translated: Translated) -> Function:
    variables = {key: str(value) for key, value in properties.get("Environment", {}).get("Variables", {}).items()}
    logging = properties.get("LoggingConfig", {})
    if logging.get("LogFormat") == "JSON":
        variables["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        variables["AWS_LAMBDA_LOG_LEVEL"] = logging.get("ApplicationLogLevel", "INFO")
    return Function(
        logical_id,
        name,
        properties["Handler"],
        translated.artifacts[logical_id],
        int(properties.get("Timeout", 3)),
        int(properties.get("MemorySize", 128)),
        variables,
    )
