"""Waiting for resource statuses: a shared poll serves all waiters, so more waiters do not cause more calls.

A Watch polls a place that lists the state of several resources by key, such as the targets of a gateway. `until`
returns when a poll shows that the waiter's operation is done. Only polls that began after the operation count, because
an older poll may show the previous state.

No background task exists. Each waiter computes a due time and sleeps until then, or until another waiter has polled.
The waiter that is due first polls; the result wakes all waiters, and each waiter checks the state of a single resource.
If the poll raises, the exception reaches the polling waiter, and the next waiter that is due polls again.

The due time depends on past durations of operations of the same sort, for example updates of targets:

- Nothing known: the pause is 10 % of the time since the waiter's own operation began, at least 0.2 and at most 60
  seconds. The number of polls therefore grows with the logarithm of the duration.
- A duration known: `Duration` keeps `low`, the longest time after which an operation was still in progress, and `high`,
  the time after which an operation was done. The first poll takes place when that operation would have been done: 3 %
  after `high`, or in the middle of a wide interval, to narrow the interval.

A wait that is longer than the patience of the run raises OutOfTime, and the next run continues. If a known duration
predicts the end, waits of up to 5 seconds are permitted whatever the patience (infra.deadline).

`InFlightLimiter` limits the operations in flight under a parent, for services that refuse further concurrent
operations.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import anyio

from infra.deadline import Deadline
from infra.errors import OutOfTime

S = TypeVar("S")

#: The pause before the next poll as a fraction of the time since the operation began, and its bounds in seconds.
FRACTION = 0.1
FLOOR = 0.2
CEILING = 60.0
#: Durations are learned to this precision in seconds, and polls are delayed by this factor, so that a single poll
#: serves operations that began together.
PRECISION = 0.05
SLACK = 1.03


@dataclass
class Duration:
    """The known duration of operations of one sort: in progress after `low` seconds, done after `high` seconds."""

    low: float = 0.0
    high: float = 0.0

    def first_look(self) -> float:
        """Return the seconds after which to poll first; 0 if nothing is known."""
        wide = self.high - self.low > max(PRECISION, FRACTION * self.high / 2)
        return (self.low + self.high) / 2 if wide else self.high * SLACK

    def has_estimate(self, not_yet: float) -> bool:
        """Return whether operations of this sort usually take longer than the time elapsed."""
        return not_yet < max(self.high, self.first_look())

    def not_done(self, seconds: float) -> None:
        """Record that an operation was still in progress after this many seconds."""
        if seconds < self.high:
            self.low = max(self.low, seconds)

    def done(self, not_yet: float, seconds: float) -> None:
        """Record that an operation ended between two times, both in seconds since its start."""
        if self.high == 0 or seconds < self.high or not_yet > self.high:
            self.low, self.high = not_yet, seconds


@dataclass(frozen=True)
class Poll(Generic[S]):
    """The result of a poll, and the time when the poll began."""

    at: float
    seen: Mapping[str, S]


@dataclass
class Watch(Generic[S]):
    """Polls a place (the targets of a gateway, a single provider) that has states by key."""

    poll: Callable[[], Awaitable[Mapping[str, S]]]
    deadline: Deadline
    on_look: Callable[[Mapping[str, S]], None]
    _latest: Poll[S] | None = None
    _asking: bool = False
    _news: anyio.Event = field(default_factory=anyio.Event)
    _durations: dict[str, Duration] = field(default_factory=dict)

    async def until(self, key: str, sort: str, began: float, done: Callable[[S | None], bool]) -> S | None:
        """Wait until a poll that began after `began` shows that the operation is done; return the state (None: absent).

        `sort` names operations of similar duration. Raises OutOfTime, or any exception of the poll.
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
            await self._next(self._due(began, not_yet, known), key, foreseen=known.has_estimate(not_yet))

    @property
    def last(self) -> Mapping[str, S]:
        """The states of the last poll; empty before the first poll."""
        return self._latest.seen if self._latest is not None else {}

    async def look(self) -> Mapping[str, S]:
        """Poll now and return the states."""
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
        """Wait for the result of another waiter's poll; poll if none arrives by the due time."""
        wait = due - anyio.current_time()
        self.deadline.allow(max(0.0, wait), key, known=foreseen)
        news = self._news
        with anyio.move_on_after(max(0.0, wait)):
            await news.wait()
        if not news.is_set():
            await self._ask()

    async def _ask(self) -> None:
        """Poll, or wait for the poll that is in progress."""
        if self._asking:
            await self._news.wait()
            return
        self._asking = True
        try:
            at = anyio.current_time()
            seen = await self.poll()
            self._latest = Poll(at, seen)
            self.on_look(seen)
        finally:
            # After a failed poll too: the next waiter then polls and receives the error itself.
            self._asking = False
            self._news.set()
            self._news = anyio.Event()


class InFlightLimiter:
    """Limits the operations in flight under a parent. Operations of other clients count once a poll shows them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._mine: set[str] = set()
        #: Operations in progress for which this run no longer waits, with the seconds until the next run should
        #: continue.
        self._left: dict[str, float] = {}
        self._others: set[str] = set()
        self._freed = anyio.Event()

    async def take(self, key: str, wait_for_others: Callable[[], Awaitable[object]]) -> None:
        """Acquire a slot. While operations of other clients occupy all slots, `wait_for_others` is awaited repeatedly.

        Raises OutOfTime if operations that this run left to the next run occupy the slots.
        """
        while len(self._mine | self._others | set(self._left)) >= self._limit:
            if self._mine:
                await self._freed.wait()
            elif self._left:
                raise OutOfTime("every slot is taken by an operation in progress", min(self._left.values()))
            else:
                await wait_for_others()
        self._mine.add(key)

    def free(self, key: str) -> None:
        """Release a slot; releasing a slot that is not held is no error."""
        self._mine.discard(key)
        self._wake()

    def leave(self, key: str, retry_after: float) -> None:
        """Stop waiting for an operation in progress, which continues to occupy its slot."""
        self._left[key] = retry_after
        self.free(key)

    def seen(self, moving: set[str]) -> None:
        """Record the operations that are in progress now."""
        self._others = moving - self._mine
        self._wake()

    def _wake(self) -> None:
        self._freed.set()
        self._freed = anyio.Event()
