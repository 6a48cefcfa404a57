"""Files and functions stay as small as CONTRIBUTING.md says."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path for room in ("workflows", "handlers", "infra", "tests") for path in (ROOT / room).rglob("*.py"))
MOST_LINES, MOST_OF_A_FUNCTION = 400, 60


@pytest.mark.parametrize("room", ["workflows", "handlers", "infra", "tests"])
def test_files_and_functions_are_small(room):
    """A file has at most 400 lines, a function at most 60."""
    large = []
    for path in (one for one in FILES if one.is_relative_to(ROOT / room)):
        text = path.read_text("utf-8")
        if len(text.splitlines()) > MOST_LINES:
            large.append(str(path.relative_to(ROOT)))
        large += [f"{path.relative_to(ROOT)}: {name}" for name in large_functions(ast.parse(text))]
    assert large == []


def large_functions(tree: ast.AST) -> list[str]:
    functions = (one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
    return [one.name for one in functions if (one.end_lineno or 0) - one.lineno >= MOST_OF_A_FUNCTION]


def test_a_large_function_is_found():
    """The search finds what it is to find."""
    assert large_functions(ast.parse("def f():\n" + "    pass\n" * MOST_OF_A_FUNCTION)) == ["f"]
