"""Which rows of the decision table were met: every place where the planner answers is one."""

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

from workflows.planner import decide, settled

_MODULES = (decide, settled)
_FILES = frozenset(str(module.__file__) for module in _MODULES)
#: A file and a line of it.
Row = tuple[str, int]
#: Any number that no debugger, profiler or coverage tool uses.
_TOOL = 4


def rows() -> dict[Row, str]:
    """Return the lines that make a decision, and what they decide."""
    return {(file, line): text for file in sorted(_FILES) for line, text in _rows_of(file)}


def _rows_of(file: str) -> Iterator[tuple[int, str]]:
    for function in ast.walk(ast.parse(Path(file).read_text("utf-8"))):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Decision":
                action = node.args[0]
                word = action.attr if isinstance(action, ast.Attribute) else "UPDATE or SYNCHRONIZE"
                yield node.lineno, f"{Path(file).name}, {function.name.strip('_')}, line {node.lineno}: {word}"


@contextmanager
def watching() -> Iterator[set[Row]]:
    """Yield the lines of the table that are met meanwhile."""
    with _monitoring() if hasattr(sys, "monitoring") else _tracing() as met:
        yield met


@contextmanager
def _monitoring() -> Iterator[set[Row]]:
    """Watch each line until it is met once, which costs next to nothing."""
    table, met = set(rows()), set[Row]()
    events: Any = vars(sys)["monitoring"]  # Python 3.11 has none

    def line(code: CodeType, number: int) -> Any:
        met.update({(code.co_filename, number)} & table)
        return events.DISABLE

    events.use_tool_id(_TOOL, "rows")
    events.register_callback(_TOOL, events.events.LINE, line)
    held = (one for module in _MODULES for one in vars(module).values())
    functions = {one.__code__ for one in held if isinstance(one, FunctionType)}
    mine = [code for code in functions if code.co_filename in _FILES]
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
def _tracing() -> Iterator[set[Row]]:
    """Watch as Python 3.11 can."""
    table, met = set(rows()), set[Row]()

    def line(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            met.update({(frame.f_code.co_filename, frame.f_lineno)} & table)
        return line

    def call(frame: FrameType, _event: str, _: Any) -> Any:
        return line if frame.f_code.co_filename in _FILES else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        yield met
    finally:
        sys.settrace(before)
