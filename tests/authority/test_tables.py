"""The tables that say what a document names are whole, and patterns mean what they say."""

import re
from collections.abc import Iterator
from functools import cache

import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape
from hypothesis import example, given
from hypothesis import strategies as st

from infra.service_model import is_document
from tests.authority.desk import ACCOUNT, PLACE
from workflows.document.naming import CATEGORIES, MIXED_FIELDS, PLAIN_FIELDS, REFERENCE_FIELDS
from workflows.kinds import KINDS, Kind
from workflows.requests.authority import Grants, Submitter, covers


def texts(kind: Kind) -> Iterator[tuple[str, str]]:
    """Yield the structure member that every text of a kind's declarations stands in, with a path to it."""

    def walk(shape: Shape, member: str, path: str, inside: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        if is_document(shape):
            return
        if isinstance(shape, StructureShape):
            for name, inner in shape.members.items() if shape.name not in inside else ():
                yield from walk(inner, name, f"{path}.{name}", (*inside, shape.name))
        elif isinstance(shape, ListShape):
            yield from walk(shape.member, member, f"{path}[]", inside)
        elif isinstance(shape, MapShape):
            yield from walk(shape.value, member, f"{path}.*", inside)
        elif shape.type_name not in ("integer", "long", "float", "double", "boolean") and not getattr(
            shape, "enum", None
        ):
            yield member, path

    for name, shape in kind.declarable.members.items():
        yield from walk(shape, name, f"{kind.section}.{name}", ())


@cache
def members() -> dict[str, set[str]]:
    """Return every member that holds text, with the sections that have it."""
    found: dict[str, set[str]] = {}
    for kind in KINDS:
        for member, _ in texts(kind):
            found.setdefault(member, set()).add(kind.section)
    return found


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.section)
def test_every_text_has_one_place_in_the_tables(kind):
    """A member that a new SDK brings stands in no table, and this says where it is."""
    tables = (set(REFERENCE_FIELDS), PLAIN_FIELDS, MIXED_FIELDS, kind.secrets)
    places = {path: sum(member in table for table in tables) for member, path in texts(kind)}
    assert {path: times for path, times in places.items() if times != 1} == {}


def test_no_table_holds_what_no_model_has():
    """What AWS took away, or nobody ever had, is taken out."""
    assert (set(REFERENCE_FIELDS) | PLAIN_FIELDS | set(MIXED_FIELDS)) - set(members()) == set()


def test_every_category_of_the_tables_can_be_granted():
    """A member that names something of no category could never be allowed."""
    assert {category for category in REFERENCE_FIELDS.values() if category is not None} <= set(CATEGORIES)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.section)
def test_no_map_is_a_way_around_a_secret_member(kind):
    """Keys of maps are free: a secret reference under one that is named like a secret member is refused."""
    for member, path in texts(kind):
        assert not (path.endswith(".*") and member in kind.secrets)


# The names of stacks.

LETTERS = "pay.*x[]?+^$\\|(){}"
SEGMENTS = st.sampled_from(["payments", "payment", "paymentsx", "tools", "a", "*"])
NAMES = st.one_of(
    st.lists(
        st.sampled_from(["payments", "payment", "paymentsx", "Payments", "tools", "a", "", "*", "\n"]), max_size=4
    ),
    st.lists(st.text(max_size=4), max_size=4),
).map(".".join)


def meaning(pattern: str) -> re.Pattern[str]:
    """Return what a pattern means: whole segments; a last `*` is one or more of them."""
    *first, last = pattern.split(".")
    parts = [r"[^.]+" if part == "*" else re.escape(part) for part in first]
    parts.append(r"[^.]+(?:\.[^.]+)*" if last == "*" else re.escape(last))
    return re.compile(r"\.".join(parts), re.DOTALL)


@given(st.lists(SEGMENTS, min_size=1, max_size=4).map(".".join), NAMES)
@example("payments", "payments.tools")
@example("payments.tools", "payments")
def test_a_pattern_covers_its_segments_and_nothing_else(pattern, name):
    """Whole segments, each equal or `*`; a prefix of a segment, an empty one or a shorter name is another stack."""
    assert covers(pattern, name) == bool(meaning(pattern).fullmatch(name))


@given(st.text(LETTERS, max_size=12), st.text(LETTERS, min_size=1, max_size=12))
def test_only_a_star_is_special_in_a_pattern(pattern, text):
    """What means something to regular expressions means itself."""
    grant = {"submitters": [{"source": pattern}], "stacks": ["*"], "requests": ["plan"]}
    grants = Grants.model_validate({"version": 1, "grants": [grant]})
    fits = bool(grants.of(Submitter(account=ACCOUNT, source=text), "plan", PLACE).grants)
    assert fits == _matches(pattern, text)


def _matches(pattern: str, text: str) -> bool:
    """Tell whether a text is a pattern's, one letter at a time."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_matches(pattern[1:], text[n:]) for n in range(len(text) + 1))
    return bool(text) and text[0] == pattern[0] and _matches(pattern[1:], text[1:])


# The samples.
