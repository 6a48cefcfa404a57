"""Resources as the sandbox keeps them: a status that moves by itself as the injected clock moves."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

#: Statuses that mean that an operation is under way, for every kind.
TRANSITIONAL = frozenset({"CREATING", "UPDATING", "DELETING", "SYNCHRONIZING"})
GONE = "GONE"


@dataclass
class Step:
    """A change of status that is due at a time; `then` may plan the next."""

    at: float
    status: str
    then: Callable[["Record"], None] | None = None
    reasons: tuple[str, ...] = ()


@dataclass
class Record:
    """One resource: `request` is what its owner last asked for and is in force, `status` where it stands."""

    kind: str
    id: str
    name: str
    arn: str
    request: dict[str, Any]
    created: float
    parent: str | None = None
    updated: float = 0.0
    status: str = "CREATING"
    reasons: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    token: str | None = None
    visible: float = 0.0
    next: Step | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def go(self, status: str, *, now: float) -> None:
        """Enter a status at once."""
        self.status, self.reasons, self.updated, self.next = status, (), now, None

    def plan(
        self,
        at: float,
        status: str,
        then: Callable[["Record"], None] | None = None,
        reasons: tuple[str, ...] = (),
    ) -> None:
        """Plan the next status."""
        self.next = Step(at, status, then, reasons)

    def advance(self, now: float) -> None:
        """Take every step that is due."""
        while self.next is not None and self.next.at <= now:
            step, self.next = self.next, None
            self.status, self.reasons = step.status, step.reasons
            if step.then is not None:
                step.then(self)


class Records:
    """All resources of the plane, the gone ones left out of every look-up."""

    def __init__(self, clock: Callable[[], float], epoch: datetime, seed: int = 0) -> None:
        self.clock = clock
        self._all: list[Record] = []
        self._random = random.Random(seed)  # noqa: S311 - ids need to differ, not to be secret
        self._epoch = epoch
        self.doubles: list[str] = []

    def add(self, record: Record) -> Record:
        """Keep a new resource, noting it when a live one of that kind, parent and name exists already."""
        if self.named(record.kind, record.name, record.parent):
            self.doubles.append(f"{record.kind} {record.name}")
        self._all.append(record)
        return record

    def live(self, kind: str, parent: str | None = None) -> Iterator[Record]:
        """Every resource of a kind (under a parent) that still exists now."""
        now = self.clock()
        for record in self._all:
            record.advance(now)
        self._all = [record for record in self._all if record.status != GONE]
        return (r for r in list(self._all) if r.kind == kind and parent in (None, r.parent))

    def visible(self, kind: str, parent: str | None = None) -> list[Record]:
        """Every resource of a kind that reads already show."""
        now = self.clock()
        return [r for r in self.live(kind, parent) if r.visible <= now]

    def named(self, kind: str, name: str, parent: str | None = None) -> Record | None:
        """The live resource of that name."""
        return next((r for r in self.live(kind, parent) if r.name == name), None)

    def with_token(self, kind: str, token: str | None) -> Record | None:
        """The resource that a create with this client token made."""
        return next((r for r in self.live(kind) if token and r.token == token), None)

    def by_arn(self, arn: str) -> Record | None:
        """The resource with this ARN, of whatever kind."""
        return next((r for r in self._all if r.arn == arn and r.status != GONE), None)

    def new_id(self, length: int, alphabet: str = "abcdefghijklmnopqrstuvwxyz0123456789") -> str:
        """Return an identifier as the service makes them."""
        return "".join(self._random.choices(alphabet, k=length))

    def time(self, at: float | None = None) -> datetime:
        """Return a moment of the injected clock as the service reports it."""
        return self._epoch + timedelta(seconds=self.clock() if at is None else at)
