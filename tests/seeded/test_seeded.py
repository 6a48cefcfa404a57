"""The seeded faults fit the code as it is, so that `make seeded` can be run at any time."""

import ast
from pathlib import Path

import pytest

from tests.goals import GOALS
from tests.seeded.faults import FAULTS, chosen

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_seeded_faults_still_apply(fault):
    """What a fault replaces stands in its file once, the changed file compiles and is another, its tests exist."""
    text = (ROOT / fault.file).read_text("utf-8")
    changed = fault.applied(text)
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text))
    compile(changed, fault.file, "exec")
    assert not fault.goal or fault.goal in GOALS
    for test in fault.tests:
        file, _, name = test.partition("::")
        assert f"def {name.partition('[')[0]}" in (ROOT / file).read_text("utf-8")


def test_a_fault_that_does_not_fit_any_more_is_a_mistake():
    """Code that went on without its fault is said, and so is a name that no fault has."""
    with pytest.raises(ValueError, match="stands 0 times"):
        FAULTS[0].applied("")
    with pytest.raises(SystemExit, match="no such fault: nonsense"):
        list(chosen(["nonsense"]))
