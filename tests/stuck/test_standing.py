"""What counts as movement, and from when it is that nothing has moved."""

import pytest

from workflows.deciding.outcome import Outcome, ResourceStatus, Result, Status
from workflows.requests.standing import Standing

GOING = ResourceStatus.IN_PROGRESS


def at(status: ResourceStatus = GOING, state: str = "CREATING", identity: str | None = "id-1") -> Outcome:
    result = Result("gateways.payments", status, state=state, id=identity)
    return Outcome("payments", Status.IN_PROGRESS, results=(result,))


@pytest.mark.parametrize(
    "moved",
    [at(state="UPDATING"), at(ResourceStatus.READY), at(identity="id-2"), at(state="DELETING", identity=None)],
    ids=["another status of the service", "another result", "another resource", "it goes"],
)
def test_what_moves_has_time_again(moved):
    """Any of these is movement, also where the run says IN_PROGRESS as before."""
    standing = Standing("r", 0.0).seeing(at(), 10.0).seeing(moved, 3000.0)
    assert not standing.overdue(3600.0, 6600.0)
    assert standing.overdue(3600.0, 6601.0)


def test_what_shows_the_same_has_not_moved():
    """However often it is looked at, and whatever process looks."""
    standing = Standing("r", 0.0).seeing(at(), 10.0)
    for now in (1000.0, 2000.0, 3000.0):
        standing = Standing.read(standing.item(), "r", now).seeing(at(), now)
    assert not standing.overdue(3600.0, 3610.0)
    assert standing.overdue(3600.0, 3611.0)


def test_a_clock_that_ran_ahead_gives_no_more_time():
    """Since when nothing moved cannot be later than now; another request has a time of its own."""
    ahead = Standing("r", 0.0).seeing(at(), 50_000.0)
    assert Standing.read(ahead.item(), "r", 100.0).seeing(at(), 100.0).overdue(3600.0, 3701.0)
    assert Standing.read(ahead.item(), "another", 100.0) == Standing("another", 100.0)
