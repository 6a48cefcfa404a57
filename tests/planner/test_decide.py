"""The planner's table: a state in words, and what is done next; `decide` alone, without a world around it."""

import pytest

from tests.planner import leaving, settled, unsettled
from workflows.planner.decide import DECLARED, UNDECLARED, decide, row_of
from workflows.planner.decision import Action, State

TABLES = {"not at rest": unsettled.ROWS, "at rest": settled.ROWS, "not declared": leaving.ROWS}
ROWS = {f"{place}: {row.state}": row for place, rows in TABLES.items() for row in rows}


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_what_is_done_next(row):
    """The action, a part of its reason, the paths that differ, and the failure's code where it is one."""
    found = decide(row.desired, row.observed, row.record)
    code = found.failure.code if found.failure is not None else ""
    assert (found.action, found.paths, code) == (row.action, row.paths, row.code), found
    assert row.reason in found.reason


def test_every_state_is_its_own_row():
    """No two rows have the same words: one would hide the other."""
    assert sum(map(len, TABLES.values())) == len(ROWS)
    assert len(ROWS) >= 40


def test_the_table_has_every_action():
    """A new action brings its rows with it."""
    assert {row.action for row in ROWS.values()} == set(Action)


def test_every_row_of_the_planner_is_met_with_each_of_its_actions():
    """And none decides otherwise: what the diagram shows is what is decided."""
    met: dict[tuple[str, str], set[Action]] = {}
    for row in ROWS.values():
        state = State(row.desired, row.observed, row.record)
        table = "declared" if row.desired.declared is not None else "undeclared"
        met.setdefault((table, row_of(state).state), set()).add(row.action)
    tables = {"declared": DECLARED, "undeclared": UNDECLARED}
    told = {(table, row.state): set(row.actions) for table, rows in tables.items() for row in rows}
    assert met == told
