"""Reads the FILE argument of the command line: a stack document, or a sample event that contains a document."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.documents import LARGEST, Unreadable, parse
from workflows.document.parameters import fill
from workflows.records.request_state import Mode
from workflows.requests.request import DETAIL_TYPES, is_name


@dataclass(frozen=True)
class Source:
    """A stack document and the options of the event that contained it."""

    document: Mapping[str, Any]
    allow: frozenset[str] = frozenset()
    #: Whether the event asks for a plan only.
    dry_run: bool = False
    #: Whether the event only names its stack and contains no document.
    named: bool = False


#: The detail type of each request mode.
_TYPES = {mode: detail_type for detail_type, mode in DETAIL_TYPES.items()}


def read_request_file(path: Path, ask: str = "") -> tuple[str, dict[str, Any]]:
    """Return the detail type and detail of a deployment request, read from a document or a sample event.

    `ask` (provision, plan, remove, synchronize) overrides the request type of the file. Raises OSError, or Unreadable
    with the file and the position.
    """
    value = _read(path)
    detail_type = value.get("detail-type") or _TYPES[Mode.PROVISION]
    detail = dict(value["detail"]) if isinstance(value.get("detail"), Mapping) else {"stack": value}
    if ask:
        detail_type = _TYPES[Mode(ask.upper() if ask != "plan" else "PROVISION")]
        stack = detail.get("stack")
        if ask in ("remove", "synchronize") and isinstance(stack, Mapping):
            detail = {"stack": stack.get("stack", "")}
        if ask == "plan":
            detail["dryRun"] = True
    return detail_type, detail


def read_source(path: Path, parameters: Mapping[str, Any] | None = None, *, named: bool = False) -> Source:
    """Read a file and fill in the parameters of the event and of the caller.

    `named` accepts an event that only names its stack. Raises OSError, or Unreadable with the file and the position.
    """
    value = _read(path)
    event = "detail-type" in value and isinstance(value.get("detail"), Mapping)
    if event:
        value = value["detail"]
    if "stackUri" in value:
        raise Unreadable(f"{path}: the event's document is elsewhere (stackUri); name the file that holds it")
    if (event or "requestId" in value) and isinstance(value.get("stack"), str):
        if named:
            return Source({"stack": value["stack"]}, named=True)
        raise Unreadable(f"{path}: the event names the stack {value['stack']} and holds no document of it")
    if isinstance(value.get("stack"), Mapping):
        allow = value.get("allow", [])
        if not isinstance(allow, list) or not all(isinstance(address, str) for address in allow):
            raise Unreadable(f"{path}: allow is a list of addresses")
        given = value.get("parameters", {})
        if not isinstance(given, Mapping):
            raise Unreadable(f"{path}: parameters map names to values")
        document = fill(value["stack"], {**given, **(parameters or {})})
        return Source(document, frozenset(allow), value.get("dryRun") is True)
    return Source(fill(value, parameters or {}))


def read_named(argument: Path, parameters: Mapping[str, Any] | None = None) -> Source:
    """Read a file that holds a document or an event, or take the argument as the name of a stack.

    Raises OSError, or Unreadable with the file and the position.
    """
    if argument.exists():
        return read_source(argument, parameters, named=True)
    text = str(argument)
    if not is_name(text) or argument.suffix in (".yaml", ".yml", ".json"):
        raise Unreadable(f"{text}: there is no such file")
    return Source({"stack": text}, named=True)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            # A character has at most four bytes. Reading is bounded, because a larger input (such as a device) may be
            # endless.
            value = parse(file.read(4 * LARGEST + 1).decode("utf-8"))
    except UnicodeDecodeError:
        raise Unreadable(f"{path}: it is not UTF-8 text") from None
    except Unreadable as error:
        raise Unreadable(f"{path}: {error}") from None
    if not isinstance(value, Mapping):
        raise Unreadable(f"{path}: a stack document is a mapping")
    return value
