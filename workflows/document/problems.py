"""What is wrong with a document, and where: all of it at once, never with a value that could be a secret."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from infra.service_model import Path

#: Problems that are told of; the last one says how many more there are.
MOST_PROBLEMS = 100
#: Whoever writes a longer path or text where a problem is told of does not mean it.
_LONGEST_PATH, _LONGEST_MESSAGE = 512, 1024
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake. `rule` names what was broken: R-numbers are AWS's documented rules, words are ours."""

    path: str
    rule: str
    message: str

    def shown(self) -> dict[str, str]:
        """Return it as JSON."""
        return {"path": self.path, "rule": self.rule, "message": self.message}

    def cut(self) -> "Problem":
        """Return it short enough for any answer."""
        return Problem(_cut(self.path, _LONGEST_PATH), self.rule, _cut(self.message, _LONGEST_MESSAGE))


class Invalid(Exception):  # noqa: N818 - it says what the document is
    """A document cannot be used; it says everything that is wrong with it, as far as that fits into an answer."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = told(problems)
        super().__init__(f"{len(self.problems)} problems, the first at {self.problems[0].path or 'the top'}")


def told(problems: Iterable[Problem]) -> list[Problem]:
    """Return what people are told of problems or warnings: each once and short, and no more than they would read."""
    found = sorted({problem.cut() for problem in problems})
    more = len(found) - (MOST_PROBLEMS - 1)
    if more > 1:
        message = f"at least {more} more were found; they are told once these are mended"
        found[MOST_PROBLEMS - 1 :] = [Problem("", "more", message)]
    return found


_PARTS = re.compile(r'\[(\d+)\]|\["([^"]*)"\]|\.?([A-Za-z0-9_-]+)')


def parse_path(text: str) -> Path:
    """Read what `path_text` wrote."""
    return tuple(int(m[1]) if m[1] else m[2] if m[2] is not None else m[3] for m in _PARTS.finditer(text))


def path_text(path: Path) -> str:
    """Write a path as people read it: `gateways.payments.targets[0]`, names with dots in quotes."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN.fullmatch(part):
            text += f".{part}"
        else:
            text += f'["{part}"]'
    return text.removeprefix(".")


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
