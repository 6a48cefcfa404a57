"""Reads what a terminal names as FILE: a stack document, or a sample event that holds one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.documents import Unreadable, parse


@dataclass(frozen=True)
class Source:
    """A document and what came with it."""

    document: Mapping[str, Any]
    allow: frozenset[str] = frozenset()


def read_source(path: Path) -> Source:
    """Read a file. Raises OSError, or Unreadable naming the file and the place."""
    try:
        value = parse(path.read_text("utf-8"))
    except UnicodeDecodeError:
        raise Unreadable(f"{path}: it is not UTF-8 text") from None
    except Unreadable as error:
        raise Unreadable(f"{path}: {error}") from None
    if isinstance(value, Mapping) and "detail-type" in value and isinstance(value.get("detail"), Mapping):
        value = value["detail"]
    if isinstance(value, Mapping) and isinstance(value.get("stack"), Mapping):
        allow = value.get("allow", [])
        if not isinstance(allow, list) or not all(isinstance(address, str) for address in allow):
            raise Unreadable(f"{path}: allow is a list of addresses")
        return Source(value["stack"], frozenset(allow))
    if not isinstance(value, Mapping):
        raise Unreadable(f"{path}: a stack document is a mapping")
    return Source(value)
