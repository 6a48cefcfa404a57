"""Harnesses: returned inside a wrapper, updated member by member, each backed by a runtime and a memory."""

from typing import Any

from infra import service_model
from infra.sandbox.agent_runtimes import LETTERS, with_lifetimes
from infra.sandbox.records import Record
from infra.sandbox.refusals import Refusal, missing
from infra.sandbox.resources import Nature, Resources, networked, patched
from infra.sandbox.world import Body, Params, World

HARNESS = Nature(
    kind="harness",
    noun="harness",
    name_member="harnessName",
    id_member="harnessId",
    new_id=lambda world, name: f"{name}-{world.records.new_id(10, LETTERS)}",
    arn=lambda world, identity: world.arn(f"harness/{identity}"),
    quota="runtimes",
    duration="harness",
)
#: The managed memory of a harness, deleted with the harness unless the delete request says otherwise.
MEMORY = "memory"
_LISTED = ("harnessId", "harnessName", "arn", "status", "createdAt", "updatedAt", "harnessVersion")
_DEFAULTS: Body = {
    "model": {"bedrockModelConfig": {"modelId": "global.anthropic.claude-sonnet-4-6"}},
    "systemPrompt": [],
    "tools": [],
    "skills": [],
    "allowedTools": ["*"],
}
_MANAGED = {"strategies": ["SEMANTIC", "SUMMARIZATION"], "eventExpiryDuration": 30}


class Harnesses:
    """The operations on harnesses and their endpoints."""

    def __init__(self, world: World) -> None:
        self._all = Resources(world, HARNESS)
        self._world = world

    def create(self, params: Params) -> Body:
        """CreateHarness."""
        networked(_runtime_of(params).get("networkConfiguration"), creates=True)
        record = self._all.create(params)
        self._keep_memory(record)
        return self._wrapped(record)

    def get(self, params: Params) -> Body:
        """GetHarness."""
        return self._wrapped(self._all.find(params, seen=True))

    def update(self, params: Params) -> Body:
        """UpdateHarness: omitted members are kept; a wrapper without a value clears the member."""
        record = self._all.idle("UpdateHarness", params)
        given = {name: value for name, value in params.items() if name not in ("harnessId", "clientToken")}
        shape = service_model.operation("UpdateHarness").input_shape
        record = self._all.update("UpdateHarness", params, patched(record.request, given, shape))
        self._keep_memory(record)
        return self._wrapped(record)

    def delete(self, params: Params) -> Body:
        """DeleteHarness: refused while endpoints exist that the owner created."""
        record = self._all.idle("DeleteHarness", params)
        if record.extra.get("endpoints"):
            message = f"Harness {record.id} still has endpoints. Delete all endpoints before deleting the harness."
            raise Refusal("ConflictException", message)
        keep = params.get("deleteManagedMemory") is False
        self._all.delete("DeleteHarness", params, None if keep else self._drop_memory)
        return self._wrapped(record)

    def create_endpoint(self, params: Params) -> Body:
        """CreateHarnessEndpoint: ready at once."""
        record = self._all.find(params)
        record.extra.setdefault("endpoints", []).append(params["endpointName"])
        return {"endpoint": self._endpoint(record, params["endpointName"])}

    def list_endpoints(self, params: Params) -> list[Body]:
        """ListHarnessEndpoints, unpaged: the DEFAULT endpoint and the endpoints that the owner created."""
        record = self._all.find(params)
        return [self._endpoint(record, name) for name in ("DEFAULT", *record.extra.get("endpoints", []))]

    def delete_endpoint(self, params: Params) -> Body:
        """DeleteHarnessEndpoint: deleted at once."""
        record = self._all.find(params)
        if params["endpointName"] not in record.extra.get("endpoints", []):
            raise missing(f"Endpoint {params['endpointName']}")
        record.extra["endpoints"].remove(params["endpointName"])
        return {"endpoint": {**self._endpoint(record, params["endpointName"]), "status": "DELETING"}}

    def list(self, _params: Params) -> list[Body]:
        """ListHarnesses, unpaged."""
        bodies = [self._body(record) for record in self._all.visible()]
        return [{name: body[name] for name in _LISTED} for body in bodies]

    def _endpoint(self, record: Record, name: str) -> Body:
        time = self._world.records.time(record.created)
        arn = f"{record.arn}/harness-endpoint/{name}"
        names = {"harnessId": record.id, "harnessName": record.name, "endpointName": name}
        return {**names, "arn": arn, "status": "READY", "createdAt": time, "updatedAt": time, "liveVersion": "1"}

    def _keep_memory(self, record: Record) -> None:
        """Create the managed memory of a harness that declares no memory of its own; documented default."""
        world, memory = self._world, record.request.get("memory")
        mine = f"{record.name}_memory"
        if memory is not None and "managedMemoryConfiguration" not in memory:
            self._drop_memory(record)
        elif "memory" not in record.extra:
            identity = f"{mine}-{world.records.new_id(10, LETTERS)}"
            arn = world.arn(f"memory/{identity}")
            record.extra["memory"] = world.records.add(
                Record(MEMORY, identity, mine, arn, {}, created=world.now, status="ACTIVE", parent=record.id)
            )

    def _drop_memory(self, record: Record) -> None:
        memory: Record | None = record.extra.pop("memory", None)
        if memory is not None:
            memory.status = "GONE"

    def _wrapped(self, record: Record) -> Body:
        return {"harness": self._body(record)}

    def _body(self, record: Record) -> Body:
        world, time = self._world, self._world.records.time
        body = {
            **_DEFAULTS,
            **self._all.shown(record),
            "truncation": self._truncation(record),
            "environment": self._environment(record),
            "memory": self._memory(record),
            "harnessId": record.id,
            "arn": record.arn,
            "harnessVersion": str(record.extra["version"]),
            "createdAt": time(record.created),
            "updatedAt": time(record.updated),
            "status": record.status,
        }
        if not world.behaviour.fills_defaults and "memory" not in record.request:
            del body["memory"]
        if record.reasons:
            body["failureReason"] = record.reasons[0]
        return body

    def _truncation(self, record: Record) -> Body:
        declared: Body = record.request.get("truncation") or {"strategy": "sliding_window"}
        config = declared.get("config") or {"slidingWindow": {}}
        slides = declared["strategy"] == "sliding_window" and "slidingWindow" in config
        if not slides or not self._world.behaviour.fills_defaults:
            return declared
        window = {"messagesCount": 150, **config["slidingWindow"]}
        return {"strategy": "sliding_window", "config": {"slidingWindow": window}}

    def _memory(self, record: Record) -> Body:
        declared: Body = record.request.get("memory") or {}
        if "memory" not in record.extra:
            return declared or {"disabled": {}}
        managed = {**_MANAGED, **declared.get("managedMemoryConfiguration", {}), "arn": record.extra["memory"].arn}
        return {"managedMemoryConfiguration": managed}

    def _environment(self, record: Record) -> Body:
        runtime = _runtime_of(self._all.shown(record))
        backing = f"harness_{record.id}".replace("-", "_")
        return {
            "agentCoreRuntimeEnvironment": {
                "networkConfiguration": {"networkMode": "PUBLIC"},
                **runtime,
                "agentRuntimeArn": self._world.arn(f"runtime/{backing}-0123456789"),
                "agentRuntimeName": backing,
                "agentRuntimeId": f"{backing}-0123456789",
                "lifecycleConfiguration": with_lifetimes(runtime.get("lifecycleConfiguration")),
            }
        }


def _runtime_of(params: Params) -> dict[str, Any]:
    return dict((params.get("environment") or {}).get("agentCoreRuntimeEnvironment") or {})
