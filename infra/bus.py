"""Announcements: events on a bus, or log lines where no bus is set."""

import json
from collections.abc import Mapping
from typing import Any

import structlog

from infra.aws import Aws
from infra.deadline import Deadline
from infra.errors import CallFailed, Verdict

SOURCE = "gatewright"
#: Seconds for which sending an announcement is tried.
_SECONDS = 20.0
#: EventBridge takes 256 KiB an entry; what is longer is cut to its essentials.
_LARGEST = 240_000


class Bus:
    """Sends announcements, at least once."""

    def __init__(self, aws: Aws, name: str) -> None:
        self._aws = aws
        self._name = name

    async def announce(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Announce something. Raises CallFailed when the bus does not take it."""
        if not self._name:
            structlog.get_logger().info("announcement", detail_type=detail_type, request=detail.get("requestId"))
            return
        entry = {
            "Source": SOURCE,
            "DetailType": detail_type,
            "Detail": _text(detail),
            "EventBusName": self._name,
        }
        calls = self._aws.within(Deadline.within(_SECONDS))
        answer = await calls("PutEvents", {"Entries": [entry]}, service="events")
        if answer.get("FailedEntryCount"):
            failed = answer["Entries"][0]
            code, message = failed.get("ErrorCode", ""), failed.get("ErrorMessage", "")
            raise CallFailed("PutEvents", Verdict.UNKNOWN_OUTCOME, code, message)


def _text(detail: Mapping[str, Any]) -> str:
    text = json.dumps(detail)
    if len(text.encode()) <= _LARGEST:
        return text
    resources = {address: {"status": one["status"]} for address, one in detail.get("resources", {}).items()}
    return json.dumps({**detail, "resources": resources, "truncated": True})
