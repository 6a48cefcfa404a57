"""The state of a world as the service shows it, without what differs from life to life."""

import json
from collections.abc import Iterable
from typing import Any

from infra.sandbox.records import Record
from tests.worlds import SandboxWorld
from workflows.kinds import KINDS, Kind

_VOLATILE = frozenset({
    "createdAt", "updatedAt", "lastUpdatedAt", "createdTime", "lastUpdatedTime", "lastSynchronizedAt",
    "harnessVersion", "agentRuntimeVersion", "callbackUrl", "privateEndpointManagedResources",
})  # fmt: skip
#: The sandbox's word for each kind whose operations do not say it.
RECORDS = {
    "oauth2CredentialProviders": "provider", "apiKeyCredentialProviders": "apiKey", "gateways": "gateway",
    "targets": "target", "agentRuntimes": "runtime", "harnesses": "harness", "registries": "registry",
    "agentRegistries": "agentRegistry",
}  # fmt: skip


def recorded_as(kind: Kind) -> str:
    """Return the sandbox's word for a kind: a new kind needs no row for worlds without resources of it."""
    noun = kind.operations.create.removeprefix("Create")
    return RECORDS.get(kind.section) or noun[0].lower() + noun[1:]


def shown(world: SandboxWorld, kind: Kind, record: Record) -> dict[str, Any]:
    """Return what Get shows of a resource."""
    values = {"id": record.id, "name": record.name, "parent": record.parent}
    params = {member: values[source] for member, source in kind.address_members.items()}
    return kind.shown(world.plane.answer(kind.operations.get, params, kind.service))


def state(world: SandboxWorld) -> dict[str, Any]:
    """Return everything that exists, ids replaced by names."""
    found: dict[str, dict[str, Any]] = {}
    names: dict[str, str] = {}
    for kind in KINDS:
        for record in world.plane.world.records.live(recorded_as(kind)):
            names[record.id] = f"<{record.name}>"
            body = {n: v for n, v in shown(world, kind, record).items() if n not in _VOLATILE}
            parent = next((r.name for r in world.plane.world.records.live("gateway") if r.id == record.parent), "")
            found[f"{kind.section} {parent} {record.name}"] = {"shown": body, "tags": record.tags}
    harnesses = {record.id for record in world.plane.world.records.live("harness")}
    for record in world.plane.world.records.live("memory"):
        names[record.id] = f"<{record.name}>"
        if record.parent in harnesses:
            found[f"memory {record.name}"] = {"exists": True}
    text = json.dumps(found, default=str, sort_keys=True)
    for identity, name in names.items():
        text = text.replace(identity, name).replace(identity.replace("-", "_"), name)
    whole: dict[str, Any] = _full(json.loads(text))
    return whole


def _full(value: Any) -> Any:
    """Return a value without what says as little as an absent member (service-notes: normalization)."""
    if isinstance(value, dict):
        return {name: kept for name, item in value.items() if (kept := _full(item)) not in ({}, [], None)}
    return [_full(item) for item in value] if isinstance(value, list) else value


def addresses(*documents: dict[str, Any]) -> frozenset[str]:
    """Return every address at the top of documents: what a request allows that allows all."""
    return frozenset(_addresses(documents))


def _addresses(documents: Iterable[dict[str, Any]]) -> Iterable[str]:
    for document in documents:
        for section, found in document.items():
            yield from (f"{section}.{name}" for name in found if isinstance(found, dict))
