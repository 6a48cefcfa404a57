"""Announcements and requests: events on a bus, or log lines where no bus is set."""

import json
from collections.abc import Mapping
from typing import Any

import structlog

from infra.aws import Aws
from infra.deadline import Deadline
from infra.errors import CallFailed, Verdict

SOURCE = "gatewright"
#: The source of requests that the worker itself sends, for a schedule.
SCHEDULE = "gatewright.schedule"
#: Seconds for which sending an announcement is tried.
_SECONDS = 20.0


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
        await self.put(SOURCE, detail_type, detail)

    async def ask(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Ask for something as a schedule does. Raises CallFailed."""
        await self.put(SCHEDULE, detail_type, detail)

    async def put(self, source: str, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Put an event on the bus. Raises CallFailed when the bus does not take it."""
        entry = {
            "Source": source,
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
            "EventBusName": self._name,
        }
        calls = self._aws.within(Deadline.within(_SECONDS))
        answer = await calls("PutEvents", {"Entries": [entry]}, service="events")
        if answer.get("FailedEntryCount"):
            failed = answer["Entries"][0]
            code, message = failed.get("ErrorCode", ""), failed.get("ErrorMessage", "")
            raise CallFailed("PutEvents", Verdict.UNKNOWN_OUTCOME, code, message)
