"""Agent runtimes: identified by id; every update replaces the whole configuration and creates a version."""

from infra.sandbox.records import Record
from infra.sandbox.refusals import Refusal, invalid
from infra.sandbox.resources import Nature, Resources, networked
from infra.sandbox.world import Body, Params, World, kept, waits_for_private_endpoint

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
RUNTIME = Nature(
    kind="runtime",
    noun="agent",
    name_member="agentRuntimeName",
    id_member="agentRuntimeId",
    new_id=lambda world, name: f"{name}-{world.records.new_id(10, LETTERS)}",
    arn=lambda world, identity: world.arn(f"runtime/{identity}"),
    quota="runtimes",
    duration="runtime",
)
_CREATED = (
    "agentRuntimeArn",
    "workloadIdentityDetails",
    "agentRuntimeId",
    "agentRuntimeVersion",
    "createdAt",
    "status",
)
_UPDATED = (*_CREATED, "lastUpdatedAt")
_LISTED = ("agentRuntimeArn", "agentRuntimeId", "agentRuntimeVersion", "agentRuntimeName", "lastUpdatedAt", "status")


class AgentRuntimes:
    """The operations on agent runtimes."""

    def __init__(self, world: World) -> None:
        self._all = Resources(world, RUNTIME)
        self._world = world

    def create(self, params: Params) -> Body:
        """CreateAgentRuntime."""
        networked(params.get("networkConfiguration"), creates=True)
        return self._some(self._all.create(params), _CREATED)

    def get(self, params: Params) -> Body:
        """GetAgentRuntime: for a runtime with a private endpoint, reads fail now and then, as was observed."""
        record, behaviour = self._all.find(params, seen=True), self._world.behaviour
        if behaviour.flaky_private_reads > 0 and waits_for_private_endpoint(record.request):
            behaviour.flaky_private_reads -= 1
            raise invalid("Unable to reach the discovery endpoint of the authorizer")
        return self._body(record)

    def update(self, params: Params) -> Body:
        """UpdateAgentRuntime: a full replacement; the type of the artifact cannot change."""
        networked(params.get("networkConfiguration"), creates=False)
        record = self._all.idle("UpdateAgentRuntime", params)
        if set(params["agentRuntimeArtifact"]) != set(record.request["agentRuntimeArtifact"]):
            raise invalid("The artifact type of an existing agent cannot be changed")
        request = {"agentRuntimeName": record.name, **kept(params)}
        return self._some(self._all.update("UpdateAgentRuntime", params, request), _UPDATED)

    def delete(self, params: Params) -> Body:
        """DeleteAgentRuntime: deleting a missing runtime may be refused with AccessDenied, as was observed."""
        try:
            record = self._all.delete("DeleteAgentRuntime", params)
        except Refusal as refusal:
            if refusal.code == "ResourceNotFoundException" and self._world.behaviour.gone_runtime_is_denied:
                message = "User is not authorized to perform bedrock-agentcore:DeleteAgentRuntime"
                raise Refusal("AccessDeniedException", message) from None
            raise
        return {"status": record.status, "agentRuntimeId": record.id}

    def list(self, _params: Params) -> list[Body]:
        """ListAgentRuntimes, unpaged."""
        shown = [(record, self._some(record, _LISTED)) for record in self._all.visible()]
        return [{**body, "description": record.request.get("description", "-")} for record, body in shown]

    def _some(self, record: Record, members: tuple[str, ...]) -> Body:
        body = self._body(record)
        return {name: body[name] for name in members if name in body}

    def _body(self, record: Record) -> Body:
        world, time = self._world, self._world.records.time
        identity = world.arn(f"workload-identity-directory/default/workload-identity/{record.id}")
        body = {
            "networkConfiguration": {"networkMode": "PUBLIC"},
            **self._all.shown(record),
            "agentRuntimeArn": record.arn,
            "agentRuntimeId": record.id,
            "agentRuntimeVersion": str(record.extra["version"]),
            "createdAt": time(record.created),
            "lastUpdatedAt": time(record.updated),
            "status": record.status,
            "workloadIdentityDetails": {"workloadIdentityArn": identity},
            "lifecycleConfiguration": with_lifetimes(record.request.get("lifecycleConfiguration")),
        }
        if world.behaviour.fills_defaults:
            body.setdefault("protocolConfiguration", {"serverProtocol": "HTTP"})
        if record.reasons:
            body["failureReason"] = record.reasons[0]
        return body


def with_lifetimes(configuration: Body | None) -> Body:
    """Return a lifecycle configuration with the defaults that the service fills in."""
    longest = (configuration or {}).get("maxLifetime", 28800)
    return {"idleRuntimeSessionTimeout": min(900, longest), "maxLifetime": 28800, **(configuration or {})}
