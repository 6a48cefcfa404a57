"""Gateways: identified by id, created with a client token, updated by PUT, never while an operation is in progress."""

from workflows.kinds.kind import Kind, Operations, Property, declared_otherwise
from workflows.kinds.status import IN_PROGRESS, SETTLED, Remedy, failed

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
    successor_note="it gets another URL, id and ARN: whoever calls the gateway must be told",
    token=True,
    tagged=True,
    properties={"instructions": Property.PAYLOAD, "privateEndpointOverrides": Property.NOT_RETURNED},
    # Terraform updates protocolType, searchType and supportedVersions in place.
    create_only={"authorizerType": declared_otherwise("authorizerType")},
)
