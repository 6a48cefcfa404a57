from tests.documents import small_stack
from workflows.outcome import Status


async def test_creates_everything(world):
    outcome = await world.apply(small_stack())
    assert outcome.status is Status.READY, outcome.shown()
    print(outcome.shown(), world.plane.journal.count())
    world.sent()
    outcome = await world.apply(small_stack())
    print(outcome.calls)
    assert world.sent() == []
    outcome = await world.destroy(small_stack())
    print(outcome.shown())
    assert outcome.status is Status.DELETED
    assert world.live == {}
