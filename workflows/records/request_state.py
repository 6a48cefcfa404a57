"""The record of a request in the ledger: the same members for a provision, a removal and a synchronization."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class Mode(StrEnum):
    """The type of a request."""

    PROVISION = "PROVISION"
    REMOVE = "REMOVE"
    SYNCHRONIZE = "SYNCHRONIZE"


@dataclass(frozen=True)
class Stall:
    """Since when a request has made no progress (seconds since the epoch), and a digest of its state since then."""

    since: float
    state: str = ""
    #: Whether the timer belongs to the rollback of the request, which is timed separately.
    rollback: bool = False

    def at(self, state: str, now: float) -> "Stall":
        """Return the timer for the present state; a changed state starts the timer again."""
        # A clock that ran ahead when the timer started must not prolong the wait.
        since = min(self.since, now)
        return replace(self, since=since) if state == self.state else replace(self, since=now, state=state)

    def overdue(self, limit: float, now: float) -> bool:
        """Return whether the state has been the same for more than `limit` seconds."""
        return now - self.since > limit


@dataclass(frozen=True)
class ConsentWait:
    """Since when people are asked for consent (seconds since the epoch), and which URLs were published, by address."""

    since: Mapping[str, float] = field(default_factory=dict)
    #: Digests of published URLs, by address: the URLs themselves act as bearer tokens and are not stored.
    published: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rollback: bool = False

    def knowing(self, others: Iterable["ConsentWait"]) -> "ConsentWait":
        """Return the wait with the URLs that concurrent requests have published, as each URL is published only once."""
        published = dict(self.published)
        for other in others:
            for address, said in other.published.items():
                published[address] = tuple(dict.fromkeys((*published.get(address, ()), *said)))
        return replace(self, published=published)

    def sharing(self, others: Iterable["ConsentWait"]) -> "ConsentWait":
        """Return a copy that waits for as long as other requests for the same generation do."""
        since = dict(self.since)
        for other in others:
            since |= {address: min(at, since.get(address, at)) for address, at in other.since.items()}
        return replace(self, since=since)

    def asking(self, asked: Iterable[str], ready: Iterable[str], now: float) -> "ConsentWait":
        """Return the wait as of now: addresses that are new start now, and resources that are READY are dropped."""
        done = set(ready)
        since = {address: at for address, at in self.since.items() if address not in done}
        since |= {address: now for address in asked if address not in since}
        published = {address: said for address, said in self.published.items() if address in since}
        return replace(self, since=since, published=published)

    def publishing(self, said: Mapping[str, str]) -> "ConsentWait":
        """Return the wait with newly published digests, by address; equal where all of them were published before."""
        published = dict(self.published)
        for address, one in said.items():
            if one not in published.get(address, ()):
                published[address] = (*published.get(address, ()), one)
        return replace(self, published=published)

    def waited(self, now: float) -> float:
        """Return the seconds since the oldest open question for consent."""
        return now - min(self.since.values(), default=now)

    def overdue(self, address: str, timeout: float, now: float) -> bool:
        """Return whether an address has waited for consent for more than `timeout` seconds."""
        return now - self.since.get(address, now) > timeout


def key_of(request_id: str, mode: Mode) -> str:
    """Return the key of a request in the stack record. Ids of requests are printable, so no id looks like a key."""
    return f"synchronization\n{request_id}" if mode is Mode.SYNCHRONIZE else request_id


@dataclass(frozen=True)
class RequestState:
    """A request that was accepted for a stack."""

    id: str
    mode: Mode
    #: The generation to which the request raised the stack; None where the request works on the document in force.
    generation: int | None = None
    #: The submitter, as JSON; None where unknown.
    submitter: Mapping[str, Any] | None = None
    #: Addresses of which the request approves deletion and replacement.
    allow: tuple[str, ...] = ()
    #: Whether nothing is deleted or replaced beyond these.
    only_approved: bool = False
    accepted_at: float = 0.0
    #: Whether a run has published that the request was accepted.
    announced: bool = False
    #: The final status; empty until the request ends.
    status: str = ""
    #: Of the last synchronization: the last outcome, as JSON.
    outcome: Mapping[str, Any] | None = None
    stall: Stall | None = None
    consent: ConsentWait | None = None
    #: Until when no call of the worker got through (seconds since the epoch). That time counts for no timeout.
    no_calls_until: float = 0.0
    #: Whether a schedule or an event made the request, for the submitter of the request in force.
    unattended: bool = False

    @property
    def key(self) -> str:
        """The key of the request in the stack record: a synchronization may have the id of another request."""
        return key_of(self.id, self.mode)

    @property
    def ended(self) -> "RequestState":
        """The request without the members that matter only while the request is in force."""
        return replace(self, allow=(), only_approved=False, outcome=None, stall=None, consent=None, no_calls_until=0.0)

    @property
    def beside(self) -> "RequestState":
        """The request after another request for the same generation: it still approves, should it be continued."""
        return replace(self.ended, allow=self.allow, only_approved=self.only_approved)

    @classmethod
    def read(cls, key: str, item: Mapping[str, Any]) -> "RequestState":
        """Read the state of a request from a stack's item."""
        stall, consent = item.get("stall"), item.get("consent")
        published = {address: tuple(said) for address, said in (consent or {}).get("published", {}).items()}
        return cls(
            key.rpartition("\n")[2],
            Mode(item["mode"]),
            item.get("generation"),
            item.get("submitter"),
            tuple(item.get("allow", ())),
            bool(item.get("only_approved")),
            float(item.get("accepted_at", 0.0)),
            bool(item.get("announced")),
            item.get("status", ""),
            item.get("outcome"),
            Stall(**stall) if stall else None,
            ConsentWait(**{**consent, "published": published}) if consent else None,
            float(item.get("no_calls_until", 0.0)),
            bool(item.get("unattended")),
        )

    def item(self) -> dict[str, Any]:
        """Return the state to store, without members at their defaults."""
        consent = self.consent
        shown = {
            "mode": str(self.mode),
            "generation": self.generation,
            "submitter": self.submitter,
            "allow": list(self.allow),
            "only_approved": self.only_approved,
            "accepted_at": self.accepted_at,
            "announced": self.announced,
            "status": self.status,
            "outcome": self.outcome,
            "stall": vars(self.stall).copy() if self.stall is not None else None,
            "consent": _shown(consent) if consent is not None else None,
            "no_calls_until": self.no_calls_until,
            "unattended": self.unattended,
        }
        return {name: value for name, value in shown.items() if value not in (None, "", [], 0.0, False)}


def _shown(consent: ConsentWait) -> dict[str, Any]:
    published = {address: list(said) for address, said in consent.published.items()}
    return {"since": dict(consent.since), "published": published, "rollback": consent.rollback}
