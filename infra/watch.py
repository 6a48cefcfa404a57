"""Waiting for statuses to change: one watch polls for all who wait, however many they are.

A watch asks when the earliest of its waiters is due, and one answer wakes everyone whom it concerns. A waiter's
due time grows with the time since its own operation; once an operation of its sort has been seen to end, the next
is asked about when that one would have been done. There is no task of its own: whoever is due first asks.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import anyio

from infra.deadline import Deadline
from infra.errors import OutOfTime

S = TypeVar("S")

#: A waiter asks again after this part of the time that it has waited, but not sooner or later than these seconds.
FRACTION = 0.1
FLOOR = 0.2
CEILING = 60.0
#: Durations are learned to this precision in seconds, and asked about this much later than learned, so that one
#: poll serves operations that began together.
PRECISION = 0.05
SLACK = 1.03


@dataclass
class Duration:
    """What was learned about the duration of one sort of operation: not done after `low`, done after `high`."""

    low: float = 0.0
    high: float = 0.0

    def first_look(self) -> float:
        """Return the seconds after which to ask first; 0 when nothing is known."""
        wide = self.high - self.low > max(PRECISION, FRACTION * self.high / 2)
        return (self.low + self.high) / 2 if wide else self.high * SLACK

    def foresees(self, not_yet: float) -> bool:
        """Tell whether the end of what is not done after so long is still to come, as others of its sort ended."""
        return not_yet < max(self.high, self.first_look())

    def not_done(self, seconds: float) -> None:
        """Learn that an operation was still under way after so long."""
        if seconds < self.high:
            self.low = max(self.low, seconds)

    def done(self, not_yet: float, seconds: float) -> None:
        """Learn that an operation ended between two moments."""
        if self.high == 0 or seconds < self.high or not_yet > self.high:
            self.low, self.high = not_yet, seconds


@dataclass(frozen=True)
class Look(Generic[S]):
    """What one poll saw, and when it was begun."""

    at: float
    seen: Mapping[str, S]


@dataclass
class Watch(Generic[S]):
    """Polls one place (a gateway's targets, one provider) that holds states by key."""

    poll: Callable[[], Awaitable[Mapping[str, S]]]
    deadline: Deadline
    on_look: Callable[[Mapping[str, S]], None]
    _latest: Look[S] | None = None
    _asking: bool = False
    _news: anyio.Event = field(default_factory=anyio.Event)
    _durations: dict[str, Duration] = field(default_factory=dict)

    async def until(self, key: str, sort: str, began: float, done: Callable[[S | None], bool]) -> S | None:
        """Wait until a poll begun after `began` shows that it is done, and return what it shows (None: gone).

        `sort` names operations whose durations are alike. Raises OutOfTime, or what the poll raises.
        """
        known = self._durations.setdefault(sort, Duration())
        not_yet = 0.0
        while True:
            look = self._latest
            if look is not None and look.at > began:
                if done(look.seen.get(key)):
                    known.done(not_yet, look.at - began)
                    return look.seen.get(key)
                not_yet = max(not_yet, look.at - began)
                known.not_done(not_yet)
            await self._next(self._due(began, not_yet, known), key, foreseen=known.foresees(not_yet))

    @property
    def last(self) -> Mapping[str, S]:
        """What the last poll showed; nothing before the first."""
        return self._latest.seen if self._latest is not None else {}

    async def look(self) -> Mapping[str, S]:
        """Poll now and return what is seen."""
        began = anyio.current_time()
        while self._latest is None or self._latest.at < began:
            await self._ask()
        return self._latest.seen

    def _due(self, began: float, not_yet: float, known: Duration) -> float:
        first = began + known.first_look()
        if known.high and began + not_yet < first:
            return first
        if known.high and not_yet < known.high:
            return began + known.high * SLACK
        return began + not_yet + min(max(FRACTION * not_yet, FLOOR), CEILING)

    async def _next(self, due: float, key: str, *, foreseen: bool) -> None:
        """Return when there is news, asking for it oneself when due."""
        wait = due - anyio.current_time()
        self.deadline.allow(max(0.0, wait), key, known=foreseen)
        news = self._news
        with anyio.move_on_after(max(0.0, wait)):
            await news.wait()
        if not news.is_set():
            await self._ask()

    async def _ask(self) -> None:
        """Poll, or wait for the poll that is under way."""
        if self._asking:
            await self._news.wait()
            return
        self._asking = True
        try:
            at = anyio.current_time()
            seen = await self.poll()
            self._latest = Look(at, seen)
            self.on_look(seen)
        finally:
            # Also after a failure: another waiter must ask then, and meet it itself.
            self._asking = False
            self._news.set()
            self._news = anyio.Event()


class Slots:
    """Places for operations in flight under one parent: those of others that are seen there count too."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._mine: set[str] = set()
        #: Operations that are under way and that this run no longer waits for, with the time to come back.
        self._left: dict[str, float] = {}
        self._others: set[str] = set()
        self._freed = anyio.Event()

    async def take(self, key: str, wait_for_others: Callable[[], Awaitable[object]]) -> None:
        """Take a place. When others hold them all, `wait_for_others` is awaited, again and again.

        Raises OutOfTime when operations that this run left to the next one hold the places.
        """
        while len(self._mine | self._others | set(self._left)) >= self._limit:
            if self._mine:
                await self._freed.wait()
            elif self._left:
                raise OutOfTime("operations that are under way hold every place", min(self._left.values()))
            else:
                await wait_for_others()
        self._mine.add(key)

    def free(self, key: str) -> None:
        """Give a place back; giving back what one does not hold is no mistake."""
        self._mine.discard(key)
        self._wake()

    def leave(self, key: str, retry_after: float) -> None:
        """Stop waiting for an operation that is under way: its place stays taken."""
        self._left[key] = retry_after
        self.free(key)

    def seen(self, moving: set[str]) -> None:
        """Take note of the operations that are under way now."""
        self._others = moving - self._mine
        self._wake()

    def _wake(self) -> None:
        self._freed.set()
        self._freed = anyio.Event()
