"""The common behavior of runtimes, harnesses and registries: ids, seven statuses, and unique names."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.model import Shape

from infra import service_model
from infra.sandbox.records import GONE, TRANSITIONAL, Record
from infra.sandbox.refusals import Refusal, busy, invalid, missing, quota
from infra.sandbox.world import Body, Params, World, kept, waits_for_private_endpoint


@dataclass(frozen=True)
class Nature:
    """The differences between kinds: nouns, the members for name and id, and the construction of ids and ARNs."""

    kind: str
    noun: str
    name_member: str
    id_member: str
    new_id: Callable[[World, str], str]
    arn: Callable[[World, str], str]
    #: The settings in Behaviour for the maximum number of resources, and for the duration of a create or update.
    quota: str
    duration: str


class Resources:
    """The resources of a kind. The classes of the kinds define requests and responses."""

    def __init__(self, world: World, nature: Nature) -> None:
        self.world = world
        self.nature = nature

    def create(self, params: Params) -> Record:
        """Create a resource; a repeat with the same token and parameters returns the resource. Raises Refusal."""
        world, nature, request = self.world, self.nature, kept(params)
        named = {**params, "name": params[nature.name_member]}
        again = world.repeated(nature.kind, named, request)
        if again is not None:
            return again
        name = params[nature.name_member]
        if world.records.named(nature.kind, name):
            article = "An" if nature.noun[0] in "aeiou" else "A"
            raise Refusal(world.behaviour.duplicate, f"{article} {nature.noun} with the specified name already exists")
        if len(list(world.records.live(nature.kind))) >= getattr(world.behaviour, nature.quota):
            raise quota(f"This account has reached the maximum number of {nature.noun}s")
        record = world.records.add(self._new(name, params, request))
        world.settle(record, self._seconds(request), "CREATE", "READY", "CREATE_FAILED")
        return record

    def update(self, operation: str, params: Params, request: Body) -> Record:
        """Put a new request in force, and keep the old request in case the update fails. Raises Refusal."""
        record = self.idle(operation, params)
        record.go("UPDATING", now=self.world.now)
        self.world.replace(record, request)
        record.extra["version"] += 1
        self.world.settle(record, self._seconds(request), "UPDATE", "READY", "UPDATE_FAILED")
        return record

    def delete(self, operation: str, params: Params, then: Callable[[Record], None] | None = None) -> Record:
        """Start the deletion of a resource. Raises Refusal."""
        record = self.idle(operation, params)
        record.go("DELETING", now=self.world.now)
        self.world.settle(record, self.world.behaviour.durations.delete, "DELETE", GONE, "DELETE_FAILED", then)
        return record

    def find(self, params: Params, *, seen: bool = False) -> Record:
        """Return the resource with the id of the request, or the ARN if the model allows ARNs. Raises Refusal."""
        wanted = str(params[self.nature.id_member]).rpartition("/")[2]
        kind = self.nature.kind
        for record in self.world.shown(kind) if seen else self.world.records.live(kind):
            if record.id == wanted:
                return record
        raise missing(f"{self.nature.noun.capitalize()} {wanted}")

    def idle(self, operation: str, params: Params) -> Record:
        """Return the resource of a request. Raises Refusal during a transition."""
        record = self.find(params)
        if record.status in TRANSITIONAL:
            raise busy(self.world.behaviour.busy, operation, self.nature.noun, record.status)
        return record

    def visible(self) -> list[Record]:
        """Return the resources that lists show."""
        return self.world.shown(self.nature.kind)

    def shown(self, record: Record) -> Body:
        """Return the common part of every response: the members of the request that are set."""
        body = {name: value for name, value in record.request.items() if value is not None}
        return hide_overrides(body) if self.world.behaviour.hides_overrides else body

    def _new(self, name: str, params: Params, request: Body) -> Record:
        world = self.world
        identity = self.nature.new_id(world, name)
        return Record(
            kind=self.nature.kind,
            id=identity,
            name=name,
            arn=self.nature.arn(world, identity),
            request=request,
            created=world.now,
            updated=world.now,
            visible=world.now + world.behaviour.durations.visible_after,
            tags=dict(params.get("tags", {})),
            token=params.get("clientToken"),
            extra={"created_with": request, "version": 1},
        )

    def _seconds(self, request: Body) -> float:
        durations = self.world.behaviour.durations
        private = waits_for_private_endpoint(request)
        return float(getattr(durations, self.nature.duration)) + (durations.private_endpoint if private else 0)


def authorized(params: Params, authorizer_type: str | None) -> None:
    """Refuse a JWT authorizer without a configuration, with the wording observed for gateways."""
    if authorizer_type == "CUSTOM_JWT" and "authorizerConfiguration" not in params:
        raise invalid("AuthorizerConfiguration is required for CUSTOM_JWT authorizer type")


def networked(configuration: Any, *, creates: bool) -> None:
    """Refuse VPC mode without a configuration, and a member that only old runtimes have (rules R78, R79)."""
    network = configuration or {}
    if network.get("networkMode") == "VPC" and "networkModeConfig" not in network:
        raise invalid("NetworkModeConfig is required for VPC mode")
    if creates and "requireServiceS3Endpoint" in (network.get("networkModeConfig") or {}):
        raise invalid("requireServiceS3Endpoint cannot be set on create")


def hide_overrides(value: Any) -> Any:
    """Return a copy without privateEndpointOverrides, which some reads omit."""
    if isinstance(value, dict):
        return {name: hide_overrides(item) for name, item in value.items() if name != "privateEndpointOverrides"}
    return [hide_overrides(item) for item in value] if isinstance(value, list) else value


def patched(old: Body, params: Params, shape: Shape) -> Body:
    """Apply a PATCH to a request: given members are replaced, wrappers set or clear a member, the rest is kept."""
    new = dict(old)
    members: dict[str, Shape] = shape.members
    for name, value in params.items():
        inner = service_model.wrapped(members[name])
        if inner is not None:
            new[name] = value.get("optionalValue")
        elif any(service_model.wrapped(member) for member in getattr(members[name], "members", {}).values()):
            new[name] = patched(old.get(name) or {}, value, members[name])
        else:
            new[name] = value
    return {name: value for name, value in new.items() if value is not None}
