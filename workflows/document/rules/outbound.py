"""Rules about outbound authorization: the credentials that each kind of target and gateway accepts."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.arns import arn_of
from workflows.document.references import TOKEN, parts, split
from workflows.document.rules.rule import Finding, items, parent_of, part, rule, text, warning
from workflows.document.rules.targets import oauth_of
from workflows.document.stack import Resource
from workflows.document.urls import host_of
from workflows.kinds.gateway_target import configuration_kind

#: The credentials that each kind of target accepts, as documented; an absent kind or credential is unknown (rule R37).
#: This is data because the documentation changed three times within a year.
CREDENTIALS: Mapping[str, Mapping[str, bool]] = {
    kind: dict(zip(
        ("NONE", "GATEWAY_IAM_ROLE", "CALLER_IAM_CREDENTIALS", "CLIENT_CREDENTIALS", "AUTHORIZATION_CODE",
         "TOKEN_EXCHANGE", "JWT_PASSTHROUGH", "API_KEY"), (mark == "y" for mark in marks), strict=True))
    for kind, marks in {
        "mcp.apiGateway": "yynnnnny",
        "mcp.lambda": "nynnnnnn",
        "mcp.mcpServer": "yynyyyny",
        "mcp.openApiSchema": "yynyyyny",
        "mcp.smithyModel": "nynynnnn",
        "http.agentcoreRuntime": "nyyynnyn",
    }.items()
}  # fmt: skip
_CONFIGS = "credentialProviderConfigurations"
_PROVIDER_OF = {"OAUTH": "oauthCredentialProvider", "API_KEY": "apiKeyCredentialProvider"}
#: Credential types that sign with SigV4, and may name the service and the Region to sign for.
_SIGNING = frozenset({"GATEWAY_IAM_ROLE", "CALLER_IAM_CREDENTIALS"})
#: Kinds of targets for which the service to sign for must be named, and kinds that imply the service.
_NAMES_SERVICE = frozenset({"mcp.mcpServer", "mcp.openApiSchema"})
_KNOWS_SERVICE = frozenset({"mcp.lambda", "mcp.smithyModel", "mcp.connector"})


def _configs(resource: Resource) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield the path, the type and the provider of each credential of a target."""
    for index, config in enumerate(items(resource.declared, _CONFIGS)):
        kind = text(config, "credentialProviderType")
        if kind:
            yield f"{_CONFIGS}[{index}]", kind, part(config, "credentialProvider")


def _used(resource: Resource) -> tuple[str, str]:
    """Return the path and the name of a target's credential, as a column of CREDENTIALS."""
    for path, kind, provider in _configs(resource):
        grant = text(provider, "oauthCredentialProvider", "grantType") or "CLIENT_CREDENTIALS"
        return f"{path}.credentialProviderType", grant if kind == "OAUTH" else kind
    return _CONFIGS, "NONE"


@rule("R37", "targets", "developer guide, outbound authorization")
def credentials_fit_the_target(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The credential of a target must be of a type that the kind of target accepts."""
    taken = CREDENTIALS.get(configuration_kind(resource.declared), {})
    path, used = _used(resource)
    configs = items(resource.declared, _CONFIGS)
    if not configs and resource.declared.get(_CONFIGS) is not None:
        return
    if used == "NONE" and any("${" in str(part(config).get("credentialProviderType")) for config in configs):
        return
    if taken.get(used) is False:
        known = ", ".join(name for name, allowed in taken.items() if allowed)
        kind = configuration_kind(resource.declared)
        yield path, f"a {kind} target takes {known}; {'none is' if used == 'NONE' else f'{used} is'} not among them"


@rule("R38", "targets", "developer guide, target authorization; Terraform's test of caller IAM credentials")
def credentials_have_their_provider(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """OAUTH and API_KEY credentials must name their provider; IAM types may name iamCredentialProvider only."""
    for path, kind, provider in _configs(resource):
        wanted = _PROVIDER_OF.get(kind)
        allowed = {wanted} if wanted else {"iamCredentialProvider"} if kind in _SIGNING else set()
        if wanted and wanted not in provider:
            yield f"{path}.credentialProvider", f"{kind} needs credentialProvider.{wanted}"
        elif set(provider) - allowed:
            what = f"takes {' or '.join(str(one) for one in allowed)}" if allowed else "takes no credentialProvider"
            yield f"{path}.credentialProvider", f"{kind} {what}"


@rule("R39", "targets", "developer guide, target authorization; TF#48177")
def signed_calls_name_their_service(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """GATEWAY_IAM_ROLE must name the service to sign for, unless the kind of target implies the service."""
    for path, kind, provider in _configs(resource):
        signs = kind == "GATEWAY_IAM_ROLE" and configuration_kind(resource.declared) in _NAMES_SERVICE
        if signs and not provider.get("iamCredentialProvider"):
            message = "name the service to sign for, such as bedrock-agentcore, execute-api or lambda"
            yield f"{path}.credentialProvider", f"GATEWAY_IAM_ROLE needs iamCredentialProvider.service here: {message}"


@rule("R40", "targets", "live run: refused for API Gateway targets")
def api_gateways_name_no_service(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """GATEWAY_IAM_ROLE of an API Gateway target must not name the service to sign for."""
    for path, kind, provider in _configs(resource):
        if kind == "GATEWAY_IAM_ROLE" and configuration_kind(resource.declared) == "mcp.apiGateway" and provider:
            yield f"{path}.credentialProvider", "an API Gateway target takes GATEWAY_IAM_ROLE alone"


@warning("R40", "targets", "developer guide, target authorization; strictness assumed")
def known_services_are_not_named(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """GATEWAY_IAM_ROLE should not name the service to sign for if the kind of target implies the service."""
    for path, kind, provider in _configs(resource):
        knows = kind == "GATEWAY_IAM_ROLE" and configuration_kind(resource.declared) in _KNOWS_SERVICE
        if knows and "iamCredentialProvider" in provider:
            yield f"{path}.credentialProvider.iamCredentialProvider", "this kind of target uses the type alone"


@warning("R42", "targets", "developer guide, MCP servers")
def signed_hosts_verify(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A target that is called with SigV4 should be an AWS endpoint: load balancers and hosts do not verify SigV4."""
    endpoint = text(resource.declared, "targetConfiguration", "mcp", "mcpServer", "endpoint")
    signed = any(kind == "GATEWAY_IAM_ROLE" for _, kind, _ in _configs(resource))
    if signed and re.search(r"\.(elb|compute(-1)?)\.", host_of(endpoint)):
        yield "targetConfiguration.mcp.mcpServer.endpoint", "this host does not verify SigV4"


@rule("R43", "targets", "developer guide, target authorization")
def authorization_code_needs_return_url(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The AUTHORIZATION_CODE grant requires defaultReturnUrl."""
    for path, provider in oauth_of(resource):
        if provider.get("grantType") == "AUTHORIZATION_CODE" and "defaultReturnUrl" not in provider:
            yield f"{path}.defaultReturnUrl", "grantType AUTHORIZATION_CODE needs a defaultReturnUrl"


@warning("R44", "targets", "assumed")
def return_url_is_for_authorization_code(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A defaultReturnUrl is only used with the AUTHORIZATION_CODE grant."""
    for path, provider in oauth_of(resource):
        if "defaultReturnUrl" in provider and provider.get("grantType") != "AUTHORIZATION_CODE":
            yield f"{path}.defaultReturnUrl", "only grantType AUTHORIZATION_CODE uses it"


@warning("R45", "targets", "developer guide, MCP servers")
def consent_will_be_asked(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The AUTHORIZATION_CODE grant needs a person's consent, and a callbackUrl registered at the identity provider."""
    server = part(resource.declared, "targetConfiguration", "mcp", "mcpServer")
    for path, provider in oauth_of(resource):
        if provider.get("grantType") == "AUTHORIZATION_CODE" and "mcpToolSchema" not in server:
            message = "a person will have to consent; register the provider's callbackUrl at the identity provider"
            yield f"{path}.grantType", message


@rule("R46", "targets", "service answer: 3LO Auth is not supported when gateway authorizer type is AWS_IAM")
def consent_needs_a_user(resource: Resource, resources: Mapping[str, Resource]) -> Iterator[Finding]:
    """The AUTHORIZATION_CODE grant acts for a user, whom a gateway of type AWS_IAM or NONE cannot identify."""
    inbound = text(parent_of(resource, resources), "authorizerType")
    for path, provider in oauth_of(resource):
        if provider.get("grantType") == "AUTHORIZATION_CODE" and inbound in ("AWS_IAM", "NONE"):
            yield f"{path}.grantType", f"the gateway's authorizerType {inbound} identifies no user; declare CUSTOM_JWT"


@warning("R46", "targets", "developer guide, sense")
def user_grants_need_users(resource: Resource, resources: Mapping[str, Resource]) -> Iterator[Finding]:
    """The TOKEN_EXCHANGE grant acts for a user, whom only a CUSTOM_JWT gateway identifies."""
    inbound = text(parent_of(resource, resources), "authorizerType")
    for path, provider in oauth_of(resource):
        if provider.get("grantType") == "TOKEN_EXCHANGE" and inbound not in ("", "CUSTOM_JWT"):
            yield f"{path}.grantType", f"the gateway's authorizerType {inbound} identifies no user"


@rule("R47", "targets", "developer guide, target authorization")
def exchange_is_configured(resource: Resource, resources: Mapping[str, Resource]) -> Iterator[Finding]:
    """The TOKEN_EXCHANGE grant requires a custom provider with onBehalfOfTokenExchangeConfig."""
    for path, provider in oauth_of(resource):
        found = TOKEN.fullmatch(str(provider.get("providerArn")))
        names = parts(found[1]) if found and found[1] else None
        other = resources.get(split(names)[0]) if names else None
        if provider.get("grantType") != "TOKEN_EXCHANGE" or other is None or other.options.existing:
            continue
        custom = part(other.declared, "oauth2ProviderConfigInput", "customOauth2ProviderConfig")
        if "onBehalfOfTokenExchangeConfig" not in custom:
            yield f"{path}.grantType", f"{other.address} has no onBehalfOfTokenExchangeConfig"


@rule("R48", "targets", "developer guide, target authorization")
def caller_credentials_need_a_caller(resource: Resource, resources: Mapping[str, Resource]) -> Iterator[Finding]:
    """CALLER_IAM_CREDENTIALS requires a gateway that identifies callers: AWS_IAM or AUTHENTICATE_ONLY."""
    inbound = text(parent_of(resource, resources), "authorizerType")
    for path, kind, _ in _configs(resource):
        if kind == "CALLER_IAM_CREDENTIALS" and inbound not in ("", "AWS_IAM", "AUTHENTICATE_ONLY"):
            yield f"{path}.credentialProviderType", f"the gateway's authorizerType {inbound} has no caller credentials"


@rule("R49", "targets", "developer guide, target authorization")
def passthrough_is_for_http(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """Only HTTP targets accept JWT_PASSTHROUGH."""
    for path, kind, _provider in _configs(resource):
        target = configuration_kind(resource.declared)
        if kind == "JWT_PASSTHROUGH" and target.startswith(("mcp.connector", "inference.")):
            yield f"{path}.credentialProviderType", "JWT_PASSTHROUGH is for http targets only"


@warning("R49", "targets", "developer guide contradicts itself")
def passthrough_authenticates_only(resource: Resource, resources: Mapping[str, Resource]) -> Iterator[Finding]:
    """JWT_PASSTHROUGH may require a gateway with authorizerType AUTHENTICATE_ONLY."""
    inbound = text(parent_of(resource, resources), "authorizerType")
    for path, kind, _ in _configs(resource):
        if kind == "JWT_PASSTHROUGH" and inbound not in ("", "AUTHENTICATE_ONLY"):
            yield f"{path}.credentialProviderType", "one page asks for a gateway with authorizerType AUTHENTICATE_ONLY"


@warning("R51", "targets", "developer guide, MCP servers; Terraform's tests: taken at creation")
def providers_are_of_this_account(resource: Resource, resources: Mapping[str, Resource]) -> Iterator[Finding]:
    """The credential provider of a target should belong to the account of the gateway."""
    role = arn_of(text(parent_of(resource, resources), "roleArn"))
    for path, _kind, provider in _configs(resource):
        for name, one in provider.items():
            arn = arn_of(text(one, "providerArn"))
            if arn and role and arn.account and role.account and arn.account != role.account:
                where = f"{path}.credentialProvider.{name}.providerArn"
                yield where, f"it is of account {arn.account}, the gateway's role of {role.account}"


@warning("R52", "targets", "developer guide, target authorization; assumed")
def prefix_is_for_headers(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A credentialPrefix only applies to an API key in a header."""
    for path, _kind, provider in _configs(resource):
        key = part(provider, "apiKeyCredentialProvider")
        if key.get("credentialLocation") == "QUERY_PARAMETER" and "credentialPrefix" in key:
            yield f"{path}.credentialProvider.apiKeyCredentialProvider.credentialPrefix", "it is for headers"


@rule("R53", "targets", "developer guide, headers")
def key_header_is_not_passed_on(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The header that carries the API key must not be in allowedRequestHeaders, which callers may set."""
    keys = [part(provider, "apiKeyCredentialProvider") for _, _, provider in _configs(resource)]
    carrying = {
        text(key, "credentialParameterName").lower() for key in keys if key.get("credentialLocation") == "HEADER"
    }
    for index, name in enumerate(items(resource.declared, "metadataConfiguration", "allowedRequestHeaders")):
        if name and str(name).lower() in carrying:
            path = f"metadataConfiguration.allowedRequestHeaders[{index}]"
            yield path, "this header carries the API key; callers cannot set it"
