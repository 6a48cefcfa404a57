"""How much of a document is looked at."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from infra.service_model import MAX_DEPTH, Path
from workflows.document.problems import Problem, path_text

#: So many problems are enough: what comes after them is not looked at.
ENOUGH = 1000
#: Whoever writes a longer number or name does not mean it.
_DIGITS, _LONGEST_NAME = 38, 1_000
#: Characters of the paths to all values of a document, together.
_PATHS = 20_000_000


def too_deep(value: Any) -> bool:
    """Tell whether a value is nested deeper than any walk of it should go."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [inner for one in level if isinstance(one, Mapping | list) for inner in _inside(one)]
        if not level:
            return False
    return True


def unfit(value: Any) -> Problem | None:
    """Return why a document cannot be worked on at all, whatever it means; None where it can."""
    if too_deep(value):
        return Problem("", "depth", f"nested deeper than {MAX_DEPTH} levels")
    waiting: list[tuple[Path, int, Any]] = [((), 0, value)]
    written = 0
    while waiting:
        path, length, one = waiting.pop()
        # Whatever is wrong with a value is told of with the whole path to it.
        written += length
        if written > _PATHS:
            return Problem("", "size", "its names are too long for so many values: the paths to them add up")
        if isinstance(one, Mapping):
            if problem := _unfit_names(one):
                return problem
            waiting += [((*path, name), length + len(name) + 1, item) for name, item in one.items()]
        elif isinstance(one, list):
            waiting += [((*path, index), length + 3, item) for index, item in enumerate(one)]
        elif scalar := _unfit_scalar(one):
            rule, message = scalar
            return Problem(path_text(path), rule, message)
    return None


def _unfit_names(one: Mapping[Any, Any]) -> Problem | None:
    if not all(isinstance(name, str) for name in one):
        return Problem("", "names", "every name in a document must be a string")
    if not all(map(_is_text, one)):
        return Problem("", "text", "every name in a document must be Unicode text")
    if any(len(name) > _LONGEST_NAME for name in one):
        return Problem("", "names", f"a name has at most {_LONGEST_NAME} characters")
    return None


def _unfit_scalar(one: Any) -> tuple[str, str] | None:
    if isinstance(one, str):
        return None if _is_text(one) else ("text", "this is no Unicode text")
    if isinstance(one, float):
        return None if math.isfinite(one) else ("number", "a number must be finite")
    if isinstance(one, int):
        return None if abs(one) < 10**_DIGITS else ("number", f"a number has at most {_DIGITS} digits")
    return None if one is None else ("type", "a document holds what JSON can hold, and nothing else")


def _inside(one: Any) -> Iterable[Any]:
    return one.values() if isinstance(one, Mapping) else one


def _is_text(text: str) -> bool:
    """Tell whether a text can be written down: halves of characters cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
