"""Records change in one package, by their events: nobody else makes an operation or replaces a member of a record."""

import ast
from dataclasses import fields
from pathlib import Path

from workflows.records.declaration import RemoteObject
from workflows.records.log import OperationLog
from workflows.records.operation import Operation
from workflows.records.resource import ResourceRecord

ROOT = Path(__file__).parents[2]
ROOM = ROOT / "workflows" / "records"
#: A record of which nothing is known may be begun anywhere: these are its members.
_IDENTITY = 4
_MADE_INSIDE = {one.__name__ for one in (Operation, OperationLog, RemoteObject)}
_OF_RECORDS = {one.name for record in (ResourceRecord, Operation) for one in fields(record)}
#: Members that values of other classes have, too.
_COMMON = {"address", "kind", "name", "parent", "state", "error", "declared", "generation", "id", "secrets", "at"}


def writes_records(tree: ast.AST) -> list[str]:
    """Return the calls that make a part of a record, or replace a member of one."""
    found = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        replaced = {str(one.arg) for one in call.keywords} & (_OF_RECORDS - _COMMON) if name == "replace" else set()
        begun = name == ResourceRecord.__name__ and (len(call.args) > _IDENTITY or bool(call.keywords))
        if name in _MADE_INSIDE or replaced or begun:
            found.append(f"line {call.lineno}: {name} {sorted(replaced)}")
    return found


def test_records_have_one_writer():
    """Anywhere else in the product, records are asked and their events are called."""
    files = [path for room in ("workflows", "handlers", "infra") for path in (ROOT / room).rglob("*.py")]
    found = {str(path): lines for path in files if ROOM not in path.parents and (lines := writes_records(_tree(path)))}
    assert found == {}


def test_the_room_itself_is_seen_to_write():
    """The search finds what it is to find."""
    assert writes_records(_tree(ROOM / "resource.py"))
    assert writes_records(ast.parse("replace(record, deposed=())"))
    assert writes_records(ast.parse("Operation(verb, state)"))
    assert not writes_records(ast.parse("ResourceRecord(address, kind, name, parent)"))


def test_a_record_stores_fifteen_members_at_most_beside_its_log():
    """What can be asked of the log is not stored."""
    assert len([one for one in fields(ResourceRecord) if one.name not in ("log", "unknown")]) <= 15


def _tree(path: Path) -> ast.AST:
    return ast.parse(path.read_text("utf-8"))
