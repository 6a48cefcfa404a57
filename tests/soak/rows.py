"""Which rows of the decision table were met: every place where `workflows.deciding.decide` answers is one."""

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

from workflows.deciding import decide

_FILE = decide.__file__
#: Any number that no debugger, profiler or coverage tool uses.
_TOOL = 4


def rows() -> dict[int, str]:
    """Return the lines that make a decision, and what they decide."""
    found = {}
    for function in ast.walk(ast.parse(Path(_FILE).read_text("utf-8"))):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Decision":
                action = node.args[0]
                word = action.attr if isinstance(action, ast.Attribute) else "UPDATE or SYNCHRONIZE"
                found[node.lineno] = f"{function.name.strip('_')}, line {node.lineno}: {word}"
    return found


@contextmanager
def watching() -> Iterator[set[int]]:
    """Yield the lines of the table that are met meanwhile."""
    with _monitoring() if hasattr(sys, "monitoring") else _tracing() as met:
        yield met


@contextmanager
def _monitoring() -> Iterator[set[int]]:
    """Watch each line until it is met once, which costs next to nothing."""
    table, met = set(rows()), set[int]()
    events: Any = vars(sys)["monitoring"]  # Python 3.11 has none

    def line(_: CodeType, number: int) -> Any:
        met.update({number} & table)
        return events.DISABLE

    events.use_tool_id(_TOOL, "rows")
    events.register_callback(_TOOL, events.events.LINE, line)
    functions = [one.__code__ for one in vars(decide).values() if isinstance(one, FunctionType)]
    mine = [code for code in functions if code.co_filename == _FILE]
    try:
        for code in mine:
            events.set_local_events(_TOOL, code, events.events.LINE)
        events.restart_events()
        yield met
    finally:
        for code in mine:
            events.set_local_events(_TOOL, code, 0)
        events.free_tool_id(_TOOL)


@contextmanager
def _tracing() -> Iterator[set[int]]:
    """Watch as Python 3.11 can."""
    table, met = set(rows()), set[int]()

    def line(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line" and frame.f_lineno in table:
            met.add(frame.f_lineno)
        return line

    def call(frame: FrameType, _event: str, _: Any) -> Any:
        return line if frame.f_code.co_filename == _FILE else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        yield met
    finally:
        sys.settrace(before)
