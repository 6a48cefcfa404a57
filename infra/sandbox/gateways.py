"""Gateways: identified by id, with a name that is unique in the account. Operations are refused during a transition.

A gateway with targets cannot be deleted.
"""

from infra.sandbox.records import GONE, TRANSITIONAL, Record
from infra.sandbox.refusals import Refusal, busy, invalid, missing, quota
from infra.sandbox.resources import authorized, hide_overrides
from infra.sandbox.world import Body, Params, World, kept, waits_for_private_endpoint

KIND = "gateway"
_LISTED = (
    "gatewayId",
    "name",
    "status",
    "description",
    "createdAt",
    "updatedAt",
    "authorizerType",
    "protocolType",
)


class Gateways:
    """The operations on gateways."""

    def __init__(self, world: World) -> None:
        self._world = world

    def create(self, params: Params) -> Body:
        """CreateGateway: a repeat with the same token and parameters returns the existing gateway."""
        world, request = self._world, kept(params)
        again = world.repeated(KIND, params, request)
        if again is not None:
            return self._body(again)
        if world.records.named(KIND, params["name"]):
            message = f"A gateway with name {params['name']} already exists"
            raise Refusal(world.behaviour.duplicate, message)
        if len(list(world.records.live(KIND))) >= world.behaviour.gateways:
            raise quota("The number of gateways in this account has reached its limit")
        authorized(params, params["authorizerType"])
        record = world.records.add(self._new(params, request))
        world.settle(record, self._seconds(params), "CREATE", "READY", "FAILED")
        return self._body(record)

    def get(self, params: Params) -> Body:
        """GetGateway."""
        return self._body(self.find(params, seen=True))

    def update(self, params: Params) -> Body:
        """UpdateGateway: a full replacement; omitted members are cleared, the name cannot change."""
        record = self.idle("UpdateGateway", params)
        self._world.updatable(record, "UpdateGateway", "gateway")
        if params["name"] != record.name:
            raise invalid("Gateway name cannot be changed")
        if params["authorizerType"] != record.request["authorizerType"]:
            raise invalid("Authorizer type cannot be updated for an existing gateway")
        authorized(params, params["authorizerType"])
        if "wafConfiguration" in params and record.id not in self._world.web_acls:
            raise invalid("wafConfiguration can only be set when a WebACL is associated with the gateway")
        record.go("UPDATING", now=self._world.now)
        self._world.replace(record, kept(params))
        self._world.settle(record, self._seconds(params), "UPDATE", "READY", "UPDATE_UNSUCCESSFUL")
        return self._body(record)

    def delete(self, params: Params) -> Body:
        """DeleteGateway: refused while a target exists, even if that target is being deleted."""
        record = self.idle("DeleteGateway", params)
        if any(self._world.records.live("target", record.id)):
            message = f"Gateway {record.id} has targets associated with it."
            raise invalid(f"{message} Delete all targets before deleting the gateway.")
        record.go("DELETING", now=self._world.now)
        self._world.settle(record, self._world.behaviour.durations.delete, "DELETE", GONE, "FAILED")
        return {"gatewayId": record.id, "status": "DELETING", "statusReasons": []}

    def list(self, _params: Params) -> list[Body]:
        """ListGateways, unpaged."""
        bodies = [self._body(record) for record in self._world.shown(KIND)]
        return [{name: body[name] for name in _LISTED if name in body} for body in bodies]

    def find(self, params: Params, *, seen: bool = False) -> Record:
        """Return the gateway with the id of the request; an ARN is refused, as by the service."""
        wanted = params["gatewayIdentifier"]
        for record in self._world.shown(KIND) if seen else self._world.records.live(KIND):
            if record.id == wanted:
                return record
        raise missing(f"Gateway {wanted}")

    def idle(self, operation: str, params: Params) -> Record:
        """Return the gateway of a request. Raises Refusal during a transition."""
        record = self.find(params)
        if record.status in TRANSITIONAL:
            raise busy(self._world.behaviour.busy, operation, "gateway", record.status)
        return record

    def _new(self, params: Params, request: Body) -> Record:
        world = self._world
        gateway_id = f"{params['name'].lower().rstrip('-')}-{world.records.new_id(10)}"
        return Record(
            kind=KIND,
            id=gateway_id,
            name=params["name"],
            arn=world.arn(f"gateway/{gateway_id}"),
            request=request,
            created=world.now,
            updated=world.now,
            visible=world.now + world.behaviour.durations.visible_after,
            tags=dict(params.get("tags", {})),
            token=params.get("clientToken"),
            extra={"created_with": request},
        )

    def _seconds(self, params: Params) -> float:
        durations = self._world.behaviour.durations
        authorizer = params.get("authorizerConfiguration", {}).get("customJWTAuthorizer", {})
        private = waits_for_private_endpoint(authorizer)
        return durations.gateway + (durations.private_endpoint if private else 0)

    def _body(self, record: Record) -> Body:
        world = self._world
        host = f"{record.id}.gateway.bedrock-agentcore.{world.behaviour.region}.amazonaws.com"
        protocol = "/mcp" if record.request.get("protocolType") == "MCP" else ""
        body = {
            **record.request,
            "gatewayArn": record.arn,
            "gatewayId": record.id,
            "gatewayUrl": f"https://{host}{protocol}",
            "createdAt": world.records.time(record.created),
            "updatedAt": world.records.time(record.updated),
            "status": record.status,
            "statusReasons": list(record.reasons),
            "workloadIdentityDetails": {
                "workloadIdentityArn": world.arn(f"workload-identity-directory/default/workload-identity/{record.id}")
            },
        }
        if record.id in world.web_acls:
            body["webAclArn"] = world.web_acls[record.id]
        return hide_overrides(body) if world.behaviour.hides_overrides else body
