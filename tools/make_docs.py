"""Writes the tables in docs/ from the code: `make docs`. A test fails when they are not what the code says."""

import ast
import inspect
import json
import math
import sys
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from infra.models import copied_version
from infra.sandbox.behaviour import Behaviour, Durations
from infra.sandbox.faults import EFFECTS
from infra.service_model import CONTROL_PLANE
from tests.consent.ends import ENDS
from tests.permissions.table import permission_rows
from tools.api_coverage import methods
from workflows.document.naming import CATEGORIES
from workflows.document.problems import WORDS
from workflows.document.rules import MODELLED, PLANNED, RETIRED, RULES, UNCHECKED
from workflows.kinds import KINDS, Kind
from workflows.kinds.kind import PROPERTIES, Property
from workflows.planner.decide import DECLARED, LEADS_TO, UNDECLARED
from workflows.records.operation import TRANSITIONS, OpState
from workflows.requests.authority import Grants

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SCHEMA = DOCS.parent / "events" / "grants.schema.json"
#: Stands between the two tables of the rules.
_BESIDE = """## Words

What is wrong beside these rules has a word in place of a number. A word that is not here (`extra_forbidden`,
`literal_error`, `string_pattern_mismatch`, ...) is pydantic's: the value has not the form that AWS's model gives it."""
#: Settings that are structures of their own, with a table of their own.
_STRUCTURES = frozenset({"durations"})
_BEGIN, _END = "<!-- made by `make docs` -->", "<!-- end -->"


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def methods_table() -> str:
    """Return the methods of the API listing and their companions, with what of them is covered."""
    rows = []
    for one in methods():
        name = one.name if one.service == CONTROL_PLANE else f"{one.name} ({one.service})"
        why = "; ".join(f"{member}: {reason}" for member, reason in sorted((one.reasons or {}).items()))
        counts = [f"{one.expressed} of {one.request}", f"{one.shown} of {one.response}"]
        rows.append([name, "yes" if one.listed else "", *counts, why])
    heads = ["method", "of the twenty", "request members expressed", "response members read", "not expressed, and why"]
    return table(heads, rows)


def rules_table() -> str:
    """Return every rule with its number, where it is looked for, what it says and where that comes from."""
    rows = [
        [one.number, "refuses" if one.refuses else "warns", _list(one.sections), one.says, one.source] for one in RULES
    ]
    rows += [[r.number, "refuses", _list(r.sections), f"{r.says} (`{r.path.pattern}`)", r.source] for r in MODELLED]
    rows += [[number, "planned", "", says, "what a run does"] for number, says in PLANNED.items()]
    rows += [[number, "not checked", "", says, ""] for number, says in UNCHECKED.items()]
    rows += [[number, "retired", "", says, ""] for number, says in RETIRED.items()]
    rows.sort(key=lambda row: (int(row[0][1:]), row[1], row[3]))
    numbered = table(["rule", "does", "sections", "says", "source"], rows)
    words = table(["word", "means"], [[f"`{word}`", means] for word, means in WORDS.items()])
    return f"{numbered}\n\n{_BESIDE}\n\n{words}"


def kinds_table() -> str:
    """Return the kinds with what sets them apart."""
    heads = ["section", "operations", "known by", "update", "outputs", "needs a new resource", "statuses"]
    return table(heads, [_kind_row(kind) for kind in KINDS])


def property_meanings() -> str:
    """Return what each property of a member means."""
    return table(["property", "meaning"], [[str(one.name), says] for one, says in PROPERTIES.items()])


def properties_table() -> str:
    """Return the properties of members, kind by kind."""
    rows = [
        [f"`{kind.section}`", f"`{name}`", _list(fact.name or "" for fact in Property if fact in facts)]
        for kind in KINDS
        for name, facts in sorted(kind.properties.items())
    ]
    return table(["section", "member", "properties"], rows)


def permissions_table() -> str:
    """Return the permissions of each operation, with the statements of the template that grant them."""
    return table(["section", "operation", "permission", "granted where", "source"], permission_rows())


def _kind_row(kind: Kind) -> list[str]:
    section = f"`{kind.section}`" if kind.parent is None else f"`{kind.parent}.NAME.{kind.section}`"
    operations = f"{kind.operations.create}, … ({kind.service})"
    fixed = [*kind.create_only, *(name for name in kind.creatable if _only_created(kind, name))]
    update = "member by member (PATCH)" if kind.patch else "whole (PUT)"
    statuses = ", ".join(f"{name}: {status.phase}" for name, status in kind.statuses.items()) or "none"
    return [section, operations, kind.id_member, update, ", ".join(kind.outputs), ", ".join(fixed), statuses]


def _only_created(kind: Kind, name: str) -> bool:
    return name in kind.declarable.members and name not in kind.updatable and name != "tags"


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def categories_table() -> str:
    """Return what grants can allow to be named."""
    return table(["category", "names"], [[f"`{name}`", what] for name, what in CATEGORIES.items()])


def packages() -> str:
    """Return the layers of the import contracts, with the purpose that each package states of itself."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    outer, inner = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    rows = []
    for layer in outer:
        names = [f"workflows/{one}" for part in inner for one in part.split(" : ")] if layer == "workflows" else [layer]
        rows += [[f"`{name}`", _purpose(name)] for name in names]
    return table(["package or module, from the top down", "purpose"], rows)


def _purpose(name: str) -> str:
    """Return the first paragraph of a module's docstring."""
    path = ROOT / name
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(source.read_text("utf-8"))) or ""
    return " ".join(docstring.partition("\n\n")[0].split())


def operation_states() -> str:
    """Return the transitions of an operation as a diagram."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {OpState.PENDING}: the intent is recorded"]
    for state in OpState:
        after = [one for one in OpState if one in TRANSITIONS[state] and one is not state]
        lines += [f"    {state} --> {one}" for one in after] or [f"    {state} --> [*]"]
    return "\n".join([*lines, "```"])


def planner_states() -> str:
    """Return the planner's table for declared resources as a diagram, and both tables."""
    names = {row.state: f"s{number}" for number, row in enumerate(DECLARED)}
    lines = ["```mermaid", "stateDiagram-v2", *(f'    state "{state}" as {name}' for state, name in names.items())]
    for row in DECLARED:
        for action in sorted(row.actions):
            after = LEADS_TO.get(action, ())
            lines += [f"    {names[row.state]} --> {names[one]}: {action}" for one in after if one in names]
            lines += [] if after or action == "LOOK" else [f"    {names[row.state]} --> [*]: {action}"]
    heads = ["state", "actions"]
    tables = [
        table([f"{heads[0]} of a resource that is {word}", heads[1]], [[r.state, _list(r.actions)] for r in rows])
        for word, rows in (("declared", DECLARED), ("not declared", UNDECLARED))
    ]
    return "\n\n".join(["\n".join([*lines, "```"]), *tables])


def switches_table() -> str:
    """Return the settings of the sandbox with their defaults, as the comments in its source describe them."""
    return table(["setting", "default", "meaning"], list(_settings(Behaviour)))


def durations_table() -> str:
    """Return the seconds that each operation of the sandbox takes, as they are and like those of AWS."""
    like_aws = Durations.like_aws()
    rows = [
        [name, default, f"{getattr(like_aws, name.strip('`')):g}", says] for name, default, says in _settings(Durations)
    ]
    return table(["setting", "default, in seconds", "with `--like-aws`", "meaning"], rows)


def effects_table() -> str:
    """Return the effects of faults."""
    return table(["effect", "meaning"], [[f"`{effect}`", says] for effect, says in EFFECTS.items()])


def _settings(owner: type) -> Iterable[list[str]]:
    """Yield name, default and comment of each field of a dataclass; a comment is of all fields up to the next."""
    text, says = inspect.getsource(owner).splitlines(), ""
    values = {one.name: getattr(owner(), one.name) for one in fields(owner)}
    for number, line in enumerate(text):
        name = line.strip().partition(":")[0]
        if line.strip().startswith("#:"):
            before = text[number - 1].strip().startswith("#:")
            says = f"{says} {line.strip()[3:]}" if before else line.strip()[3:]
        elif line.startswith("    ") and name in values and name not in _STRUCTURES:
            yield [f"`{name}`", f"`{json.dumps(values[name])}`" if values[name] != math.inf else "no limit", says]


def ends_table() -> str:
    """Return the end of a target that nobody consents to, in each of the ways in which AWS may behave."""
    words = {True: "accepted", False: "refused"}
    rows = [
        [
            "fails" if way.fails else "stays pending", words[way.updates], words[way.deletions],
            ends.provision, ends.removal,
        ]
        for way, ends in ENDS.items()
    ]  # fmt: skip
    heads = ["after the session has expired", "updates meanwhile", "deletions meanwhile", "provisioning", "removal"]
    return table(heads, rows)


def models_in_force() -> str:
    """Say from which version of botocore the service models are."""
    return f"The copy is of botocore {copied_version()}."


TABLES: dict[str, tuple[Callable[[], str], ...]] = {
    "methods.md": (models_in_force, methods_table),
    "rules.md": (rules_table,),
    "kinds.md": (kinds_table, property_meanings, properties_table),
    "authority.md": (categories_table,),
    "permissions.md": (permissions_table,),
    "consent.md": (ends_table,),
    "sandbox.md": (effects_table, durations_table, switches_table),
    "architecture.md": (packages, planner_states, operation_states),
}


def grants_schema() -> str:
    """Return the JSON Schema of grants."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Grants.model_json_schema()}
    patterns = schema["$defs"]["Grant"]["properties"]["mayName"]
    patterns["propertyNames"] = {"enum": list(CATEGORIES)}
    return json.dumps({**schema, "title": "Gatewright grants: who may ask for what"}, indent=2) + "\n"


def written(name: str, text: str) -> str:
    """Return the text of a page with its tables made anew, in their order."""
    made = ""
    for make in TABLES[name]:
        before, _, rest = text.partition(_BEGIN)
        made += f"{before}{_BEGIN}\n\n{make()}\n\n{_END}"
        text = rest.partition(_END)[2]
    return made + text


def main() -> None:
    """Write every table, and the schema of grants."""
    SCHEMA.write_text(grants_schema(), "utf-8")
    for name in TABLES:
        page = DOCS / name
        page.write_text(written(name, page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
