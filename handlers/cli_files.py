"""Reads what a terminal names as FILE: a stack document, or a sample event that holds one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.documents import Unreadable, parse
from workflows.parameters import fill


@dataclass(frozen=True)
class Source:
    """A document and what came with it."""

    document: Mapping[str, Any]
    allow: frozenset[str] = frozenset()


def read_source(path: Path, parameters: Mapping[str, Any] | None = None) -> Source:
    """Read a file, with the parameters of its event and of the caller put in.

    Raises OSError, or Unreadable naming the file and the place.
    """
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
        given = value.get("parameters", {})
        if not isinstance(given, Mapping):
            raise Unreadable(f"{path}: parameters map names to values")
        return Source(fill(value["stack"], {**given, **(parameters or {})}), frozenset(allow))
    if not isinstance(value, Mapping):
        raise Unreadable(f"{path}: a stack document is a mapping")
    return Source(fill(value, parameters or {}))
