"""A function keeps back the time to write down what came of it."""

import pytest

from handlers.environment import MARGIN, deadline_of


class Invocation:
    """A Lambda context with so many seconds left."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


@pytest.mark.parametrize(("left", "given"), [(60.0, 60.0 - MARGIN), (MARGIN, 0.0), (1.0, 0.0)])
async def test_a_run_ends_before_its_function_does(left, given):
    """Whatever is left: nothing is begun in the last seconds."""
    assert MARGIN >= 2.0
    assert deadline_of(Invocation(left), 1.0).remaining() == pytest.approx(given, abs=0.001)
