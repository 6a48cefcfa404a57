"""The sandbox's resources: records whose status changes by itself as the injected clock advances."""

import heapq
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

#: Statuses of an operation in progress, for every kind.
TRANSITIONAL = frozenset({"CREATING", "UPDATING", "DELETING", "SYNCHRONIZING"})
GONE = "GONE"
#: The number of latest changes that a record keeps, in addition to the first.
_PAST = 20


@dataclass
class Step:
    """A planned status change; `then` may plan the next."""

    at: float
    status: str
    then: Callable[["Record"], None] | None = None
    reasons: tuple[str, ...] = ()


@dataclass
class Record:
    """A resource: `request` is the configuration in force, `status` the current status."""

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
    #: Previous states, each with the time until which the state lasted.
    past: list[tuple[float, "Record"]] = field(default_factory=list)
    #: Called when the record enters or plans a status.
    watcher: Callable[["Record"], None] | None = field(default=None, repr=False, compare=False)

    def go(self, status: str, *, now: float) -> None:
        """Save the previous state and enter a status. Callers change all other members afterwards."""
        self._keep(now)
        self.status, self.reasons, self.updated, self.next = status, (), now, None
        self._tell()

    def plan(
        self,
        at: float,
        status: str,
        then: Callable[["Record"], None] | None = None,
        reasons: tuple[str, ...] = (),
    ) -> None:
        """Plan the next status."""
        self.next = Step(at, status, then, reasons)
        self._tell()

    def _tell(self) -> None:
        if self.watcher is not None:
            self.watcher(self)

    def advance(self, now: float) -> None:
        """Take every planned step that is due."""
        while self.next is not None and self.next.at <= now:
            step, self.next = self.next, None
            self._keep(step.at)
            self.status, self.reasons = step.status, step.reasons
            if step.then is not None:
                step.then(self)

    def at(self, moment: float) -> "Record":
        """Return the state of the record at a time since the creation."""
        return next((was for until, was in self.past if until > moment), self)

    @property
    def since(self) -> float:
        """The time at which the record entered the current status."""
        return self.past[-1][0] if self.past else self.created

    @property
    def first(self) -> "Record":
        """The state of the record directly after the creation."""
        return self.past[0][1] if self.past else self

    def _keep(self, until: float) -> None:
        self.past.append((until, replace(self, extra=dict(self.extra), past=[])))
        del self.past[1:-_PAST]


class Records:
    """All resources of the plane. Deleted resources are excluded from every lookup."""

    def __init__(self, clock: Callable[[], float], epoch: datetime, seed: int = 0) -> None:
        self.clock = clock
        #: By kind and parent, in the order of creation.
        self._places: dict[tuple[str, str | None], dict[int, Record]] = {}
        self._tokens: dict[tuple[str, str], list[Record]] = {}
        self._gone: list[Record] = []
        #: The times at which records must be advanced, as a heap.
        self._due: list[tuple[float, int, Record]] = []
        self._count = itertools.count()
        self._random = random.Random(seed)  # noqa: S311 - ids need to differ, not to be secret
        self._epoch = epoch
        self.doubles: list[str] = []

    def add(self, record: Record) -> Record:
        """Add a resource; record a duplicate if a live resource of the same kind, parent and name exists."""
        if self.named(record.kind, record.name, record.parent):
            self.doubles.append(f"{record.kind} {record.name}")
        self._places.setdefault((record.kind, record.parent), {})[next(self._count)] = record
        if record.token:
            self._tokens.setdefault((record.kind, record.token), []).append(record)
        record.watcher = self._note
        self._note(record)
        return record

    def live(self, kind: str, parent: str | None = None) -> Iterator[Record]:
        """Yield every resource of a kind (under a parent) that exists now."""
        self._advance()
        places = [(kind, parent)] if parent is not None else [place for place in self._places if place[0] == kind]
        found = [one for place in places for one in self._places.get(place, {}).items()]
        for _, record in found if parent is not None else sorted(found, key=itemgetter(0)):
            if record.status == GONE:
                self._drop(record)
            else:
                yield record

    def shown(self, kind: str, parent: str | None = None, *, lag: float = 0.0) -> list[Record]:
        """Return every resource of a kind that reads show, in the state of `lag` seconds ago."""
        now, there = self.clock(), list(self.live(kind, parent))
        if lag > 0:
            gone = (r for r in self._gone if r.kind == kind and parent in (None, r.parent))
            there = [r.at(now - lag) for r in (*there, *gone) if r.created <= now - lag]
        return [r for r in there if r.visible <= now and r.status != GONE]

    def named(self, kind: str, name: str, parent: str | None = None) -> Record | None:
        """Return the live resource with that name."""
        return next((r for r in self.live(kind, parent) if r.name == name), None)

    def with_token(self, kind: str, token: str | None, *, gone: bool = False) -> Record | None:
        """Return the resource that a create with this client token made; a deleted resource only if `gone` is set."""
        self._advance()
        made = self._tokens.get((kind, token or ""), [])
        live = next((record for record in made if record.status != GONE), None)
        return live or (made[-1] if gone and made else None)

    def by_arn(self, arn: str) -> Record | None:
        """Return the resource with this ARN, of any kind."""
        self._advance()
        every = (record for place in self._places.values() for record in place.values())
        return next((record for record in every if record.arn == arn and record.status != GONE), None)

    def _note(self, record: Record) -> None:
        at = record.next.at if record.next is not None else self.clock()
        heapq.heappush(self._due, (at, next(self._count), record))

    def _advance(self) -> None:
        now = self.clock()
        while self._due and self._due[0][0] <= now:
            record = heapq.heappop(self._due)[2]
            record.advance(now)
            if record.status == GONE and record not in self._gone:
                self._drop(record)

    def _drop(self, record: Record) -> None:
        self._gone.append(record)
        place = self._places[record.kind, record.parent]
        for number in [number for number, one in place.items() if one is record]:
            del place[number]

    def new_id(self, length: int, alphabet: str = "abcdefghijklmnopqrstuvwxyz0123456789") -> str:
        """Return an identifier in the format of the service."""
        return "".join(self._random.choices(alphabet, k=length))

    def time(self, at: float | None = None) -> datetime:
        """Return a time of the injected clock as the service reports times."""
        return self._epoch + timedelta(seconds=self.clock() if at is None else at)
