"""Records what a control plane answers: how long calls take, and members and codes of answers; no ids, no values."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from infra.service_model import CONTROL_PLANE, is_document, service
from workflows.kinds import KINDS

#: What may stand in a message: words, and names of the API. Everything else may name an account, a resource, a place or
#: a person.
_WORD = re.compile(r"[A-Za-z]?[a-z]*('[a-z]+)?|[A-Z]{0,5}[a-z]+([A-Z]{1,4}[a-z]+)*|[A-Z]{2,5}|[A-Z]+(_[A-Z]+)+")
#: Statuses and operations, also those with a digit in their name.
_NAMES = frozenset({status for kind in KINDS for status in kind.statuses} | {*service(CONTROL_PLANE).operation_names})
_TOKEN = re.compile(r"[^\s\"'`(){}\[\],;:]+")
_LONGEST = 40
_AT_REST_AFTER = frozenset({"CREATING", "UPDATING", "DELETING", "SYNCHRONIZING"})


class BudgetSpent(Exception):  # noqa: N818 - reads better where it is caught
    """The calls that a live run may send are used up."""


def scrubbed(text: str) -> str:
    """Return a message in which only words and names of the API are left."""

    def kept(found: re.Match[str]) -> str:
        token = found[0].rstrip(".?!")
        known = token in _NAMES or (len(token) < _LONGEST and _WORD.fullmatch(token))
        return found[0] if known else "-"

    return _TOKEN.sub(kept, text)


def members(shape: Shape | None, value: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of the members of an answer; a member that the service model does not know ends with `?`."""
    if isinstance(shape, StructureShape) and isinstance(value, Mapping) and not is_document(shape):
        for name, item in value.items():
            if name in shape.members:
                yield f"{path}{name}"
                yield from members(shape.members[name], item, f"{path}{name}.")
            elif name != "ResponseMetadata":
                yield f"{path}{name}?"
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for item in value:
            yield from members(shape.member, item, path)
    elif isinstance(shape, MapShape) and isinstance(value, Mapping):
        for item in value.values():
            yield from members(shape.value, item, f"{path}*.")


class Recorder:
    """Writes a line of JSON for each call of the clients that it is attached to, and ends them at a budget."""

    def __init__(self, path: Path, budget: int) -> None:
        self._path, self._budget = path, budget
        self._calls = 0
        self._created: dict[str, tuple[str, float]] = {}
        #: What removes the resources of a run may always be called.
        self.cleaning = False

    def attach(self, client: Any) -> None:
        """Record every call of a client."""
        service = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register(f"before-call.{service}", self._begin)
        client.meta.events.register(f"after-call.{service}", self._end)

    def _begin(self, context: dict[str, Any], **_: Any) -> None:
        self._calls += 1
        if self._calls > self._budget and not self.cleaning:
            raise BudgetSpent(f"{self._budget} calls were sent; raise BUDGET to go on")
        context["live_began"] = time.monotonic()

    def _end(
        self, http_response: Any, parsed: Mapping[str, Any], model: OperationModel, context: Any, **_: Any
    ) -> None:
        now, error = time.monotonic(), parsed.get("Error") or {}
        line: dict[str, Any] = {
            "operation": model.name,
            "seconds": round(now - context["live_began"], 3),
            "http": http_response.status_code,
            "code": error.get("Code", ""),
            "message": scrubbed(str(error.get("Message", ""))),
            "members": [] if error else sorted(set(members(model.output_shape, parsed))),
        }
        rested = self._rest(model.name, parsed, now)
        if rested is not None:
            line["rested"] = rested
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _rest(self, operation: str, parsed: Mapping[str, Any], now: float) -> list[Any] | None:
        """Return the kind and the seconds from a creation to the first answer that shows the resource at rest."""
        identity = next((str(parsed[name]) for name in ("targetId", "gatewayId", "name") if parsed.get(name)), "")
        if operation.startswith("Create"):
            self._created[identity] = (operation.removeprefix("Create"), now)
        elif operation.startswith("Get") and parsed.get("status", "READY") not in _AT_REST_AFTER:
            kind, began = self._created.pop(identity, ("", 0.0))
            if kind and not parsed.get("Error"):
                return [kind, str(parsed.get("status", "READY")), round(now - began, 1)]
        return None


def lines(path: Path) -> list[dict[str, Any]]:
    """Return what a recorder wrote."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
