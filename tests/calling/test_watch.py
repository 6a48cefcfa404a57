"""One watch serves all who wait; places in flight count everybody's operations."""

import anyio
import pytest

from infra.deadline import Deadline
from infra.errors import OutOfTime
from infra.watch import FRACTION, InFlightLimiter, Watch


class Service:
    """Operations that each end a given time after the start."""

    def __init__(self, **ends: float) -> None:
        self.ends = {name: anyio.current_time() + seconds for name, seconds in ends.items()}
        self.polls = 0

    async def poll(self):
        self.polls += 1
        return {name: anyio.current_time() >= end for name, end in self.ends.items()}

    def watch(self, deadline=None):
        return Watch(self.poll, deadline or Deadline(), lambda seen: None)


async def test_many_waiters_share_their_polls():
    """Fifty waiters for operations of ten seconds take the polls of one."""
    service = Service(**{f"t{n}": 10.0 for n in range(50)})
    watch = service.watch()
    async with anyio.create_task_group() as group:
        for name in service.ends:
            group.start_soon(watch.until, name, "create", anyio.current_time(), bool)
    assert service.polls < 40


async def test_a_learned_duration_is_asked_about_when_due():
    """After a few operations of five seconds, the next is found within a fraction of a second, in a poll or two."""
    watch_polls = []
    service = Service()
    watch = service.watch()
    for _ in range(6):
        before = service.polls
        service.ends["t"] = anyio.current_time() + 5.0
        began = anyio.current_time()
        await watch.until("t", "create", began, bool)
        watch_polls.append((service.polls - before, anyio.current_time() - began))
    polls, seconds = watch_polls[-1]
    assert polls <= 2
    assert seconds == pytest.approx(5.0, rel=FRACTION)


async def test_only_a_look_begun_later_counts():
    """What was seen before an operation began says nothing about its end."""
    service = Service(t=0.0)
    watch = service.watch()
    await watch.look()
    await anyio.sleep(1)
    service.ends["t"] = anyio.current_time() + 3
    await watch.until("t", "update", anyio.current_time(), bool)
    assert anyio.current_time() >= service.ends["t"]


async def test_patience_ends_a_wait_with_the_time_to_come_back():
    """A wait that would be long is given up at once, with its seconds."""
    service = Service(t=1000.0)
    with pytest.raises(OutOfTime) as caught:
        await service.watch(Deadline.within(900, patience=5)).until("t", "create", anyio.current_time(), bool)
    assert caught.value.retry_after > 5


async def test_an_end_that_is_foreseen_is_waited_for_where_it_is_near():
    """Patience is for what nobody knows the end of; four seconds are sat out, a minute is not."""
    service = Service(t=4.0)
    watch = service.watch(Deadline.within(900, patience=1))
    await watch.until("t", "create", anyio.current_time(), bool)
    service.ends["u"] = anyio.current_time() + 4.0
    assert await watch.until("u", "create", anyio.current_time(), bool)
    long = Service(t=60.0)
    watch = long.watch(Deadline.within(900, patience=10))
    await watch.until("t", "create", anyio.current_time(), bool)
    long.ends["u"] = anyio.current_time() + 60.0
    with pytest.raises(OutOfTime) as caught:
        await watch.until("u", "create", anyio.current_time(), bool)
    assert caught.value.retry_after > 30


async def test_a_failing_poll_reaches_every_waiter():
    """When asking fails, each waiter meets the failure itself; none waits for ever."""

    async def broken():
        raise OSError

    watch = Watch(broken, Deadline(), lambda seen: None)
    met = []

    async def wait(name):
        try:
            await watch.until(name, "create", anyio.current_time(), bool)
        except OSError:
            met.append(name)

    async with anyio.create_task_group() as group:
        for name in "abc":
            group.start_soon(wait, name)
    assert sorted(met) == ["a", "b", "c"]


async def test_places_in_flight_are_bounded():
    """Never more than five at once, whoever they belong to."""
    slots, most, now = InFlightLimiter(5), 0, 0

    async def nobody():
        raise AssertionError

    async def work(key):
        nonlocal most, now
        await slots.take(key, nobody)
        now += 1
        most = max(most, now)
        await anyio.sleep(1)
        now -= 1
        slots.free(key)

    async with anyio.create_task_group() as group:
        for n in range(23):
            group.start_soon(work, f"t{n}")
    assert most == 5


async def test_others_operations_take_places_too():
    """Operations that were seen and are not ours count, and are waited for."""
    slots, looks = InFlightLimiter(2), 0
    slots.seen({"theirs-1", "theirs-2"})

    async def wait_for_others():
        nonlocal looks
        looks += 1
        await anyio.sleep(1)
        slots.seen({"theirs-1"})

    await slots.take("ours", wait_for_others)
    assert looks == 1
