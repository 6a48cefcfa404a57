"""How a run ended, from where it left its resources; the status alone, on the bare function."""

import pytest

from workflows.planner.failures import unmanaged
from workflows.planner.outcome import ResourceStatus, Result, Status, overall, retry_after

READY, GOING, CONSENT, FAILED, BLOCKED, DELETED, RETAINED = (
    ResourceStatus.READY, ResourceStatus.IN_PROGRESS, ResourceStatus.AWAITING_CONSENT, ResourceStatus.FAILED,
    ResourceStatus.BLOCKED, ResourceStatus.DELETED, ResourceStatus.RETAINED,
)  # fmt: skip
#: Statuses of resources, and the run's: that of one which provisions, and that of one which removes.
ROWS = (
    ((), Status.READY, Status.DELETED),
    ((READY, READY), Status.READY, Status.DELETED),
    ((READY, DELETED), Status.READY, Status.DELETED),
    ((READY, RETAINED), Status.READY, Status.DELETED),
    ((READY, GOING), Status.IN_PROGRESS, Status.IN_PROGRESS),
    ((READY, FAILED), Status.FAILED, Status.FAILED),
    ((FAILED, GOING), Status.IN_PROGRESS, Status.IN_PROGRESS),
    ((FAILED, CONSENT), Status.FAILED, Status.FAILED),
    ((FAILED, BLOCKED), Status.FAILED, Status.FAILED),
    ((READY, CONSENT), Status.AWAITING_CONSENT, Status.AWAITING_CONSENT),
    ((CONSENT, BLOCKED), Status.AWAITING_CONSENT, Status.AWAITING_CONSENT),
    ((CONSENT, GOING), Status.IN_PROGRESS, Status.IN_PROGRESS),
)


def result(status: ResourceStatus, retry: float | None = None) -> Result:
    failure = unmanaged("gateways.one", ("theirs",), endpoints=False) if status is FAILED else None
    return Result("gateways.one", status, failure=failure, retry_after=retry)


@pytest.mark.parametrize(("found", "provisioned", "removed"), ROWS, ids=str)
def test_what_is_unfinished_outweighs_what_failed_and_that_who_is_asked(found, provisioned, removed):
    """A run with something under way is not over, whatever else has failed."""
    results = [result(status) for status in found]
    assert overall(results, removed=False) is provisioned
    assert overall(results, removed=True) is removed


def test_a_run_comes_again_for_the_first_of_its_resources():
    """Not sooner than after a second; never, where none says when."""
    assert retry_after([result(GOING, 60.0), result(GOING, 15.04), result(READY)]) == 15.0
    assert retry_after([result(GOING, 0.0)]) == 1.0
    assert retry_after([result(READY)]) is None
