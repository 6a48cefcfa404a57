"""Agent runtimes: identified by id, created with a client token, updated by PUT; each update makes a new version."""

from collections.abc import Mapping
from typing import Any

from infra.unmodeled import UNKNOWN_ARM
from workflows.kinds.kind import Kind, Operations, Property
from workflows.kinds.status import COMMON_STATUSES


def _another_artifact(declared: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
    """Return whether the artifact changes between container and code (service-notes: runtime artifacts)."""
    wanted, there = declared.get("agentRuntimeArtifact") or {}, seen.get("agentRuntimeArtifact") or {}
    return bool(there) and UNKNOWN_ARM not in there and set(wanted) != set(there)


AGENT_RUNTIME = Kind(
    section="agentRuntimes",
    noun="agent runtime",
    cloudformation="AWS::BedrockAgentCore::Runtime",
    operations=Operations(
        create="CreateAgentRuntime",
        get="GetAgentRuntime",
        update="UpdateAgentRuntime",
        delete="DeleteAgentRuntime",
        list="ListAgentRuntimes",
    ),
    address_members={"agentRuntimeId": "id"},
    id_member="agentRuntimeId",
    arn_member="agentRuntimeArn",
    name_member="agentRuntimeName",
    statuses=COMMON_STATUSES,
    reason_members=("failureReason",),
    outputs=("agentRuntimeId", "agentRuntimeArn", "agentRuntimeVersion"),
    list_items="agentRuntimes",
    created_member="createdAt",
    updated_member="lastUpdatedAt",
    token=True,
    tagged=True,
    properties={
        "requireServiceS3Endpoint": Property.UPDATE_ONLY,
        "privateEndpointOverrides": Property.NOT_RETURNED,
    },
    create_only={"agentRuntimeArtifact": _another_artifact},
)
