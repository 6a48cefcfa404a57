"""Publishes outcomes and requests: as events on a bus, or as log lines if no bus is configured."""

import json
from collections.abc import Mapping
from typing import Any

import structlog

from infra.aws import Aws
from infra.deadline import Deadline
from infra.errors import CallFailed, ErrorClass

SOURCE = "gatewright"
#: The event source of requests that a schedule makes the worker send.
SCHEDULE = "gatewright.schedule"
#: Seconds for which sending an event is tried.
_SECONDS = 20.0


class Bus:
    """Sends events to a bus, at least once."""

    def __init__(self, aws: Aws, name: str) -> None:
        self._aws = aws
        self._name = name

    async def announce(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Publish an event of the deployment. Raises CallFailed if the bus does not accept the event."""
        if not self._name:
            structlog.get_logger().info("announcement", detail_type=detail_type, request=detail.get("requestId"))
            return
        await self.put(SOURCE, detail_type, detail)

    async def ask(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Send a request on behalf of a schedule. Raises CallFailed if the bus does not accept the event."""
        await self.put(SCHEDULE, detail_type, detail)

    async def put(self, source: str, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Put an event on the bus. Raises CallFailed if the bus does not accept the event."""
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
            raise CallFailed("PutEvents", ErrorClass.UNKNOWN_OUTCOME, code, message)
