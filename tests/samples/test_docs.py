"""The tables in docs/ are what the code says, and the code covers what the installed model has."""

import importlib.util
from pathlib import Path

import pytest

from infra.error_table import classify
from infra.errors import Verdict
from workflows.coverage import LISTED, UNEXPRESSED, methods
from workflows.kinds import KINDS

ROOT = Path(__file__).parents[2]


def make_docs():
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "tools" / "make_docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["methods.md", "rules.md", "kinds.md"])
def test_tables_are_up_to_date(name):
    """`make docs` would change nothing."""
    text = (ROOT / "docs" / name).read_text("utf-8")
    assert make_docs().written(name, text) == text, "run `make docs`"


def test_all_twenty_methods_are_covered():
    """Every member of every method is expressed, read, or listed with its reason."""
    found = methods()
    assert {one.name for one in found if one.listed} == set(LISTED)
    assert len(LISTED) == 20
    assert {one.name: one.missing for one in found if one.missing} == {}


def test_reasons_are_of_members_that_exist():
    """A reason for a member that the model has no more is dead."""
    known = {(one.name, member) for one in methods() for member in one.reasons or {}}
    names = {member for _, member in known}
    assert all(key in known if key[0] != "*" else key[1] in names for key in UNEXPRESSED)


def test_every_error_of_every_method_means_something():
    """An error that the model gains is given a meaning before it is met."""
    operations = {
        (kind.operations, name)
        for kind in KINDS
        for name in (
            kind.operations.create,
            kind.operations.get,
            kind.operations.update,
            kind.operations.delete,
            kind.operations.list,
        )
    }
    for known, name in operations:
        model = known.model(name)
        for error in model.error_shapes:
            status = int(error.metadata.get("error", {}).get("httpStatusCode", 400))
            assert classify(name, error.name, "", status=status) is not Verdict.UNKNOWN, (name, error.name)
