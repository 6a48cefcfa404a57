"""Limits on the size and nesting of a document, checked before any other check reads the document."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from infra.service_model import MAX_DEPTH, Path
from workflows.document.problems import Problem, path_text

#: The number of problems after which a document is not checked further.
MAX_FINDINGS = 1000
#: The longest number (in digits) and name (in characters): nobody writes longer ones on purpose.
_DIGITS, _LONGEST_NAME = 38, 1_000
#: The limit on the total length of the paths to all values of a document, in characters.
_PATHS = 20_000_000


def too_deep(value: Any) -> bool:
    """Return whether a value is nested deeper than MAX_DEPTH levels, which bounds the recursion of every walk."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [inner for one in level if isinstance(one, Mapping | list) for inner in _inside(one)]
        if not level:
            return False
    return True


def out_of_bounds(value: Any) -> Problem | None:
    """Return the problem that keeps a document from being checked at all (depth, size, non-JSON values), or None."""
    if too_deep(value):
        return Problem("", "depth", f"nested deeper than {MAX_DEPTH} levels")
    waiting: list[tuple[Path, int, Any]] = [((), 0, value)]
    written = 0
    while waiting:
        path, length, one = waiting.pop()
        # Each problem quotes the whole path to its value, so the length of all paths together is bounded.
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
    """Return whether a string can be encoded as UTF-8: lone surrogates cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
