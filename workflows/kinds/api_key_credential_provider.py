"""API key credential providers: identified by name, changed synchronously, with the key stored by Secrets Manager."""

from collections.abc import Iterator, Mapping
from typing import Any

from infra.service_model import Path
from workflows.kinds.kind import Kind, Operations, Property
from workflows.kinds.secret_sources import secret_differs, source_changes


def _another_secret(declared: Mapping[str, Any], seen: Mapping[str, Any]) -> Iterator[Path]:
    for member in secret_differs(declared.get("apiKeySecretConfig"), seen, "apiKey"):
        yield "apiKeySecretConfig", member


API_KEY_CREDENTIAL_PROVIDER = Kind(
    section="apiKeyCredentialProviders",
    noun="API key credential provider",
    cloudformation="AWS::BedrockAgentCore::ApiKeyCredentialProvider",
    operations=Operations(
        create="CreateApiKeyCredentialProvider",
        get="GetApiKeyCredentialProvider",
        update="UpdateApiKeyCredentialProvider",
        delete="DeleteApiKeyCredentialProvider",
        list="ListApiKeyCredentialProviders",
    ),
    address_members={"name": "name"},
    id_member="name",
    arn_member="credentialProviderArn",
    # The operations complete before they respond, so responses have no status.
    statuses={},
    reason_members=(),
    outputs=("credentialProviderArn",),
    list_items="credentialProviders",
    created_member="createdTime",
    updated_member="lastUpdatedTime",
    tagged=True,
    properties={
        "apiKey": Property.WRITE_ONLY,
        "apiKeySecretSource": Property.DERIVED,
        "credentialProviderArn": Property.FOLLOWS_NAME,
    },
    differs_elsewhere=_another_secret,
    # "The API rejects switching the secret source" (Terraform: api_key_credential_provider.go, ModifyPlan).
    create_only={"apiKeySecretSource": source_changes("apiKeySecretConfig", "apiKeySecretSource")},
)
