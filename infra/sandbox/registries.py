"""Registries, in their original namespace and in the namespace to which they moved."""

from infra import service_model
from infra.sandbox.agent_runtimes import LETTERS
from infra.sandbox.records import Record
from infra.sandbox.refusals import Refusal
from infra.sandbox.resources import Nature, Resources, authorized, patched
from infra.sandbox.world import Body, Params, World
from infra.service_model import AGENT_REGISTRY, CONTROL_PLANE

REGISTRY = Nature(
    kind="registry",
    noun="registry",
    name_member="name",
    id_member="registryId",
    new_id=lambda world, _: world.records.new_id(12, LETTERS),
    arn=lambda world, identity: world.arn(f"registry/{identity}"),
    quota="registries",
    duration="registry",
)
MOVED = Nature(
    kind="agentRegistry",
    noun="registry",
    name_member="name",
    id_member="registryId",
    new_id=lambda world, _: world.records.new_id(12, LETTERS),
    arn=lambda world, identity: world.arn(f"registry/{identity}", service="agent-registry"),
    quota="registries",
    duration="registry",
)


class Registries:
    """The operations on registries: CreateRegistry returns an ARN and nothing else."""

    def __init__(self, world: World, *, moved: bool) -> None:
        self._world = world
        self._moved = moved
        self._all = Resources(world, MOVED if moved else REGISTRY)
        self._service = AGENT_REGISTRY if moved else CONTROL_PLANE

    def create(self, params: Params) -> Body:
        """CreateRegistry."""
        self._open()
        front = params.get("discoveryConfiguration", {}) if self._moved else params
        authorized(front, front.get("authorizerType"))
        return {"registryArn": self._all.create(params).arn}

    def get(self, params: Params) -> Body:
        """GetRegistry."""
        self._open()
        return self._body(self._all.find(params, seen=True))

    def update(self, params: Params) -> Body:
        """UpdateRegistry: omitted members are kept; a wrapper without a value clears the member."""
        self._open()
        record = self._all.idle("UpdateRegistry", params)
        given = {name: value for name, value in params.items() if name != "registryId"}
        shape = service_model.operation("UpdateRegistry", self._service).input_shape
        record = self._all.update("UpdateRegistry", params, patched(record.request, given, shape))
        record.name = given.get("name", record.name)
        return self._body(record)

    def delete(self, params: Params) -> Body:
        """DeleteRegistry."""
        self._open()
        return {"status": self._all.delete("DeleteRegistry", params).status}

    def list(self, _params: Params) -> list[Body]:
        """ListRegistries, unpaged."""
        self._open()
        shape = service_model.operation("ListRegistries", self._service).output_shape
        known = shape.members["registries"].member.members
        bodies = [self._body(record) for record in self._all.visible()]
        return [{name: value for name, value in body.items() if name in known} for body in bodies]

    def _open(self) -> None:
        """Raise Refusal if the old namespace is switched off; the real error code is unknown."""
        if not self._moved and not self._world.behaviour.registries_open:
            raise Refusal(self._world.behaviour.registries_closed, "Registries are no longer available in this API")

    def _body(self, record: Record) -> Body:
        time = self._world.records.time
        body = {
            **self._all.shown(record),
            "name": record.name,
            "registryId": record.id,
            "registryArn": record.arn,
            "status": record.status,
            "createdAt": time(record.created),
            "updatedAt": time(record.updated),
        }
        detection = body.pop("autoDetectionConfiguration", None)
        if detection is not None:
            body["autoDetection"] = {"configuration": detection, "status": "ACTIVE"}
        if self._world.behaviour.fills_defaults:
            front = body.setdefault("discoveryConfiguration", {}) if self._moved else body
            shown = {"authorizerType": "AWS_IAM", **front}
            body = {**body, "discoveryConfiguration": shown} if self._moved else shown
        if record.reasons:
            body["statusReason"] = record.reasons[0]
        return body
