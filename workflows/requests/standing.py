"""Standing still: since when nothing of a request has moved, and when it is given up: nothing waits for ever."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra.ledger import Item
from workflows.deciding.outcome import Outcome
from workflows.document.fingerprint import digest


@dataclass(frozen=True)
class Standing:
    """Where the resources of a request stood when something moved last, and when (seconds since the epoch)."""

    request_id: str
    since: float
    where: str = ""

    @classmethod
    def read(cls, item: Item | None, request_id: str, now: float) -> "Standing":
        """Read what a stack's item holds of it; a new one where it says nothing of this request."""
        held: Mapping[str, Any] = item or {}
        if held.get("requestId") != request_id:
            return cls(request_id, now)
        # A clock that ran ahead must not make this one wait for longer.
        return cls(request_id, min(float(held["since"]), now), str(held.get("where", "")))

    def item(self) -> dict[str, Any]:
        """Return what the stack's item holds of it."""
        return {"requestId": self.request_id, "since": self.since, "where": self.where}

    def seeing(self, outcome: Outcome, now: float) -> "Standing":
        """Return it as of an outcome: the same where nothing moved."""
        where = digest([[one.address, str(one.status), one.id, one.state] for one in outcome.results])
        return self if where == self.where else replace(self, since=now, where=where)

    def overdue(self, limit: float, now: float) -> bool:
        """Tell whether nothing moved for longer than a limit of seconds."""
        return now - self.since > limit
