"""The faults fit the code as it is, so that `make mutants` can be run at any time; the page tells of all of them."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.goals import GOALS
from tests.mutants.catalog import AREAS, FAULTS, chosen
from tests.mutants.page import PAGE, row, rows_of

ROOT = Path(__file__).parents[2]
AREA_OF = {fault.name: area for area, faults in AREAS.items() for fault in faults}


def exists(test: str) -> bool:
    """Tell whether there is such a test, or a folder or file of tests."""
    file, _, name = test.partition("::")
    return (ROOT / file).exists() and f"def {name.partition('[')[0]}" in (
        (ROOT / file).read_text("utf-8") if name else "def "
    )


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_fault_still_applies(fault):
    """What it replaces stands in its file once, the changed file compiles and is another, its tests exist."""
    text = (ROOT / fault.file).read_text("utf-8")
    changed = fault.applied(text)
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text))
    compile(changed, fault.file, "exec")
    assert not fault.goal or fault.goal in GOALS
    assert bool(fault.tests) != bool(fault.equivalent)
    assert [test for test in fault.tests if not exists(test)] == []


def test_each_fault_has_a_name_of_its_own():
    """A name means one fault, and no area."""
    assert [name for name, times in Counter([*AREA_OF, *AREAS]).items() if times > 1] == []
    assert len(AREA_OF) == len(FAULTS)


def test_a_fault_that_does_not_fit_any_more_is_a_mistake():
    """Code that went on without its fault is said, and so is a name that no fault has."""
    with pytest.raises(ValueError, match="stands 0 times"):
        FAULTS[0].applied("")
    with pytest.raises(SystemExit, match="no such fault: nonsense"):
        list(chosen(["nonsense"]))
    assert list(chosen(["calls"])) == list(AREAS["calls"])


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_page_tells_of_each_fault(fault):
    """In the words of the catalogue, and with the test that noticed it when all were tried last."""
    found = rows_of(PAGE.read_text("utf-8")).get(fault.name)
    assert found is not None, "run `make mutants`"
    noticed = f"tests/{found[-1].strip('`')}"
    assert found == row(AREA_OF[fault.name], fault, noticed), "run `make mutants`"
    assert fault.equivalent or (exists(noticed) and "::" in noticed), "run `make mutants`"


def test_the_page_tells_of_nothing_else():
    """A fault that was taken out is taken off the page."""
    assert set(rows_of(PAGE.read_text("utf-8"))) == set(AREA_OF)
