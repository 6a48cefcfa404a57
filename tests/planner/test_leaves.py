"""The leaves at which two values differ: structures are opened, and the leaves make the new value of the old."""

import copy
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from workflows.planner.leaves import leaves

#: None stands for a value that is not there.
PLAIN = st.booleans() | st.integers(2, 6) | st.text("abc", max_size=3)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip
MAPS = st.dictionaries(st.sampled_from("vwxyz"), PLAIN | st.dictionaries(st.sampled_from("ab"), PLAIN), max_size=5)
OPEN_API: dict[str, Any] = {
    "openapi": "3.0.0",
    "servers": [{"url": "https://one.example.com"}],
    "paths": {f"/{number}": {"get": {"operationId": f"op{number}"}} for number in range(80)},
}


@given(VALUES, VALUES)
def test_equal_parts_yield_nothing_and_every_difference_is_yielded(old, new):
    """Each leaf holds two values that differ, and the paths of the old value show what is yielded as old."""
    found = list(leaves(old, new))
    if old == new:
        assert found == [((), old, new)]
        return
    for _, one, other in found:
        assert one != other or isinstance(one, bool) != isinstance(other, bool)


@given(MAPS, MAPS)
def test_the_leaves_of_maps_make_the_new_map_of_the_old(old, new):
    made = copy.deepcopy(old)
    for path, _, value in leaves(old, new):
        if not path:
            continue
        inner = made
        for name in path[:-1]:
            inner = inner[name]
        if value is None and not _has(new, path):
            del inner[path[-1]]
        else:
            inner[path[-1]] = value
    assert made == new


def _has(value: Any, path: tuple[Any, ...]) -> bool:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True


@pytest.mark.parametrize("dump", [json.dumps, yaml.safe_dump, lambda value: json.dumps(value, indent=4)])
@pytest.mark.parametrize("other", [json.dumps, yaml.safe_dump])
def test_one_url_of_a_long_document_is_one_leaf(dump, other):
    """Whether either text is JSON or YAML, and however it is laid out."""
    changed = {**OPEN_API, "servers": [{"url": "https://two.example.com"}]}
    (leaf,) = leaves(dump(OPEN_API), other(changed))
    assert leaf == (("servers", 0, "url"), "https://one.example.com", "https://two.example.com")


def test_an_item_in_between_moves_no_other():
    old, new = ["a", "b", "c"], ["a", "x", "b", "c"]
    assert list(leaves(old, new)) == [((1,), None, "x")]
    assert list(leaves(new, old)) == [((1,), "x", None)]
    tools = [{"name": name, "description": name} for name in "abc"]
    changed = [tools[0], {"name": "b", "description": "other"}, tools[2]]
    assert list(leaves(tools, changed)) == [((1, "description"), "b", "other")]


def test_very_long_lists_are_compared_item_by_item():
    """Aligning them would take as many steps as the product of their lengths."""
    old = list(range(3000))
    assert list(leaves(old, [*old[:10], -1, *old[11:], 5])) == [((10,), 10, -1), ((3000,), None, 5)]


@pytest.mark.parametrize("text", ["words", "a: b", "- a", "{", "a: [\n", "x\ny"])
def test_a_text_without_a_structure_is_a_leaf(text):
    assert list(leaves(text, "other\nwords")) == [((), text, "other\nwords")]
