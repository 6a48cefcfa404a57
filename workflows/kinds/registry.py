"""Registries, in their original namespace and in the namespace to which AWS moved them (service-notes: namespaces)."""

from dataclasses import replace

from infra.service_model import AGENT_REGISTRY
from workflows.kinds.kind import Kind, Operations, Property
from workflows.kinds.status import COMMON_STATUSES

REGISTRY = Kind(
    section="registries",
    noun="registry",
    operations=Operations(
        create="CreateRegistry",
        get="GetRegistry",
        update="UpdateRegistry",
        delete="DeleteRegistry",
        list="ListRegistries",
    ),
    address_members={"registryId": "id"},
    id_member="registryId",
    arn_member="registryArn",
    statuses=COMMON_STATUSES,
    reason_members=("statusReason",),
    outputs=("registryId", "registryArn"),
    list_items="registries",
    created_member="createdAt",
    updated_member="updatedAt",
    token=True,
    patch=True,
    properties={"privateEndpointOverrides": Property.NOT_RETURNED},
    advice="Registries moved to a namespace of their own; declare this one under agentRegistries.",
)

AGENT_REGISTRY_KIND = replace(
    REGISTRY,
    section="agentRegistries",
    noun="agent registry",
    cloudformation="AWS::AgentRegistry::Registry",
    operations=replace(REGISTRY.operations, service=AGENT_REGISTRY),
    tagged=True,
    properties={**REGISTRY.properties, "defaultSchema": Property.PAYLOAD, "schema": Property.PAYLOAD},
    shown_as={"autoDetectionConfiguration": "autoDetection.configuration"},
    advice="",
)
