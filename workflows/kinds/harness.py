"""Harnesses: identified by id, returned inside a wrapper, updated by PATCH, backed by a runtime and a memory."""

from workflows.kinds.kind import Kind, Operations, Property, declared_otherwise
from workflows.kinds.status import COMMON_STATUSES

_KEY = "memory.managedMemoryConfiguration.encryptionKeyArn"

HARNESS = Kind(
    section="harnesses",
    noun="harness",
    cloudformation="AWS::BedrockAgentCore::Harness",
    operations=Operations(
        create="CreateHarness",
        get="GetHarness",
        update="UpdateHarness",
        delete="DeleteHarness",
        list="ListHarnesses",
    ),
    address_members={"harnessId": "id"},
    id_member="harnessId",
    arn_member="arn",
    name_member="harnessName",
    wrapper="harness",
    statuses=COMMON_STATUSES,
    reason_members=("failureReason",),
    outputs=("harnessId", "arn", "harnessVersion"),
    list_items="harnesses",
    created_member="createdAt",
    updated_member="updatedAt",
    token=True,
    tagged=True,
    patch=True,
    # An empty list allows no tool; the service does not document the default (it may allow all tools).
    endpoints=True,
    more_actions=frozenset({"ListHarnessEndpoints", "DeleteHarnessEndpoint"}),
    properties={
        "inputSchema": Property.PAYLOAD,
        "systemPrompt": Property.PAYLOAD,
        "additionalParams": Property.PAYLOAD,
        "requireServiceS3Endpoint": Property.UPDATE_ONLY,
        "deleteManagedMemory": Property.DELETE_ONLY,
        "privateEndpointOverrides": Property.NOT_RETURNED,
        "memory.managedMemoryConfiguration.arn": Property.WITHOUT_EFFECT,
        "allowedTools": Property.NOT_CLEARABLE,
    },
    create_only={_KEY: declared_otherwise(_KEY)},
)
