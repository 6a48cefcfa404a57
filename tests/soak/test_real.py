"""R1, with real processes that are killed at random moments; `make soak` lives more of them."""

import pytest

from tests.goals import tried
from tests.slices import sliced
from tests.soak.real import live


@pytest.mark.real_time
@pytest.mark.sweep
@pytest.mark.parametrize("seed", sliced(range(5), 5))
def test_r1_real_processes_killed_at_random_moments_end_as_declared(seed):
    """Whatever was under way, the last document stands in every member, and its removal leaves nothing."""
    wrong = live(seed)
    tried("R28", "lives of real processes, killed with SIGKILL at random moments", 1, wrong)
    assert wrong == []
