"""The mutants fit the code as it is, so that `make mutants` can be run at any time; the page tells of all of them."""

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.goals import GOALS
from tests.mutants.catalog import AREAS, MUTANTS, chosen
from tests.mutants.mutant import Mutant
from tests.mutants.page import PAGE, SURVIVED, row, rows_of, written

ROOT = Path(__file__).parents[2]
AREA_OF = {mutant.name: area for area, mutants in AREAS.items() for mutant in mutants}


def exists(test: str) -> bool:
    """Tell whether there is such a test, or a folder or file of tests."""
    file, _, name = test.partition("::")
    return (ROOT / file).exists() and f"def {name.partition('[')[0]}" in (
        (ROOT / file).read_text("utf-8") if name else "def "
    )


@cache
def dumped(text: str) -> str:
    """Return what a file is parsed to, once for all mutants of it."""
    return ast.dump(ast.parse(text))


@pytest.mark.parametrize("area", AREAS)
def test_each_mutant_still_applies(area):
    """What it replaces stands in its file once, the changed file compiles and is another, its tests exist."""
    for mutant in AREAS[area]:
        applies(mutant)


def applies(mutant: Mutant) -> None:
    text = (ROOT / mutant.file).read_text("utf-8")
    changed = ast.parse(mutant.applied(text))
    assert ast.dump(changed) != dumped(text)
    compile(changed, mutant.file, "exec")
    assert not mutant.goal or mutant.goal in GOALS
    assert bool(mutant.tests) != bool(mutant.equivalent)
    assert [test for test in mutant.tests if not exists(test)] == []


def test_each_mutant_has_a_name_of_its_own():
    """A name means one mutant, and no area."""
    assert [name for name, times in Counter([*AREA_OF, *AREAS]).items() if times > 1] == []
    assert len(AREA_OF) == len(MUTANTS)


def test_a_mutant_that_does_not_fit_any_more_is_a_mistake():
    """Code that went on without its mutant is said, and so is a name that no mutant has."""
    with pytest.raises(ValueError, match="stands 0 times"):
        MUTANTS[0].applied("")
    with pytest.raises(SystemExit, match="no such mutant: nonsense"):
        list(chosen(["nonsense"]))
    assert list(chosen(["calls"])) == list(AREAS["calls"])


def test_the_page_tells_of_each_mutant():
    """In the words of the catalogue, and with the test that killed it when it was tried last."""
    found = rows_of(PAGE.read_text("utf-8"))
    wrong = [mutant.name for mutant in MUTANTS if not told(mutant, found.get(mutant.name, ()))]
    assert wrong == [], "run `make mutants` with the names of these"


def told(mutant: Mutant, found: tuple[str, ...]) -> bool:
    """Tell whether a row of the page is what is so with a mutant."""
    killed_by = "" if found[-1:] in ((), (SURVIVED,)) else f"tests/{found[-1].strip('`')}"
    known = bool(mutant.equivalent) or ("::" in killed_by and exists(killed_by))
    return known and found == row(AREA_OF[mutant.name], mutant, killed_by)


def test_the_page_tells_of_nothing_else():
    """A mutant that was taken out is taken off the page."""
    assert set(rows_of(PAGE.read_text("utf-8"))) == set(AREA_OF)


def test_what_was_not_tried_keeps_its_row():
    """One that is tried alone changes its own row, and one that survives is said to."""
    text = PAGE.read_text("utf-8")
    assert written(text, {}) == text
    again = rows_of(written(text, {MUTANTS[0].name: ""}))
    assert again[MUTANTS[0].name][-1] == SURVIVED
    assert {**again, MUTANTS[0].name: ()} == {**rows_of(text), MUTANTS[0].name: ()}
