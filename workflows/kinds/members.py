"""Tables of members that hold at any depth and for every kind."""

from collections.abc import Mapping

#: The request members, at any depth and in every kind, whose lists are sets (CloudFormation: insertionOrder false).
SETS = frozenset({
    "subnetIds", "securityGroupIds", "subnets", "securityGroups", "scopes", "actorTokenScopes", "allowedAudience",
    "allowedClients", "allowedScopes", "allowedRequestHeaders", "allowedResponseHeaders", "allowedQueryParameters",
    "requestHeaderAllowlist", "methods", "required", "supportedVersions", "interceptionPoints", "responseTypes",
    "tokenEndpointAuthMethods", "matchValueStringList", "workloadIdentities", "enabled", "hostingEnvironments",
    "allowedTools", "strategies",
})  # fmt: skip
#: Lists of structures whose order has no meaning (Terraform's tests: shown in another order).
UNORDERED = frozenset({"toolOverrides", "toolFilters"})
#: Members that belong to the value of a sibling, with the paths of those siblings: if the value changes, an update does
#: not repeat the observed member. A version, for example, is one of the connector that it was shown with.
OWNERS: Mapping[str, tuple[str, ...]] = {
    "config": ("strategy",),
    # The service derives the one from the other, and refuses an idle time that is longer than the lifetime.
    "idleRuntimeSessionTimeout": ("maxLifetime",),
    "networkModeConfig": ("networkMode",),
    "privateKeyJwtConfig": ("clientAuthenticationMethod",),
    "clientSecretConfig": ("clientSecretSource",),
    "apiKeySecretConfig": ("apiKeySecretSource",),
    "version": ("connectorId",),
    "configurations": ("source.connectorId",),
    "enabled": ("source.connectorId",),
    "retrievalConfig": ("arn",),
    "versionId": ("bucket", "prefix"),
    "bucketOwnerAccountId": ("uri",),
    "securityGroupIds": ("vpcIdentifier",),
    "subnetIds": ("vpcIdentifier",),
    "routingDomain": ("vpcIdentifier",),
}
#: Elements that the service adds to such lists (service-notes: normalization), compared in lower case.
ADDED_BY_SERVICE = frozenset({"x-amzn-bedrock-agentcore-policy-session-id"})
#: Members, at any depth, whose values are masked in output (service-notes: masked members).
MASKED = frozenset({
    "environmentVariables", "headers", "customParameters", "staticQueryParameters", "additionalHeaderClaims",
    "additionalPayloadClaims",
})  # fmt: skip
