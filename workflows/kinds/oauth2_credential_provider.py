"""OAuth2 credential providers: identified by name, created without a client token, updated by PUT with the secret."""

from collections.abc import Iterator, Mapping
from typing import Any

from infra.service_model import Path
from workflows.kinds.kind import Kind, Operations, Property, declared_otherwise
from workflows.kinds.secret_sources import secret_differs, source_changes
from workflows.kinds.status import COMMON_STATUSES

_of_config = source_changes("clientSecretConfig", "clientSecretSource")


def _another_source(declared: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
    """Return whether the declared source of the client's secret differs; a method without a secret has no source."""
    configs = [one for one in (declared.get("oauth2ProviderConfigInput") or {}).values() if isinstance(one, Mapping)]
    return any(_of_config(one, seen) for one in configs if one.keys() & {"clientSecret", "clientSecretConfig"})


def _another_secret(declared: Mapping[str, Any], seen: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the members of an external secret that the response shows at the top, with another value."""
    for vendor, config in (declared.get("oauth2ProviderConfigInput") or {}).items():
        secret = config.get("clientSecretConfig") if isinstance(config, Mapping) else None
        for member in secret_differs(secret, seen, "client"):
            yield "oauth2ProviderConfigInput", vendor, "clientSecretConfig", member


OAUTH2_CREDENTIAL_PROVIDER = Kind(
    section="oauth2CredentialProviders",
    noun="OAuth2 credential provider",
    cloudformation="AWS::BedrockAgentCore::OAuth2CredentialProvider",
    operations=Operations(
        create="CreateOauth2CredentialProvider",
        get="GetOauth2CredentialProvider",
        update="UpdateOauth2CredentialProvider",
        delete="DeleteOauth2CredentialProvider",
        list="ListOauth2CredentialProviders",
    ),
    address_members={"name": "name"},
    id_member="name",
    arn_member="credentialProviderArn",
    statuses=COMMON_STATUSES,
    reason_members=("failureReason",),
    outputs=("credentialProviderArn", "callbackUrl"),
    list_items="credentialProviders",
    created_member="createdTime",
    updated_member="lastUpdatedTime",
    tagged=True,
    shown_as={"oauth2ProviderConfigInput": "oauth2ProviderConfigOutput"},
    properties={
        "clientSecret": Property.WRITE_ONLY,
        "privateEndpointOverrides": Property.NOT_RETURNED,
        "credentialProviderArn": Property.FOLLOWS_NAME,
    },
    differs_elsewhere=_another_secret,
    create_only={
        "credentialProviderVendor": declared_otherwise("credentialProviderVendor"),
        "clientSecretSource": _another_source,
    },
)
