"""Gateway targets: at most five concurrent operations per gateway, consent by people, synchronization of tools."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from infra.arns import arn_of
from infra.unmodeled import UNKNOWN_ARM
from workflows.kinds.kind import Kind, Operations, Property, Synchronization, at
from workflows.kinds.status import AWAITING_CONSENT, IN_PROGRESS, SETTLED, Remedy, failed

_CREDENTIALS = "credentialProviderConfigurations"
#: The account and the resource of an agent runtime's ARN.
_RUNTIME = re.compile(r"\d{12}:runtime/\S+")


def configuration_kind(body: Mapping[str, Any]) -> str:
    """Return the kind of a target, such as "mcp.lambda"; empty if there is no targetConfiguration."""
    configuration = body.get("targetConfiguration")
    for family, part in configuration.items() if isinstance(configuration, Mapping) else ():
        for arm in part if isinstance(part, Mapping) else ():
            return f"{family}.{arm}"
    return ""


def _another_kind(declared: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
    """Return whether the response shows another kind of target; a kind unknown to botocore does not count."""
    wanted, there = configuration_kind(declared), configuration_kind(seen)
    return bool(wanted and there) and UNKNOWN_ARM not in there and wanted != there


def _refuses_synchronization(body: Mapping[str, Any]) -> str | None:
    """Return why the service would refuse to synchronize a target, or None (service-notes: synchronization)."""
    server = body.get("targetConfiguration", {}).get("mcp", {}).get("mcpServer")
    if server is None:
        return f"only MCP server targets synchronize; this one is {configuration_kind(body) or 'of another kind'}"
    if server.get("mcpToolSchema"):
        return "a target with a static tool schema does not synchronize"
    if server.get("listingMode") == "DYNAMIC":
        return "with DYNAMIC listing, tools are read at every request"
    return None


def _asks_consent(declared: Mapping[str, Any]) -> bool:
    """Return whether a person must consent: AUTHORIZATION_CODE without a static schema (service-notes: consent)."""
    configs = declared.get(_CREDENTIALS) or []
    grants = [at(config, "credentialProvider.oauthCredentialProvider.grantType") for config in configs]
    static = at(declared, "targetConfiguration.mcp.mcpServer.mcpToolSchema") is not None
    return "AUTHORIZATION_CODE" in grants and not static


def _without_consent(body: dict[str, Any]) -> dict[str, Any]:
    """Remove credentials with the AUTHORIZATION_CODE grant; HTTP targets, which need a credential, sign instead."""
    others = [
        config
        for config in body.get(_CREDENTIALS) or []
        if at(config, "credentialProvider.oauthCredentialProvider.grantType") != "AUTHORIZATION_CODE"
    ]
    if not others and configuration_kind(body).startswith("http."):
        others = [{"credentialProviderType": "GATEWAY_IAM_ROLE"}]
    rest = {name: value for name, value in body.items() if name != _CREDENTIALS}
    return {**rest, _CREDENTIALS: others} if others else rest


def _with_invocation_url(declared: dict[str, Any]) -> dict[str, Any]:
    """Replace the ARN of an agent runtime by the MCP URL of that runtime (service-notes: invocation URLs)."""
    endpoint = at(declared, "targetConfiguration.mcp.mcpServer.endpoint")
    arn = arn_of(endpoint)
    if arn is None or arn.service != "bedrock-agentcore" or not _RUNTIME.fullmatch(f"{arn.account}:{arn.resource}"):
        return declared
    server = declared["targetConfiguration"]["mcp"]["mcpServer"]
    suffix = "amazonaws.com.cn" if arn.partition == "aws-cn" else "amazonaws.com"
    host = f"bedrock-agentcore.{arn.region}.{suffix}"
    url = f"https://{host}/runtimes/{quote(endpoint, safe='')}/invocations?qualifier=DEFAULT"
    return {**declared, "targetConfiguration": {"mcp": {"mcpServer": {**server, "endpoint": url}}}}


GATEWAY_TARGET = Kind(
    section="targets",
    noun="gateway target",
    cloudformation="AWS::BedrockAgentCore::GatewayTarget",
    parent="gateways",
    operations=Operations(
        create="CreateGatewayTarget",
        get="GetGatewayTarget",
        update="UpdateGatewayTarget",
        delete="DeleteGatewayTarget",
        list="ListGatewayTargets",
    ),
    # The documented limit on concurrent creates, updates and deletes per gateway (service-notes: concurrency).
    in_flight=5,
    synchronization=Synchronization(
        "SynchronizeGatewayTargets", ids="targetIdList", items="targets", refuses=_refuses_synchronization
    ),
    address_members={"gatewayIdentifier": "parent", "targetId": "id"},
    id_member="targetId",
    statuses={
        "CREATING": IN_PROGRESS,
        "UPDATING": IN_PROGRESS,
        "UPDATE_UNSUCCESSFUL": failed(Remedy.UPDATE_AGAIN),
        "DELETING": IN_PROGRESS,
        "READY": SETTLED,
        "FAILED": failed(Remedy.CREATE_AGAIN),
        "SYNCHRONIZING": IN_PROGRESS,
        "SYNCHRONIZE_UNSUCCESSFUL": failed(Remedy.SYNCHRONIZE_AGAIN),
        "CREATE_PENDING_AUTH": AWAITING_CONSENT,
        "UPDATE_PENDING_AUTH": AWAITING_CONSENT,
        "SYNCHRONIZE_PENDING_AUTH": AWAITING_CONSENT,
    },
    successor_note="the name of a target is part of the names of its tools: whoever calls them by name must be told",
    reason_members=("statusReasons",),
    outputs=("targetId", "gatewayArn", "privateEndpointManagedResources"),
    list_items="items",
    created_member="createdAt",
    updated_member="updatedAt",
    token=True,
    properties={"inlinePayload": Property.PAYLOAD, "parameterValues": Property.PAYLOAD},
    with_defaults=_with_invocation_url,
    asks_consent=_asks_consent,
    without_consent=_without_consent,
    create_only={"targetConfiguration": _another_kind},
    replaceable=True,
)
