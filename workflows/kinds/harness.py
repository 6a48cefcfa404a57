"""Harnesses: identified by id, returned inside a wrapper, updated by PATCH, backed by a runtime and a memory."""

from workflows.kinds.kind import SEVEN, Kind, Operations, declared_otherwise

_KEY = "memory.managedMemoryConfiguration.encryptionKeyArn"

HARNESS = Kind(
    section="harnesses",
    noun="harness",
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
    statuses=SEVEN,
    reason_members=("failureReason",),
    outputs=("harnessId", "arn", "harnessVersion"),
    list_items="harnesses",
    created_member="createdAt",
    updated_member="updatedAt",
    token=True,
    tagged=True,
    patch=True,
    ending=frozenset({"deleteManagedMemory"}),
    # An empty list allows no tool; the service does not document the default (it may allow all tools).
    empty_is_none=frozenset({"allowedTools"}),
    endpoints=True,
    more_actions=frozenset({"ListHarnessEndpoints", "DeleteHarnessEndpoint"}),
    opaque=frozenset({"inputSchema", "systemPrompt", "additionalParams"}),
    never_created=frozenset({"requireServiceS3Endpoint"}),
    left_out=frozenset({"privateEndpointOverrides"}),
    ignored=frozenset({"memory.managedMemoryConfiguration.arn"}),
    fixed={_KEY: declared_otherwise(_KEY)},
    stable=frozenset({"harnessName"}),
)
