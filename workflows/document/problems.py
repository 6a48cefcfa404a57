"""Problems of a document: all of them are reported at once, each with its path, and never with a possible secret."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from infra.service_model import Path

#: The most problems in a report; if there are more, the last entry says how many.
MOST_PROBLEMS = 100
#: The limits on the path and the message of a reported problem, in characters.
_LONGEST_PATH, _LONGEST_MESSAGE = 512, 1024
#: The rule names of problems that no numbered rule covers. Any other name is pydantic's: AWS's model forbids the value.
WORDS: Mapping[str, str] = {
    "adopted": "warns: a resource that this stack did not create was imported",
    "allow": "warns: a removal was allowed at an address where there is nothing",
    "authority": "no grant lets this submitter request this stack, or lets this stack refer to this resource",
    "cycle": "resources depend on each other in a cycle",
    "depth": "it is nested too deep",
    "elsewhere": "warns: an external resource is in another account or Region",
    "kept": "warns: a resource was retained, and why",
    "known-stack": "the ledger knows a stack of this name already",
    "missing": "a required member is missing",
    "more": "so many problems were found that not all are listed",
    "name": "AWS does not accept this name",
    "names": "a member's name is no string, or too long",
    "option": "an option means nothing for this kind",
    "owned": "it belongs to another stack",
    "reference": "a `${...}` cannot be parsed, or refers to nothing declared",
    "rollback": "warns: a rollback could not restore something",
    "secret": "a secret is given as a literal, and not as a reference",
    "secret-reference": "a reference to a secret in a member that holds no secret",
    "shown-otherwise": "warns: the service shows a declared value in another form (case, order, default, mask, ARN)",
    "tags-unread": "warns: tags cannot be read, so a resource to delete is identified by its recorded id alone",
    "secret-unread": "warns: whether a secret that a creation will read exists cannot be looked up",
    "credentials": "warns: the caller's credentials or clock are refused; the request goes on once they are right",
    "network": "warns: the caller's endpoint, Region or network leads to no service; the request goes on once it does",
    "size": "it is too large",
    "tag": "this tag is Gatewright's own",
    "text": "it is no Unicode text",
    "type": "it is of another type than is needed here",
    "unknown-section": "no section has this name",
    "unknown-stack": "the ledger knows no such stack",
    "unmanaged": "warns: a gateway of the stack has targets that are not declared",
    "unreachable": "the document at `stackUri` cannot be fetched",
    "unreadable": "the object at `stackUri` is no stack document",
    "unmodeled": "warns: updates leave out a member that the service models do not know, because AWS refuses it there",
    "withheld": "warns: a declared member is not set yet, because the service does not take it in this state",
    "url": "this URL cannot be read",
}
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, order=True)
class Problem:
    """A problem of a document. `rule` is the number of an AWS rule, a name in WORDS, or pydantic's error type."""

    path: str
    rule: str
    message: str

    def shown(self) -> dict[str, str]:
        """Return the problem as JSON."""
        return {"path": self.path, "rule": self.rule, "message": self.message}

    def cut(self) -> "Problem":
        """Return the problem with path and message truncated to the length of a report."""
        return Problem(_cut(self.path, _LONGEST_PATH), self.rule, _cut(self.message, _LONGEST_MESSAGE))


class Invalid(Exception):  # noqa: N818 - the name describes the document
    """Raised for a document that cannot be used, with all of its problems, as far as they fit into a report."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = told(problems)
        super().__init__(f"{len(self.problems)} problems, the first at {self.problems[0].path or 'the top'}")


def told(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems or warnings as reported: sorted, truncated, without duplicates, at most MOST_PROBLEMS."""
    found = sorted({problem.cut() for problem in problems})
    more = len(found) - (MOST_PROBLEMS - 1)
    if more > 1:
        message = f"at least {more} more were found; they are listed once these are corrected"
        found[MOST_PROBLEMS - 1 :] = [Problem("", "more", message)]
    return found


_PARTS = re.compile(r'\[(\d+)\]|\["([^"]*)"\]|\.?([A-Za-z0-9_-]+)')


def parse_path(text: str) -> Path:
    """Parse a path in the notation of `path_text`."""
    return tuple(int(m[1]) if m[1] else m[2] if m[2] is not None else m[3] for m in _PARTS.finditer(text))


def path_text(path: Path) -> str:
    """Format a path for people: `gateways.payments.targets[0]`; names with dots stand in brackets and quotes."""
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
