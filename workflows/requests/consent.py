"""Consent in time: since when people are asked, what was told of that, and when a resource is given up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from workflows.deciding.outcome import Outcome, ResourceStatus
from workflows.document.fingerprint import digest

#: Seconds between two looks at whether a person has consented: a tenth of the wait so far, within these.
_SOONEST, _LATEST = 30.0, 300.0


@dataclass(frozen=True)
class Waiting:
    """How a request waits for people: since when each resource asks (seconds since the epoch), and what was told."""

    #: The generation, with a word of its own for its rollback; of a synchronization the request.
    of: int | str
    since: Mapping[str, float] = field(default_factory=dict)
    #: By address, the digests of what was told: URLs themselves act as bearer tokens and are not kept.
    told: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, held: Mapping[str, Any] | None, of: int | str) -> "Waiting":
        """Read what a stack's item holds; a new wait where it holds nothing of this one, or in an older form."""
        held = held or {}
        if held.get("generation") != of or not isinstance(held.get("since"), Mapping):
            return cls(of)
        return cls(of, dict(held["since"]), {address: tuple(told) for address, told in held["told"].items()})

    def item(self) -> dict[str, Any]:
        """Return what the stack's item holds of it."""
        told = {address: list(one) for address, one in self.told.items()}
        return {"generation": self.of, "since": dict(self.since), "told": told}

    def knowing(self, others: Iterable[Mapping[str, Any]]) -> "Waiting":
        """Return it with what other requests that wait for the same told: each URL is told once."""
        told = dict(self.told)
        for other in others:
            for address, said in other.get("told", {}).items():
                told[address] = tuple(dict.fromkeys((*told.get(address, ()), *said)))
        return replace(self, told=told)

    def seeing(self, outcome: Outcome, now: float) -> "Waiting":
        """Return it as of an outcome: who is asked first waits from now on, and for what is READY nobody waits."""
        done = {one.address for one in outcome.results if one.status is ResourceStatus.READY}
        since = {address: at for address, at in self.since.items() if address not in done}
        since |= {address: now for address in outcome.asking if address not in since}
        return replace(self, since=since, told={a: told for a, told in self.told.items() if a in since})

    def telling(self, outcome: Outcome) -> "Waiting":
        """Return it with what an outcome tells; the same where that is no news."""
        told = dict(self.told)
        for address, asked in outcome.asking.items():
            said = digest([str(outcome.status), str(asked.get("authorizationUrl", ""))])
            if said not in told.get(address, ()):
                told[address] = (*told.get(address, ()), said)
        return replace(self, told=told)

    def look_again(self, now: float) -> float:
        """Return the seconds until it is worth looking again."""
        waited = now - min(self.since.values(), default=now)
        return min(_LATEST, max(_SOONEST, round(waited / 10)))

    def overdue(self, address: str, timeout: float, now: float) -> bool:
        """Tell whether nobody consented in time."""
        return now - self.since.get(address, now) > timeout
