"""Gateways: known by id, created with a token, updated whole; nothing may be under way when they are touched."""

from collections.abc import Mapping
from typing import Any

from workflows.kinds.kind import IN_PROGRESS, SETTLED, Kind, Operations, Remedy, failed


def _search_type(body: Mapping[str, Any]) -> Any:
    return body.get("protocolConfiguration", {}).get("mcp", {}).get("searchType")


GATEWAY = Kind(
    section="gateways",
    noun="gateway",
    operations=Operations(
        create="CreateGateway",
        get="GetGateway",
        update="UpdateGateway",
        delete="DeleteGateway",
        list="ListGateways",
    ),
    address_members={"gatewayIdentifier": "id"},
    id_member="gatewayId",
    arn_member="gatewayArn",
    statuses={
        "CREATING": IN_PROGRESS,
        "UPDATING": IN_PROGRESS,
        "UPDATE_UNSUCCESSFUL": failed(Remedy.UPDATE_AGAIN),
        "DELETING": IN_PROGRESS,
        "READY": SETTLED,
        "FAILED": failed(Remedy.CREATE_AGAIN),
    },
    reason_members=("statusReasons",),
    outputs=("gatewayId", "gatewayArn", "gatewayUrl"),
    list_items="items",
    created_member="createdAt",
    updated_member="updatedAt",
    token=True,
    tagged=True,
    opaque=frozenset({"instructions"}),
    left_out=frozenset({"privateEndpointOverrides"}),
    fixed={
        "authorizerType": lambda body: body.get("authorizerType"),
        "protocolType": lambda body: body.get("protocolType"),
        "protocolConfiguration.mcp.searchType": _search_type,
    },
)
