"""What counts as movement, and from when it is that nothing has moved."""

from dataclasses import replace

import pytest

from workflows.planner.outcome import Outcome, ResourceStatus, Result, Status
from workflows.records.request_state import Mode, RequestState, Stall
from workflows.records.stack import StackRecord
from workflows.requests.patience import Patience
from workflows.requests.request import Request

GOING = ResourceStatus.IN_PROGRESS
LIMIT = 3600.0


def at(status: ResourceStatus = GOING, state: str = "CREATING", identity: str | None = "id-1") -> Outcome:
    result = Result("gateways.payments", status, state=state, id=identity)
    return Outcome("payments", Status.IN_PROGRESS, results=(result,))


class Life:
    """A request whose runs find what the run before left in the ledger."""

    def __init__(self) -> None:
        self.state = RequestState("r", Mode.PROVISION, 1)

    def run(self, outcome: Outcome, now: float, *, goes_back: bool = False) -> bool:
        """Return whether an outcome is given up."""
        request = Request(mode=Mode.PROVISION, request_id="r", stack="payments")
        found = RequestState.read("r", self.state.item())
        patience = Patience(request, StackRecord(requests={"r": found}), now, goes_back=goes_back)
        judged = patience.judge(outcome, None, LIMIT)
        self.state = replace(self.state, stall=patience.stall)
        return judged.status is Status.FAILED


@pytest.mark.parametrize(
    "moved",
    [at(state="UPDATING"), at(identity="id-2"), at(state="DELETING", identity=None)],
    ids=["another status of the service", "another resource", "it goes"],
)
def test_what_moves_has_time_again(moved):
    """Any of these is movement, also where the run says IN_PROGRESS as before."""
    life = Life()
    assert not life.run(at(), 10.0)
    assert not life.run(moved, 3000.0)
    assert not life.run(moved, 6600.0)
    assert life.run(moved, 6601.0)


def test_what_shows_the_same_has_not_moved():
    """However often it is looked at, and whatever process looks."""
    life = Life()
    for now in (10.0, 1000.0, 2000.0, 3000.0, 3610.0):
        assert not life.run(at(), now)
    assert life.run(at(), 3611.0)


def test_a_rollback_has_a_time_of_its_own():
    """What stood still on the way forward does not use up the time of the way back."""
    life = Life()
    assert not life.run(at(), 0.0)
    assert not life.run(at(), 3601.0, goes_back=True)
    assert life.run(at(), 7202.0, goes_back=True)


def test_a_clock_that_ran_ahead_gives_no_more_time():
    """Since when nothing moved cannot be later than now."""
    ahead = Stall(50_000.0, "same")
    assert ahead.at("same", 100.0).overdue(LIMIT, 3701.0)
