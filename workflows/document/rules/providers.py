"""Rules about the vendors, secrets and client authentication of credential providers."""

from collections.abc import Iterator, Mapping
from typing import Any

from workflows.document.rules.rule import Finding, part, rule, text, warning
from workflows.document.stack import Resource
from workflows.document.urls import is_https

OAUTH2 = "oauth2CredentialProviders"
API_KEYS = "apiKeyCredentialProviders"
_CUSTOM = "oauth2ProviderConfigInput.customOauth2ProviderConfig"
_OWN_MEMBER = {
    "CustomOauth2": "customOauth2ProviderConfig",
    "GoogleOauth2": "googleOauth2ProviderConfig",
    "GithubOauth2": "githubOauth2ProviderConfig",
    "SlackOauth2": "slackOauth2ProviderConfig",
    "SalesforceOauth2": "salesforceOauth2ProviderConfig",
    "MicrosoftOauth2": "microsoftOauth2ProviderConfig",
    "AtlassianOauth2": "atlassianOauth2ProviderConfig",
    "LinkedinOauth2": "linkedinOauth2ProviderConfig",
}
#: The methods of client authentication that use no secret.
SECRETLESS = frozenset({"PRIVATE_KEY_JWT", "AWS_IAM_ID_TOKEN_JWT"})
#: The claims and header members that the service sets.
_RESERVED = {
    "additionalHeaderClaims": frozenset({"alg", "typ"}),
    "additionalPayloadClaims": frozenset({"iss", "sub", "aud", "jti", "exp", "iat", "nbf"}),
}


def _config(resource: Resource) -> tuple[str, Mapping[str, Any]]:
    """Return the path and the declaration of the configuration for a provider's vendor."""
    for member, config in part(resource.declared, "oauth2ProviderConfigInput").items():
        return f"oauth2ProviderConfigInput.{member}", part(config)
    return "oauth2ProviderConfigInput", {}


def _custom(resource: Resource) -> Mapping[str, Any]:
    return part(resource.declared, *_CUSTOM.split("."))


@rule("R71", OAUTH2, "developer guide, outbound authorization")
def vendor_fits_configuration(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The member of oauth2ProviderConfigInput must match credentialProviderVendor."""
    vendor, config = (
        text(resource.declared, "credentialProviderVendor"),
        part(resource.declared, "oauth2ProviderConfigInput"),
    )
    wanted = _OWN_MEMBER.get(vendor, "includedOauth2ProviderConfig")
    if vendor and len(config) == 1 and wanted not in config:
        yield "oauth2ProviderConfigInput", f"credentialProviderVendor {vendor} takes {wanted}"


@rule("R73", OAUTH2, "API reference")
def client_secret_has_its_source(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The clientSecretSource EXTERNAL requires clientSecretConfig; MANAGED requires clientSecret."""
    place, config = _config(resource)
    names = ("clientSecretSource", "clientSecretConfig", "clientSecret")
    yield from ((f"{place}.{missing}", why) for missing, why in _source(config, *names))


@rule("R73", API_KEYS, "API reference")
def api_key_has_its_source(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The apiKeySecretSource EXTERNAL requires apiKeySecretConfig; MANAGED requires apiKey."""
    yield from _source(resource.declared, "apiKeySecretSource", "apiKeySecretConfig", "apiKey")


def _source(config: Mapping[str, Any], source: str, referred: str, given: str) -> Iterator[Finding]:
    """Yield the member that the declared source requires, if the member is missing."""
    kind = text(config, source)
    wanted = {"EXTERNAL": referred, "MANAGED": given}.get(kind)
    if wanted is not None and wanted not in config:
        yield wanted, f"{source} {kind} needs {wanted}"


@warning("R73", f"{OAUTH2} {API_KEYS}", "assumed")
def secrets_have_one_source(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A secret should be declared either directly (clientSecret, apiKey) or by its Config member, not by both."""
    place, config = _config(resource) if resource.kind.section == OAUTH2 else ("", resource.declared)
    for given, referred in (("clientSecret", "clientSecretConfig"), ("apiKey", "apiKeySecretConfig")):
        if given in config and referred in config:
            yield f"{place}.{referred}".lstrip("."), f"{given} is declared too; one of them is probably refused"


@rule("R74", OAUTH2, "developer guide, private key JWT; service model")
def client_authentication_is_complete(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A custom provider must declare the members that its clientAuthenticationMethod requires, and no unused secret."""
    config, method = _custom(resource), text(_custom(resource), "clientAuthenticationMethod")
    if not config or (config.get("clientAuthenticationMethod") and not method):
        return
    secrets = [name for name in ("clientSecret", "clientSecretConfig") if name in config]
    if method != "AWS_IAM_ID_TOKEN_JWT" and "clientId" not in config:
        yield f"{_CUSTOM}.clientId", "the client must be named"
    if method in SECRETLESS and secrets:
        yield f"{_CUSTOM}.{secrets[0]}", f"{method} uses no secret"
    if method not in SECRETLESS and not secrets:
        yield f"{_CUSTOM}.clientSecret", f"{method or 'client authentication'} needs a secret"
    if method == "PRIVATE_KEY_JWT" and "privateKeyJwtConfig" not in config:
        yield f"{_CUSTOM}.privateKeyJwtConfig", "PRIVATE_KEY_JWT needs privateKeyJwtConfig"


@rule("R75", OAUTH2, "API reference")
def reserved_claims_stay(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """Additional claims must not include claims that the service sets, such as alg, iss and exp."""
    config = part(_custom(resource), "privateKeyJwtConfig")
    for member, reserved in _RESERVED.items():
        for claim in part(config, member):
            if claim in reserved:
                yield f"{_CUSTOM}.privateKeyJwtConfig.{member}.{claim}", "the service writes this claim itself"


@warning("R75", OAUTH2, "assumed")
def private_keys_have_their_method(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A privateKeyJwtConfig is only used with clientAuthenticationMethod PRIVATE_KEY_JWT."""
    config = _custom(resource)
    if "privateKeyJwtConfig" in config and config.get("clientAuthenticationMethod") != "PRIVATE_KEY_JWT":
        yield f"{_CUSTOM}.privateKeyJwtConfig", "only clientAuthenticationMethod PRIVATE_KEY_JWT uses it"


@warning("R76", OAUTH2, "assumed; documented for the discovery of private identity providers")
def identity_providers_speak_https(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The URLs of an identity provider should use https."""
    place, config = _config(resource)
    for path, owner in (("", config), ("oauthDiscovery.", part(config, "oauthDiscovery")),
                        ("oauthDiscovery.authorizationServerMetadata.",
                         part(config, "oauthDiscovery", "authorizationServerMetadata"))):  # fmt: skip
        for name in ("issuer", "authorizationEndpoint", "tokenEndpoint", "discoveryUrl"):
            url = text(owner, name)
            if url and not is_https(url):
                yield f"{place}.{path}{name}", "it should begin with https://"
