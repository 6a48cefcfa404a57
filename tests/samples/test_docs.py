"""The tables in docs/ are what the code says, and the code covers what the installed model has."""

import ast
import importlib.util
import json
import re
from itertools import pairwise
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from tools.api_coverage import LISTED, UNEXPRESSED, methods
from workflows.document.problems import WORDS
from workflows.requests.authority import Grants

ROOT = Path(__file__).parents[2]


def make_docs():
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "tools" / "make_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(make_docs().TABLES))
def test_tables_are_up_to_date(name):
    """`make docs` would change nothing."""
    text = (ROOT / "docs" / name).read_text("utf-8")
    assert make_docs().written(name, text) == text, "run `make docs`"


def test_the_schema_of_grants_is_up_to_date_and_takes_the_sample():
    """What an editor is given for grants.yaml is what a build takes, and refuses what a build refuses."""
    docs = make_docs()
    assert docs.SCHEMA.read_text("utf-8") == docs.grants_schema(), "run `make docs`"
    sample = yaml.safe_load((ROOT / "grants.yaml").read_text("utf-8"))
    schema = json.loads(docs.grants_schema())
    jsonschema.validate(sample, schema)
    Grants.model_validate(sample)
    sample["grants"][0]["mayName"] = {"nonsense": []}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(sample, schema)
    with pytest.raises(ValidationError):
        Grants.model_validate(sample)


def test_every_alarm_has_its_page():
    """Whoever is woken finds what to do."""
    template = (ROOT / "template.yaml").read_text("utf-8")
    alarms = set(re.findall(r"^  (\w+)Alarm:$", template, re.MULTILINE))
    runbook = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    pages = {name for row in re.findall(r"^\| ([A-Za-z, ]+) \|", runbook, re.MULTILINE) for name in row.split(", ")}
    assert len(alarms) > 10
    assert alarms <= pages


def between(start: str, end: str) -> str:
    """Return a part of the template's text."""
    return (ROOT / "template.yaml").read_text("utf-8").partition(start)[2].partition(end)[0]


def test_every_parameter_is_explained():
    template = (ROOT / "template.yaml").read_text("utf-8")
    parameters = re.findall(
        r"^  (\w+):", template.partition("\nParameters:\n")[2].partition("\nRules:")[0], re.MULTILINE
    )
    text = (ROOT / "docs" / "deploying.md").read_text("utf-8")
    assert len(parameters) > 15
    assert [name for name in parameters if f"`{name}`" not in text] == []


def test_every_resource_of_the_template_says_why_it_is_there():
    """One comment a resource."""
    lines = (
        (ROOT / "template.yaml")
        .read_text("utf-8")
        .partition("\nResources:\n")[2]
        .partition("\nOutputs:")[0]
        .splitlines()
    )
    bare = [line for before, line in pairwise(lines) if re.match(r"  \w+:$", line) and not before.startswith("  #")]
    assert bare == []


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


_TELL = ("Problem", "run.warn", "self.warn")


def test_every_word_for_a_problem_is_explained():
    """Whoever makes a problem or a warning uses a word of the table, and every word of the table is used."""
    used = set()
    for path in (ROOT / "workflows").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in _TELL and len(call.args) > 1:
                used |= {one.value for one in ast.walk(call.args[1]) if isinstance(one, ast.Constant) and one.value}
    assert used - {"loc", "type", *WORDS} == set()
    assert set(WORDS) - used <= {"authority", "credentials", "depth", "network", "size"}


def test_every_fact_that_is_cited_is_a_heading_of_the_service_notes():
    """And nothing cites a document that a reader of the project does not have."""
    rooms = ("handlers", "workflows", "infra", "tests", "tools")
    files = [path for room in rooms for path in (ROOT / room).rglob("*") if path.suffix in (".py", ".yaml")]
    texts = {path: path.read_text("utf-8") for path in files if path != Path(__file__)}
    headings = set(re.findall(r"^## (.+)$", (ROOT / "docs" / "service-notes.md").read_text("utf-8"), re.MULTILINE))
    cited = {fact for text in texts.values() for fact in re.findall(r"service-notes: ([a-z A-Z]+)", text)}
    assert cited <= headings
    assert len(cited) > 10
    elsewhere = re.compile(r"agentcore-service|aws-truth|peer.lessons|terraform-facts|other-kinds", re.IGNORECASE)
    assert [str(path) for path, text in texts.items() if elsewhere.search(text)] == []
