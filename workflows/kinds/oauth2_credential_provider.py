"""OAuth2 credential providers: identified by name, created without a client token, updated by PUT with the secret."""

from workflows.kinds.kind import SEVEN, Kind, Operations, declared_otherwise

OAUTH2_CREDENTIAL_PROVIDER = Kind(
    section="oauth2CredentialProviders",
    noun="OAuth2 credential provider",
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
    statuses=SEVEN,
    reason_members=("failureReason",),
    outputs=("credentialProviderArn", "callbackUrl"),
    list_items="credentialProviders",
    created_member="createdTime",
    updated_member="lastUpdatedTime",
    tagged=True,
    secrets=frozenset({"clientSecret"}),
    shown_as={"oauth2ProviderConfigInput": "oauth2ProviderConfigOutput"},
    left_out=frozenset({"privateEndpointOverrides"}),
    fixed={"credentialProviderVendor": declared_otherwise("credentialProviderVendor")},
    stable=frozenset({"name", "credentialProviderArn"}),
)
