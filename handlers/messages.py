"""Parses messages and events into requests. A refusal states the reason and never quotes the content."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workflows.document.problems import Invalid
from workflows.requests.authority import Submitter
from workflows.requests.request import NotARequest, Request, is_id, read_request

#: SQS and EventBridge deliver no larger bodies (a queue accepts at most 1 MiB).
_LARGEST = 1_048_576


@dataclass(frozen=True)
class Message:
    """A message of a queue: a request, or the problems of its detail."""

    id: str
    request_id: str
    request: Request | Invalid
    submitter: Submitter
    #: The id of the event or message, which the sender cannot choose.
    transport_id: str = ""

    @property
    def stack(self) -> str:
        """The stack of the request; the message id if no stack can be read."""
        named = self.request.stack if isinstance(self.request, Request) else ""
        return named or self.id


def read_message(record: Mapping[str, Any], bus_queue: str = "") -> Message:
    """Parse an SQS record, whose body is a detail with its `detailType`, or a whole EventBridge event.

    The account and source that an event states are trusted only in `bus_queue`, because only the bus can send to that
    queue. In any other queue, the submitter is the sender of the message. Raises NotARequest.
    """
    body = read_json(record.get("body"))
    message_id, queue = text_of(record, "messageId"), text_of(record, "eventSourceARN")
    if not isinstance(body, Mapping):
        raise NotARequest("a message's body must be a JSON object")
    submitter = Submitter(queue=queue, sender=text_of(attributes_of(record), "SenderId"))
    if "detail-type" in body:
        if bus_queue and queue == bus_queue:
            submitter = submitter_of(body)
        detail_type, detail, default_id = body["detail-type"], body.get("detail"), id_of(body) or message_id
    else:
        detail_type, default_id = body.get("detailType"), message_id
        detail = {name: value for name, value in body.items() if name != "detailType"}
    request = _read(detail_type, detail, default_id, submitter)
    return Message(message_id, request_id_of(detail, default_id), request, submitter, default_id)


def text_of(value: Mapping[str, Any], name: str) -> str:
    """Return a member that is a string; an empty string if the member is missing or of another type."""
    found = value.get(name)
    return found if isinstance(found, str) else ""


def id_of(event: Mapping[str, Any]) -> str:
    """Return the id of an event; an empty string if the event has no valid id."""
    found = text_of(event, "id")
    return found if is_id(found) else ""


def attributes_of(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the attributes that SQS adds to a message."""
    found = record.get("attributes")
    return found if isinstance(found, Mapping) else {}


def request_id_of(detail: Any, default_id: str) -> str:
    """Return the request id, under which the outcome is published even if the detail is invalid."""
    named = detail.get("requestId") if isinstance(detail, Mapping) else None
    return named if isinstance(named, str) and is_id(named) else default_id


def submitter_of(event: Mapping[str, Any]) -> Submitter:
    """Return the submitter of an event, as EventBridge states account and source."""
    return Submitter(account=text_of(event, "account"), source=text_of(event, "source"))


def read_event(event: Mapping[str, Any]) -> Request:
    """Parse an EventBridge event. Raises NotARequest or Invalid."""
    detail_type, detail = event.get("detail-type"), event.get("detail")
    return read_request(detail_type, detail, default_id=id_of(event), submitter=submitter_of(event))


def read_json(text: Any) -> Any:
    """Parse JSON strictly: no duplicate names, no NaN. Raises NotARequest."""
    if not isinstance(text, str) or len(text) > _LARGEST:
        raise NotARequest("a message's body must be a JSON text of at most 1 MiB")
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise NotARequest("a message's body must be JSON, without duplicate names") from None


def _read(detail_type: Any, detail: Any, default_id: str, submitter: Submitter) -> Request | Invalid:
    try:
        return read_request(detail_type, detail, default_id=default_id, submitter=submitter)
    except Invalid as invalid:
        return invalid


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("duplicate name")
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(name)
