"""How much of a document is looked at, and how much is told of what is wrong with it."""

import math
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from infra.service_model import MAX_DEPTH, Path
from workflows.problems import Invalid, Problem, path_text

#: Problems that a document is told of; the last one says how many more there are.
MOST_PROBLEMS = 100
#: So many problems are enough: what comes after them is not looked at.
ENOUGH = 1000
#: Whoever writes a longer number or text where a problem is told of does not mean it.
_DIGITS = 38
_LONGEST_PATH, _LONGEST_MESSAGE = 512, 1024


def refusal(problems: Iterable[Problem]) -> Invalid:
    """Return the refusal of a document: its problems, cut to a number and a length that fit into any answer."""
    made = Invalid(_cut(problem) for problem in problems)
    more = len(made.problems) - (MOST_PROBLEMS - 1)
    if more > 1:
        message = f"at least {more} more problems were found; they are told once these are mended"
        made.problems[MOST_PROBLEMS - 1 :] = [Problem("", "more", message)]
    return made


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
    waiting: list[tuple[Path, Any]] = [((), value)]
    while waiting:
        path, one = waiting.pop()
        if isinstance(one, Mapping):
            if not all(isinstance(name, str) for name in one):
                return Problem("", "names", "every name in a document must be a string")
            if not all(map(_is_text, one)):
                return Problem("", "text", "every name in a document must be Unicode text")
            waiting += [((*path, name), item) for name, item in one.items()]
        elif isinstance(one, list):
            waiting += [((*path, index), item) for index, item in enumerate(one)]
        elif problem := _unfit_scalar(one):
            rule, message = problem
            return _cut(Problem(path_text(path), rule, message))
    return None


def is_url(text: str) -> bool:
    """Tell whether a URL can be taken apart."""
    try:
        urlsplit(text)
    except ValueError:
        return False
    return True


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


def _cut(problem: Problem) -> Problem:
    path, message = problem.path, problem.message
    if len(path) <= _LONGEST_PATH and len(message) <= _LONGEST_MESSAGE:
        return problem
    return Problem(_shortened(path, _LONGEST_PATH), problem.rule, _shortened(message, _LONGEST_MESSAGE))


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
