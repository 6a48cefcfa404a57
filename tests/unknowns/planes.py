"""Planes that answer otherwise than the sandbox: newer than the service models, and as short as they can be."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from botocore.model import ListShape, Shape, StructureShape

from infra import service_model
from infra.sandbox.plane import Plane
from infra.sandbox.refusals import invalid
from infra.sandbox.seed import sow
from infra.sandbox.world import Body, Params
from infra.service_model import CONTROL_PLANE, Path
from infra.unmodeled import put, split
from tests.worlds import EPOCH, SandboxWorld
from workflows.kinds import KINDS, Kind

#: A setting and an output that no service model knows.
SETTING, OUTPUT = "newerSetting", "newerOutput"
#: What the service does with an output in an update.
Outputs = Literal["ignored", "refused by name", "refused without a name"]


def structures(shape: Shape, value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every structure of an answer with its path; no unions, no documents and no items of lists."""
    if isinstance(shape, StructureShape) and isinstance(value, dict) and not service_model.is_document(shape):
        if not service_model.is_union(shape):
            yield path, value
        for name, member in shape.members.items():
            if name in value and name != "ResponseMetadata":
                yield from structures(member, value[name], (*path, name))
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from structures(shape.member, item, (*path, index))


class NewerPlane(Plane):
    """A service that is newer than the models: people set SETTING by hand, and every structure shows OUTPUT.

    An update that replaces the whole resource resets the settings that it omits.
    """

    outputs: Outputs = "ignored"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        #: The settings of each resource by id, by their path in a read.
        self.settings: dict[str, dict[Path, Any]] = {}
        #: How often an output was sent back.
        self.sent_outputs = 0

    def answer(self, operation: str, params: Params, service: str = CONTROL_PLANE) -> Body:
        model = service_model.operation(operation, service)
        known, extra = split(model.input_shape, params)
        self._refuse_outputs(extra)
        body = copy.deepcopy(super().answer(operation, known, service))
        kind, identity = owner(operation, service, params, body)
        if kind is not None and operation == kind.operations.update:
            sent = {tuple(part for part in path if part != "optionalValue"): value for path, value in extra}
            before = self.settings.get(identity, {}) if kind.patch else {}
            untouched = {path: value for path, value in before.items() if path[0] not in known}
            kept = {path: value for path, value in sent.items() if path[-1] == SETTING}
            self.settings[identity] = untouched | kept
        if kind is not None and not operation.startswith("List"):
            for path, value in self.settings.get(identity, {}).items():
                put(body[kind.wrapper] if kind.wrapper else body, path, value)
        for _, structure in list(structures(model.output_shape, body)) if model.output_shape is not None else ():
            structure[OUTPUT] = "shown"
        return body

    def _refuse_outputs(self, extra: list[tuple[Path, Any]]) -> None:
        if any(path[-1] == OUTPUT for path, _ in extra):
            self.sent_outputs += 1
            if self.outputs == "refused by name":
                raise invalid(f"Unknown member {OUTPUT}")
            if self.outputs == "refused without a name":
                raise invalid("The request has a member that cannot be set")


class SparsePlane(Plane):
    """A service that shows no optional member that nobody declared."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._declared: dict[str, set[str]] = {}

    def answer(self, operation: str, params: Params, service: str = CONTROL_PLANE) -> Body:
        body = copy.deepcopy(super().answer(operation, params, service))
        kind, identity = owner(operation, service, params, body)
        if kind is None or operation in (kind.operations.list, kind.operations.delete):
            return body
        if operation != kind.operations.get:
            self._declared.setdefault(identity, set()).update(_names(params))
        shown = {*self._declared[identity], "authorizationData", "status", "statusReasons", "failureReason"}
        # A declared member may have another name in reads.
        shown |= {part for path in kind.shown_as.values() for part in path.split(".")}
        shown |= {kind.id_member, kind.name_member, str(kind.arn_member), kind.wrapper}
        for path, structure in list(structures(service_model.operation(operation, service).output_shape, body)):
            required = _shape_at(service_model.operation(operation, service).output_shape, path).required_members
            for name in set(structure) - set(required) - shown:
                del structure[name]
        return body


def _shape_at(shape: Any, path: Path) -> Any:
    for part in path:
        shape = shape.member if isinstance(part, int) else shape.members[part]
    return shape


def owner(operation: str, service: str, params: Params, body: Body) -> tuple[Kind | None, str]:
    """Return the kind whose operation this is, and the id of the resource; None for any other operation."""
    for kind in KINDS:
        known = kind.operations
        if service == kind.service and operation in (known.create, known.get, known.update, known.delete, known.list):
            member = next(name for name, source in kind.address_members.items() if source in ("id", "name"))
            return kind, str(params.get(member) or kind.shown(body).get(kind.id_member))
    return None, ""


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield name
            yield from _names(item)
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)


@dataclass
class OtherWorld(SandboxWorld):
    """A world with a plane of another class."""

    made_of: type[Plane] = field(default=Plane, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        clock = self.plane.world.records.clock
        self.plane = self.made_of(clock, self.behaviour, EPOCH)
        sow(self.plane)
