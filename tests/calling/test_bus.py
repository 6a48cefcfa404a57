"""The bus: what it did not take was not announced, and what is asked for goes as it is."""

import json
from dataclasses import replace
from typing import Any

import pytest

from infra.bus import Bus
from infra.errors import CallFailed
from workflows.document.problems import Problem
from workflows.planner.outcome import Outcome, Status
from workflows.requests.answers import tell


class Events:
    """A bus's client that takes entries, or says that it did not."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.sent: list[dict[str, Any]] = []

    async def put_events(self, **params: Any) -> dict[str, Any]:
        self.sent += params["Entries"]
        refused = [{"ErrorCode": "AccessDeniedException", "ErrorMessage": "not yours"}] if self.refuses else []
        return {"FailedEntryCount": len(refused), "Entries": refused}


async def test_an_entry_that_the_bus_did_not_take_is_an_error(world):
    """The call as such succeeds; its entry may not."""
    world.beside["events"] = Events(refuses=True)
    with pytest.raises(CallFailed, match="AccessDeniedException: not yours"):
        await Bus(world.context().aws, "bus").put("team", "Gateway Stack Requested", {"stack": "x"})


async def test_only_announcements_are_cut(world):
    """A request that is too long is for the bus to refuse: cut, it would be another one."""
    world.beside["events"] = events = Events()
    bus, detail = Bus(world.context().aws, "bus"), {"stack": "x", "problems": ["p" * 1000] * 400}
    await bus.put("team", "Gateway Stack Requested", detail)
    problems = (Problem("x", "type", "p" * 1000),) * 400
    await tell(replace(world.context(), announce=bus.announce), Outcome("x", Status.REJECTED, problems=problems))
    asked, told = (json.loads(one["Detail"]) for one in events.sent)
    assert asked == detail
    assert told["truncated"]
