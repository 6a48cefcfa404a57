"""The properties of members name members that AWS's models have, so that a misspelled one is noticed."""

from collections.abc import Iterator

import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape

from infra import service_model
from workflows.kinds import KINDS, Kind
from workflows.kinds.kind import Property


def members_of(shape: Shape | None, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the names of all members under a shape, at any depth."""
    if shape is None or shape.name in seen:
        return
    inside = seen | {shape.name}
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            yield name
            yield from members_of(member, inside)
    elif isinstance(shape, ListShape):
        yield from members_of(shape.member, inside)
    elif isinstance(shape, MapShape):
        yield from members_of(shape.value, inside)


def known(kind: Kind) -> set[str]:
    """Return the members of all requests and responses of a kind."""
    operations = kind.operations
    names = (operations.create, operations.get, operations.update, operations.delete)
    models = [service_model.operation(name, kind.service) for name in names]
    shapes = [shape for model in models for shape in (model.input_shape, model.output_shape)]
    return {name for shape in shapes for name in members_of(shape)}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.section)
def test_a_property_is_of_a_member_that_exists(kind):
    """Each part of a path, and each path of `shown_as` and `create_only`, too."""
    paths = {*kind.properties, *kind.shown_as, *kind.shown_as.values(), *kind.create_only}
    assert {part for path in paths for part in path.split(".")} - known(kind) == set()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.section)
def test_members_that_follow_from_the_name_contain_the_name_and_no_id(kind):
    """An ARN or a URL with an id of the service's making changes with every object."""
    following = kind.having(Property.FOLLOWS_NAME)
    if kind.id_member != "name":
        assert following == frozenset()
    else:
        assert following == {name for name in kind.outputs if name.endswith("Arn") and "ecret" not in name}


def test_an_unknown_member_is_noticed():
    """The search finds what it is to find."""
    assert "instuctions" not in known(KINDS[0])
    assert {"name", "roleArn"} <= set().union(*(known(kind) for kind in KINDS))
