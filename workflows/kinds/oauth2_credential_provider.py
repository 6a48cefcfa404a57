"""OAuth2 credential providers: known by name, created without a token, updated whole with their secret."""

from workflows.kinds.kind import IN_PROGRESS, SETTLED, Kind, Operations, Remedy, failed

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
    statuses={
        "CREATING": IN_PROGRESS,
        "CREATE_FAILED": failed(Remedy.CREATE_AGAIN),
        "UPDATING": IN_PROGRESS,
        "UPDATE_FAILED": failed(Remedy.UPDATE_AGAIN),
        "READY": SETTLED,
        "DELETING": IN_PROGRESS,
        "DELETE_FAILED": failed(Remedy.DELETE_AGAIN),
    },
    reason_members=("failureReason",),
    outputs=("credentialProviderArn", "callbackUrl"),
    list_items="credentialProviders",
    created_member="createdTime",
    updated_member="lastUpdatedTime",
    tagged=True,
    secrets=frozenset({"clientSecret"}),
    shown_as={"oauth2ProviderConfigInput": "oauth2ProviderConfigOutput"},
    left_out=frozenset({"privateEndpointOverrides"}),
    fixed={"credentialProviderVendor": lambda body: body.get("credentialProviderVendor")},
)
