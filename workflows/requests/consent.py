"""Consent in time: since when a stack waits for a person, whether that was told, and when it is given up."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra.ledger import Item
from workflows.deciding.outcome import Outcome
from workflows.document.fingerprint import digest

#: Seconds between two looks at whether a person has consented: a tenth of the wait so far, within these.
_SOONEST, _LATEST = 30.0, 300.0


@dataclass(frozen=True)
class Waiting:
    """How a stack waits for consent: since when (seconds since the epoch), and what was told last."""

    #: With a word of its own for the rollback of a generation.
    generation: int | str
    since: float
    told: str = ""

    @classmethod
    def read(cls, item: Item, generation: int | str, now: float) -> "Waiting":
        """Read what a stack's item says; a new wait where it says nothing of this generation."""
        held: Mapping[str, Any] = item.get("consent") or {}
        if held.get("generation") != generation:
            return cls(generation, now)
        return cls(generation, float(held["since"]), str(held.get("told", "")))

    def item(self) -> dict[str, Any]:
        """Return the member of the stack's item."""
        return {"consent": {"generation": self.generation, "since": self.since, "told": self.told}}

    def telling(self, outcome: Outcome) -> "Waiting":
        """Return it with what an outcome tells; the same where that is no news. URLs are kept as digests alone."""
        urls = [[address, str(one.get("authorizationUrl", ""))] for address, one in outcome.asking.items()]
        return replace(self, told=digest([str(outcome.status), *urls]))

    def look_again(self, now: float) -> float:
        """Return the seconds until it is worth looking again."""
        return min(_LATEST, max(_SOONEST, round((now - self.since) / 10)))

    def overdue(self, timeout: float, now: float) -> bool:
        """Tell whether nobody consented in time."""
        return now - self.since > timeout
