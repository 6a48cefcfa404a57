"""What the ledger keeps of one request of a stack: the same of a provision, a removal and a synchronization."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class Mode(StrEnum):
    """What a request asks for."""

    PROVISION = "PROVISION"
    REMOVE = "REMOVE"
    SYNCHRONIZE = "SYNCHRONIZE"


@dataclass(frozen=True)
class Stall:
    """Since when nothing of a request has moved (seconds since the epoch), and in which state it all is since then."""

    since: float
    state: str = ""
    #: Whether it is its rollback that does not move: that has a time of its own.
    rollback: bool = False

    def at(self, state: str, now: float) -> "Stall":
        """Return the timer as of a state: it starts again where that is another one."""
        # A clock that ran ahead must not make this one wait for longer.
        since = min(self.since, now)
        return replace(self, since=since) if state == self.state else replace(self, since=now, state=state)

    def overdue(self, limit: float, now: float) -> bool:
        """Tell whether nothing moved for longer than a limit of seconds."""
        return now - self.since > limit


@dataclass(frozen=True)
class ConsentWait:
    """Since when people are asked for consent (seconds since the epoch), by address, and what was published of it."""

    since: Mapping[str, float] = field(default_factory=dict)
    #: Digests of what was published, by address: URLs themselves act as bearer tokens and are not kept.
    published: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rollback: bool = False

    def knowing(self, others: Iterable["ConsentWait"]) -> "ConsentWait":
        """Return it with what other requests that wait for the same published: each URL is published once."""
        published = dict(self.published)
        for other in others:
            for address, said in other.published.items():
                published[address] = tuple(dict.fromkeys((*published.get(address, ()), *said)))
        return replace(self, published=published)

    def asking(self, asked: Iterable[str], ready: Iterable[str], now: float) -> "ConsentWait":
        """Return it as of now: who is asked first waits from now on, and nobody waits for a resource that is READY."""
        done = set(ready)
        since = {address: at for address, at in self.since.items() if address not in done}
        since |= {address: now for address in asked if address not in since}
        published = {address: said for address, said in self.published.items() if address in since}
        return replace(self, since=since, published=published)

    def publishing(self, said: Mapping[str, str]) -> "ConsentWait":
        """Return it with what is published now, by address; the same where that is no news."""
        published = dict(self.published)
        for address, one in said.items():
            if one not in published.get(address, ()):
                published[address] = (*published.get(address, ()), one)
        return replace(self, published=published)

    def waited(self, now: float) -> float:
        """Return the seconds for which the first of them has waited."""
        return now - min(self.since.values(), default=now)

    def overdue(self, address: str, timeout: float, now: float) -> bool:
        """Tell whether nobody consented in time."""
        return now - self.since.get(address, now) > timeout


@dataclass(frozen=True)
class RequestState:
    """One request that was accepted for a stack."""

    id: str
    mode: Mode
    #: The generation that it raised the stack to; None where it works on the document in force.
    generation: int | None = None
    #: Who sent it, as JSON; None where that is not known.
    submitter: Mapping[str, Any] | None = None
    #: Addresses that it allows to be deleted or replaced.
    allow: tuple[str, ...] = ()
    accepted_at: float = 0.0
    #: Whether a run that began to work on it announced that it was accepted.
    announced: bool = False
    #: How it ended, once it did.
    status: str = ""
    #: Of the last synchronization: its last outcome, as JSON.
    outcome: Mapping[str, Any] | None = None
    stall: Stall | None = None
    consent: ConsentWait | None = None

    @property
    def ended(self) -> "RequestState":
        """The request without the members that matter only while it is worked on."""
        return replace(self, allow=(), outcome=None, stall=None, consent=None)

    @classmethod
    def read(cls, request_id: str, item: Mapping[str, Any]) -> "RequestState":
        """Read the state of a request from a stack's item."""
        stall, consent = item.get("stall"), item.get("consent")
        published = {address: tuple(said) for address, said in (consent or {}).get("published", {}).items()}
        return cls(
            request_id,
            Mode(item["mode"]),
            item.get("generation"),
            item.get("submitter"),
            tuple(item.get("allow", ())),
            float(item.get("accepted_at", 0.0)),
            bool(item.get("announced")),
            item.get("status", ""),
            item.get("outcome"),
            Stall(**stall) if stall else None,
            ConsentWait(**{**consent, "published": published}) if consent else None,
        )

    def item(self) -> dict[str, Any]:
        """Return the state to store, without members at their defaults."""
        consent = self.consent
        shown = {
            "mode": str(self.mode),
            "generation": self.generation,
            "submitter": self.submitter,
            "allow": list(self.allow),
            "accepted_at": self.accepted_at,
            "announced": self.announced,
            "status": self.status,
            "outcome": self.outcome,
            "stall": vars(self.stall).copy() if self.stall is not None else None,
            "consent": _shown(consent) if consent is not None else None,
        }
        return {name: value for name, value in shown.items() if value not in (None, "", [], 0.0, False)}


def _shown(consent: ConsentWait) -> dict[str, Any]:
    published = {address: list(said) for address, said in consent.published.items()}
    return {"since": dict(consent.since), "published": published, "rollback": consent.rollback}
