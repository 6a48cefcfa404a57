"""Rules that AWS documents but the service model cannot say: small named functions, each with its number and source.

A rule with documented, modelled or observed support refuses; one that rests on an assumption only warns.
Numbers are those of the rule catalogue (agentcore-service 5).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.problems import Problem
from workflows.stack import Resource

Finding = tuple[str, str]  # a path below the resource, and what to do
Check = Callable[[Resource, Mapping[str, Resource]], Iterator[Finding]]


@dataclass(frozen=True)
class Rule:
    """One rule: its number, the section that it is about, its source, and whether it refuses or warns."""

    number: str
    section: str
    source: str
    check: Check
    refuses: bool = True


@dataclass(frozen=True)
class Found:
    """A broken rule."""

    problem: Problem
    refuses: bool


RULES: list[Rule] = []


def check(resources: Mapping[str, Resource]) -> Iterator[Found]:
    """Yield every broken rule of a document."""
    for resource in resources.values():
        for rule in RULES:
            if rule.section == resource.kind.section and not resource.options.existing:
                for path, message in rule.check(resource, resources):
                    where = f"{resource.address}.{path}" if path else resource.address
                    yield Found(Problem(where, rule.number, message), rule.refuses)


def _rule(number: str, section: str, source: str, *, refuses: bool = True) -> Callable[[Check], Check]:
    def register(function: Check) -> Check:
        RULES.append(Rule(number, section, source, function, refuses))
        return function

    return register


def part(value: Any, *path: str) -> Mapping[str, Any]:
    """Return the mapping at a path of a declaration; empty where anything on the way is missing or no mapping."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


@_rule("R1", "gateways", "API reference; service answer")
def custom_jwt_needs_its_authorizer(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A CUSTOM_JWT gateway needs authorizerConfiguration."""
    if resource.declared.get("authorizerType") == "CUSTOM_JWT" and "authorizerConfiguration" not in resource.declared:
        yield (
            "authorizerConfiguration",
            "authorizerType CUSTOM_JWT needs authorizerConfiguration.customJWTAuthorizer",
        )


@_rule("R3", "gateways", "schema of AWS's own command line")
def authorizer_must_allow_somebody(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A JWT authorizer names an audience, a client, a scope or a claim."""
    authorizer = part(resource.declared, "authorizerConfiguration", "customJWTAuthorizer")
    allowing = ("allowedAudience", "allowedClients", "allowedScopes", "customClaims")
    if authorizer and not any(name in authorizer for name in allowing):
        path = "authorizerConfiguration.customJWTAuthorizer"
        yield path, f"this authorizer allows nobody; declare at least one of {', '.join(allowing)}"


def _oauth(resource: Resource) -> Iterator[tuple[str, Mapping[str, Any]]]:
    configs = resource.declared.get("credentialProviderConfigurations")
    for index, config in enumerate(configs if isinstance(configs, list) else []):
        provider = part(config, "credentialProvider", "oauthCredentialProvider")
        if provider:
            yield (
                f"credentialProviderConfigurations[{index}].credentialProvider.oauthCredentialProvider",
                provider,
            )


@_rule("R43", "targets", "developer guide, target authorization")
def authorization_code_needs_return_url(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The AUTHORIZATION_CODE grant needs defaultReturnUrl."""
    for path, provider in _oauth(resource):
        if provider.get("grantType") == "AUTHORIZATION_CODE" and "defaultReturnUrl" not in provider:
            yield f"{path}.defaultReturnUrl", "grantType AUTHORIZATION_CODE needs a defaultReturnUrl"


@_rule("R93", "targets", "API reference")
def tool_schema_needs_authorization_code(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A static MCP tool schema goes with the AUTHORIZATION_CODE grant only."""
    server = part(resource.declared, "targetConfiguration", "mcp", "mcpServer")
    grants = [provider.get("grantType") for _, provider in _oauth(resource)]
    if "mcpToolSchema" in server and "AUTHORIZATION_CODE" not in grants:
        path = "targetConfiguration.mcp.mcpServer.mcpToolSchema"
        yield path, "mcpToolSchema is only taken with an OAUTH credential of grantType AUTHORIZATION_CODE"


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


@_rule("R71", "oauth2CredentialProviders", "developer guide, outbound authorization")
def vendor_fits_configuration(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The vendor decides which member of the configuration union is meant."""
    vendor, config = (
        resource.declared.get("credentialProviderVendor"),
        part(resource.declared, "oauth2ProviderConfigInput"),
    )
    wanted = _OWN_MEMBER.get(str(vendor), "includedOauth2ProviderConfig")
    if isinstance(vendor, str) and len(config) == 1 and wanted not in config:
        yield "oauth2ProviderConfigInput", f"credentialProviderVendor {vendor} takes {wanted}"
