"""Gateways: identified by id, created with a client token, updated by PUT, never while an operation is in progress."""

from collections.abc import Mapping
from typing import Any

from workflows.kinds.kind import Kind, Operations, Property, at, declared_otherwise
from workflows.kinds.status import IN_PROGRESS, SETTLED, Remedy, failed

_VERSIONS = "protocolConfiguration.mcp.supportedVersions"
_SEARCH = "protocolConfiguration.mcp.searchType"


def _versions_grow(declared: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
    """Return whether protocol versions are added: a gateway can only lose versions (service-notes: normalization)."""
    wanted, there = at(declared, _VERSIONS), at(seen, _VERSIONS)
    return bool(there) and bool(set(wanted or ()) - set(there))


GATEWAY = Kind(
    section="gateways",
    noun="gateway",
    cloudformation="AWS::BedrockAgentCore::Gateway",
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
    # UpdateGateway: "can only be set when a WebACL is associated with the gateway" (terraform-provider-aws#48710).
    prerequisites={
        "wafConfiguration": ("webAclArn", "Associate a web ACL with the gateway in AWS WAF, then apply again.")
    },
    outputs=("gatewayId", "gatewayArn", "gatewayUrl"),
    list_items="items",
    created_member="createdAt",
    updated_member="updatedAt",
    token=True,
    tagged=True,
    properties={"instructions": Property.PAYLOAD, "privateEndpointOverrides": Property.NOT_RETURNED},
    create_only={
        "authorizerType": declared_otherwise("authorizerType"),
        "protocolType": declared_otherwise("protocolType"),
        _SEARCH: declared_otherwise(_SEARCH),
        _VERSIONS: _versions_grow,
    },
)
