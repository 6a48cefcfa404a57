"""Gateway targets: five concurrent operations per gateway, operations that wait for consent, synchronized tools."""

from collections.abc import Mapping

from infra.sandbox import private_endpoints
from infra.sandbox.consent import Consent
from infra.sandbox.gateways import Gateways
from infra.sandbox.records import GONE, TRANSITIONAL, Record
from infra.sandbox.refusals import Refusal, busy, invalid, missing, quota
from infra.sandbox.world import Body, Params, World, kept, waits_for_private_endpoint
from infra.service_model import error_codes

KIND = "target"
_LISTED = [
    "targetId",
    "name",
    "status",
    "description",
    "createdAt",
    "updatedAt",
    "lastSynchronizedAt",
    "authorizationData",
    "resourcePriority",
    "listingMode",
    "targetType",
]
_TYPES = {
    ("mcp", "openApiSchema"): "OPEN_API_SCHEMA",
    ("mcp", "smithyModel"): "SMITHY_MODEL",
    ("mcp", "lambda"): "LAMBDA",
    ("mcp", "mcpServer"): "MCP_SERVER",
    ("mcp", "apiGateway"): "API_GATEWAY",
    ("mcp", "connector"): "CONNECTOR",
    ("http", "agentcoreRuntime"): "AGENTCORE_RUNTIME",
    ("http", "passthrough"): "PASSTHROUGH",
    ("http", "connector"): "HTTP_CONNECTOR",
    ("inference", "provider"): "PROVIDER",
    ("inference", "connector"): "CONNECTOR",
}


class Targets:
    """The operations on gateway targets."""

    def __init__(self, world: World, gateways: Gateways) -> None:
        self._world = world
        self._gateways = gateways
        self.consent = Consent(world)

    def create(self, params: Params) -> Body:
        """CreateGatewayTarget: a repeat with the same token returns the existing target."""
        world, request = self._world, kept(params)
        gateway = self._gateways.find(params)
        again = world.repeated(KIND, params, request)
        if again is not None and again.parent == gateway.id:
            return self._body(again)
        if gateway.status != "READY":
            raise busy(world.behaviour.busy, "CreateGatewayTarget", "gateway", gateway.status)
        if world.records.named(KIND, params["name"], gateway.id):
            message = f"A target with name {params['name']} already exists in gateway {gateway.id}"
            raise Refusal(world.behaviour.duplicate, message)
        if len(list(world.records.live(KIND, gateway.id))) >= world.behaviour.targets_per_gateway:
            raise quota("The number of targets of this gateway has reached its limit")
        self._check_providers(params)
        self._check_room("CreateGatewayTarget", gateway)
        record = world.records.add(self._new(gateway, params, request))
        self._work(record, world.behaviour.durations.target, "CREATE")
        return self._body(record)

    def get(self, params: Params) -> Body:
        """GetGatewayTarget."""
        return self._body(self._find(params, seen=True))

    def update(self, params: Params) -> Body:
        """UpdateGatewayTarget: a full replacement; consent is requested again if the grant requires consent."""
        record = self._idle("UpdateGatewayTarget", params)
        self._world.updatable(record, "UpdateGatewayTarget", "target")
        if params.get("name", record.name) != record.name:
            raise invalid("Target name cannot be changed")
        self._check_providers(params)
        self._check_room("UpdateGatewayTarget", self._gateways.find(params))
        record.go("UPDATING", now=self._world.now)
        self._world.replace(record, {"name": record.name, **kept(params)})
        self._work(record, self._world.behaviour.durations.target, "UPDATE")
        return self._body(record)

    def delete(self, params: Params) -> Body:
        """DeleteGatewayTarget."""
        record = self._idle("DeleteGatewayTarget", params)
        self._check_room("DeleteGatewayTarget", self._gateways.find(params))
        record.go("DELETING", now=self._world.now)
        self._world.settle(record, self._world.behaviour.durations.delete, "DELETE", GONE, "FAILED")
        gateway_arn = self._gateways.find(params).arn
        return {"gatewayArn": gateway_arn, "targetId": record.id, "status": "DELETING", "statusReasons": []}

    def list(self, params: Params) -> list[Body]:
        """ListGatewayTargets, unpaged."""
        gateway = self._gateways.find(params, seen=True)
        return [self._summary(record) for record in self._world.shown(KIND, gateway.id)]

    def synchronize(self, params: Params) -> Body:
        """SynchronizeGatewayTargets: a single MCP server target in DEFAULT listing mode, without a static schema."""
        record = self._idle("SynchronizeGatewayTargets", {**params, "targetId": params["targetIdList"][0]})
        server = record.request["targetConfiguration"].get("mcp", {}).get("mcpServer")
        if server is None:
            raise invalid("Only MCP server targets can be synchronized")
        if "mcpToolSchema" in server:
            raise invalid("A target with a static tool schema cannot be synchronized")
        if server.get("listingMode") == "DYNAMIC":
            raise invalid("A target with DYNAMIC listing mode cannot be synchronized")
        record.go("SYNCHRONIZING", now=self._world.now)
        self._work(record, self._world.behaviour.durations.synchronize, "SYNCHRONIZE")
        return {"targets": [self._body(record)]}

    def _work(self, record: Record, seconds: float, operation: str) -> None:
        """Plan the end of an operation: pending consent if the grant requires consent, else tools read and READY."""
        world = self._world
        if waits_for_private_endpoint(record.request):
            seconds += world.behaviour.durations.private_endpoint
        failed = {
            "CREATE": "FAILED",
            "UPDATE": "UPDATE_UNSUCCESSFUL",
            "SYNCHRONIZE": "SYNCHRONIZE_UNSUCCESSFUL",
        }
        if self.consent.needed(record):
            at_pending = self.consent.ask(operation, failed[operation], ready=self._read_tools)
            pending = f"{operation}_PENDING_AUTH"
            world.settle(record, seconds, operation, pending, failed[operation], then=at_pending)
        elif world.behaviour.shows_implicit_sync and operation != "SYNCHRONIZE" and _reads_tools(record):
            world.settle(record, seconds, operation, "SYNCHRONIZING", failed[operation], then=self._read_visibly)
        else:
            world.settle(record, seconds, operation, "READY", failed[operation], then=self._read_tools)

    def _read_visibly(self, record: Record) -> None:
        world = self._world
        seconds = world.behaviour.durations.synchronize
        world.settle(record, seconds, "SYNCHRONIZE", "READY", "SYNCHRONIZE_UNSUCCESSFUL", then=self._read_tools)

    def _read_tools(self, record: Record) -> None:
        """Record that the tools of an MCP server were read, as every successful create, update and synchronize does."""
        if _reads_tools(record):
            record.extra["synchronized"] = record.since

    def _new(self, gateway: Record, params: Params, request: Body) -> Record:
        world = self._world
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        return Record(
            kind=KIND,
            id=world.records.new_id(10, letters),
            name=params["name"],
            arn="",
            parent=gateway.id,
            request=request,
            created=world.now,
            updated=world.now,
            visible=world.now + world.behaviour.durations.visible_after,
            token=params.get("clientToken"),
            extra={"created_with": request},
        )

    def _find(self, params: Params, *, seen: bool = False) -> Record:
        gateway, world = self._gateways.find(params, seen=seen), self._world
        for record in world.shown(KIND, gateway.id) if seen else world.records.live(KIND, gateway.id):
            if record.id == params["targetId"]:
                return record
        raise missing(f"Target {params['targetId']}")

    def _idle(self, operation: str, params: Params) -> Record:
        record, behaviour = self._find(params), self._world.behaviour
        if record.status.endswith("_PENDING_AUTH"):
            taken = {
                "UpdateGatewayTarget": behaviour.pending_takes_updates,
                "DeleteGatewayTarget": behaviour.pending_takes_deletions,
            }
            if not taken.get(operation):
                raise busy(behaviour.pending, operation, "target", record.status)
            record.extra.pop("consent", None)
        if record.status in TRANSITIONAL:
            raise busy(behaviour.busy, operation, "target", record.status)
        return record

    def _check_room(self, operation: str, gateway: Record) -> None:
        limit = self._world.behaviour.target_operations_per_gateway
        moving = [r for r in self._world.records.live(KIND, gateway.id) if r.status in TRANSITIONAL]
        if len(moving) >= limit:
            code = self._world.behaviour.too_many_operations
            if code not in error_codes(operation):
                code = "ThrottlingException"  # the model lists no quota for deletions
            raise Refusal(code, f"Too many concurrent target operations on gateway {gateway.id}: at most {limit}")

    def _check_providers(self, params: Params) -> None:
        if not self._world.behaviour.looks_up_providers:
            return
        for config in params.get("credentialProviderConfigurations", ()):
            for provider in config.get("credentialProvider", {}).values():
                arn = provider.get("providerArn")
                if arn and arn not in self._world.api_keys and self._world.records.by_arn(arn) is None:
                    raise missing(f"Credential provider {arn}")

    def _summary(self, record: Record) -> Body:
        body = self._body(record)
        family, arm = _kind_of(record)
        body["targetType"] = _TYPES[family, arm]
        shown = body["targetConfiguration"].get("mcp", {}).get("mcpServer", {})
        if self._world.behaviour.lists_whole_seconds:
            body["updatedAt"] = body["updatedAt"].replace(microsecond=0)
        return {name: value for name, value in {**shown, **body}.items() if name in _LISTED}

    def _body(self, record: Record) -> Body:
        world = self._world
        gateway_arn = world.arn(f"gateway/{record.parent}")
        body = {
            "credentialProviderConfigurations": [],
            **record.request,
            "gatewayArn": gateway_arn,
            "targetId": record.id,
            "createdAt": world.records.time(record.created),
            "updatedAt": world.records.time(record.updated),
            "status": record.status,
            "statusReasons": list(record.reasons),
            "protocolType": "MCP" if _kind_of(record)[0] == "mcp" else "HTTP",
            **self.consent.shown(record),
        }
        if "synchronized" in record.extra:
            body["lastSynchronizedAt"] = world.records.time(record.extra["synchronized"])
        if "privateEndpoint" in record.request and record.status != "CREATING":
            resources = private_endpoints.managed_resources(world, record)
            body["privateEndpointManagedResources"] = resources
        return self._with_defaults(body)

    def _with_defaults(self, body: Body) -> Body:
        if not self._world.behaviour.fills_defaults:
            return body
        mcp = body["targetConfiguration"].get("mcp", {})
        if "mcpServer" in mcp:
            server = {"listingMode": "DEFAULT", "resourcePriority": 1000, **mcp["mcpServer"]}
            body["targetConfiguration"] = {"mcp": {"mcpServer": server}}
        metadata = body.get("metadataConfiguration")
        if self._world.behaviour.adds_policy_header and isinstance(metadata, Mapping):
            given = metadata.get("allowedRequestHeaders", [])
            headers = given if _POLICY_HEADER in given else [*given, _POLICY_HEADER]
            body["metadataConfiguration"] = {**metadata, "allowedRequestHeaders": headers}
        return body


def _reads_tools(record: Record) -> bool:
    return "mcpServer" in record.request["targetConfiguration"].get("mcp", {})


def _kind_of(record: Record) -> tuple[str, str]:
    """Return a target's family and kind, such as ("mcp", "lambda")."""
    ((family, part),) = record.request["targetConfiguration"].items()
    return family, next(iter(part))


_POLICY_HEADER = "x-amzn-bedrock-agentcore-policy-session-id"
