"""References: `${section.name.member}` stands for a member in the response of another resource of the stack.

Names with dots stand in brackets: `${registries["a.b"].registryArn}`. `$${` is a literal `${`. `${aws.accountId}`,
`${aws.region}` and `${aws.partition}` stand for the account, Region and partition of the run. In the path or query of
a URL, a value is percent-encoded.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from infra.service_model import Path
from workflows.document.problems import path_text
from workflows.kinds import KINDS, children

#: A reference contains no brace, so an unclosed reference does not extend to the closing brace of the next.
TOKEN = re.compile(r"\$\$\{|\$\{([^{}]*)\}")
#: A URL; the group is the part after the host, in which the values of references are percent-encoded.
_URL = re.compile(r"https?://[^\s/?#]+[/?#](\S*)")
_PART = re.compile(r'\.?([A-Za-z0-9_-]+)|\["([^"\]]+)"\]')


#: The pseudo-section for facts of the run, and its members.
AWS = "aws"
AWS_MEMBERS = ("accountId", "region", "partition")


@dataclass(frozen=True)
class Reference:
    """A reference: its path in the document, the address of the target, and the member of the target's response."""

    path: Path
    text: str
    address: str
    member: tuple[str, ...]


def parts(expression: str) -> tuple[str, ...] | None:
    """Split an expression into its names; None if the expression is malformed."""
    found, at = [], 0
    while at < len(expression):
        match = _PART.match(expression, at)
        if match is None or (at == 0 and expression.startswith(".")):
            return None
        found.append(match[1] or match[2])
        at = match.end()
    return tuple(found) or None


def split(names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Split names into an address and a member path.

    An address has two names, or four if the third name is a child section and a member path follows.
    """
    if names[0] == AWS:
        return AWS, names[1:]
    inside = {child.section for kind in KINDS if kind.section == names[0] for child in children(kind)}
    length = 4 if len(names) > 4 and names[2] in inside else 2
    return path_text(names[:length]), names[length:]


def is_unclosed(text: str) -> bool:
    """Return whether a text contains a `${` that begins neither a reference nor a literal."""
    return "${" in TOKEN.sub("", text)


def find(value: Any, opaque: frozenset[str], path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield the path and expression of every reference in a value, except in payload members."""
    for where, text in strings(value, opaque, path):
        yield from ((where, match[1]) for match in TOKEN.finditer(text) if match[1] is not None)


def strings(value: Any, opaque: frozenset[str], path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield every string in a value with its path, except in payload members."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if name not in opaque:
                yield from strings(item, opaque, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from strings(item, opaque, (*path, index))


def resolve(value: Any, opaque: frozenset[str], look_up: Callable[[str], str]) -> Any:
    """Return a copy of a value with every reference replaced by the value that `look_up` returns for its expression."""
    if isinstance(value, str):
        url = _URL.match(value)
        within = range(url.start(1), url.end(1) + 1) if url else range(0)
        return TOKEN.sub(lambda match: "${" if match[1] is None else _put(within, match, look_up), value)
    if isinstance(value, Mapping):
        return {k: v if k in opaque else resolve(v, opaque, look_up) for k, v in value.items()}
    if isinstance(value, list):
        return [resolve(item, opaque, look_up) for item in value]
    return value


def literal(value: Any) -> Any:
    """Return a value with each `${` escaped, for values that must not be read as references."""
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, Mapping):
        return {name: literal(item) for name, item in value.items()}
    return [literal(item) for item in value] if isinstance(value, list) else value


def _put(url: range, match: re.Match[str], look_up: Callable[[str], str]) -> str:
    """Return the value of a reference, percent-encoded inside a URL, where an ARN must be encoded."""
    value = look_up(match[1])
    if value.startswith("${") or match.start() not in url:
        return value
    return quote(value, safe="")
