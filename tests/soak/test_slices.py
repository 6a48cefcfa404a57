"""What every run tries of a sweep, and what the page of continuity claims of every run and of a long one."""

import pytest

from tests.goals import GOALS, PAGE, Claim, Run, claimed, differences, renewed, table
from tests.slices import WHOLE, several, sliced

ROW = ("R3", "documents")
EVERY_GOAL = {(goal, "other runs"): Claim((0, 7)) for goal in GOALS}


@pytest.mark.skipif(WHOLE, reason="every case is tried")
def test_a_slice_is_spread_over_all_cases_and_stays_the_same():
    """One case of each row, not always of the same place, and of another place under another key."""
    found = sliced(range(1_000), 10, "a")
    assert [case // 10 for case in found] == list(range(100))
    assert {case % 10 for case in found} == set(range(10))
    assert found == sliced(range(1_000), 10, "a") != sliced(range(1_000), 10, "b")
    assert (len(sliced(range(11), 10)), sliced([], 10), several(11, 10)) == (2, [], 2)


def test_the_page_is_read_as_it_is_written():
    page = claimed(PAGE.read_text("utf-8"))
    assert table(page) in PAGE.read_text("utf-8")
    assert sum(claim.violations for claim in page.values()) == 0


def test_a_run_is_held_against_what_is_claimed_of_such_runs():
    """Fewer cases, a violation, a row that is missing, a row too many: of a run of this sort, and of no other."""
    page = {**EVERY_GOAL, ROW: Claim((100, 1_000))}
    assert list(differences({ROW: (100, 0)}, page, Run.EVERY)) == []
    assert list(differences({ROW: (99, 0)}, page, Run.EVERY)) == ["R3: documents: 99 cases where the page says 100"]
    assert list(differences({ROW: (100, 1)}, page, Run.EVERY)) == ["R3: documents: 1 violations"]
    assert list(differences({}, page, Run.EVERY)) == ["R3: not tried: documents"]
    more = {ROW: (100, 0), ("R3", "other runs"): (1, 0)}
    assert list(differences(more, page, Run.EVERY)) == ["R3: the page does not say: other runs"]
    assert "R3: documents: 100 cases where the page says 1000" in differences({ROW: (100, 0)}, page, Run.LONG)


def test_a_run_renews_what_is_claimed_of_such_runs():
    """Rounded down; what the other runs showed stays, and so does what other programs write."""
    page = {ROW: Claim((100, 1_000)), ("R3", "gone"): Claim((5, 50)), ("R26", "shuffled"): Claim((0, 50))}
    assert renewed(page, Run.EVERY, {ROW: (1_234, 0), ("R4", "new"): (3, 0)}) == {
        ROW: Claim((1_200, 1_000)),
        ("R3", "gone"): Claim((0, 50)),
        ("R26", "shuffled"): Claim((0, 50)),
        ("R4", "new"): Claim((3, 0)),
    }
