"""The JSON Schema for editors agrees with validation on generated documents, valid and broken."""

import copy
import random
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from infra.documents import parse
from tests.generated import Maker
from tests.slices import sliced
from workflows.document.problems import Invalid
from workflows.document.reading import read_stack
from workflows.document.rules import RULES
from workflows.document.schema import document_schema

pytestmark = pytest.mark.sweep

#: What a schema cannot say: references, and rules over several members.
BEYOND = {"reference", "cycle", "option"} | {rule.number for rule in RULES if rule.refuses}
EVENTS = Path(__file__).parents[2] / "events"


@cache
def validator() -> Any:
    return jsonschema.Draft202012Validator(document_schema())


def refused(document: dict[str, Any]) -> set[str]:
    try:
        read_stack(document)
    except Invalid as invalid:
        return {problem.rule for problem in invalid.problems}
    return set()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a document below its head."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [(*path, name) for name, _ in inner if path or name not in ("stack", "version")]
    return found + [deep for place in found for deep in places(_at(value, place[len(path) :]), place)]


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        value = value[name]
    return value


def broken(document: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """A document with one thing put, changed or taken away somewhere."""
    document = copy.deepcopy(document)
    path = chance.choice(places(document) or [("gateways",)])
    place = _at(document, path[:-1])
    match chance.randint(0, 5):
        case 0:
            place.pop(path[-1])
        case 1:
            place[path[-1]] = chance.choice([1, 1.5, True, None, "", "x", "x" * 5000, [], {}, ["x"], {"x": "y"}, -1])
        case 2 if isinstance(place, dict):
            place["unknownMember"] = "x"
        case 3:
            place[path[-1]] = "{{resolve:secretsmanager:payments/idp:SecretString:clientSecret}}"
        case 4:
            place[path[-1]] = "${gateways.nobody.gatewayArn}"
        case _ if isinstance(place[path[-1]], list):
            place[path[-1]] = place[path[-1]] * 120
        case _:
            place[path[-1]] = [place[path[-1]]]
    return document


@pytest.mark.parametrize("first", range(0, 1000, 50))
def test_schema_and_validation_agree(first):
    """A thousand documents: what one takes the other takes, save what only rules and references tell."""
    for seed in sliced(range(first, first + 50), 12, first):
        chance = random.Random(seed)
        document = Maker(seed, 0.3).document()
        if seed % 3:
            document = broken(document, chance)
        problems = refused(document)
        fits = validator().is_valid(document)
        if not problems:
            errors = [error.message[:200] for error in validator().iter_errors(document)]
            assert fits, (seed, errors)
        elif not problems <= BEYOND:
            assert not fits, (seed, problems)


def test_the_samples_fit():
    """Every stack document in events/ fits; an editor shows what AWS says of a member."""
    for path in EVENTS.glob("every-kind*.yaml"):
        validator().validate(parse(path.read_text()))
    schema = document_schema()
    role = schema["properties"]["gateways"]["additionalProperties"]["properties"]["roleArn"]
    assert "IAM role" in role["description"]
