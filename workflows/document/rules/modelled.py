"""Rules of the catalog without a check function: the service model or the planner enforces them, or nothing can.

A problem that the service model finds carries the number of the matching rule, if the catalog has such a rule.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Modelled:
    """A rule that the service model enforces, with its sections and a pattern of its paths below a resource."""

    number: str
    sections: frozenset[str]
    path: re.Pattern[str]
    says: str
    source: str = "service model"


def _row(number: str, sections: str, path: str, says: str) -> Modelled:
    return Modelled(number, frozenset(sections.split()), re.compile(path), says)


_JWT = "gateways agentRuntimes harnesses registries agentRegistries"
_TAGGED = "oauth2CredentialProviders apiKeyCredentialProviders gateways agentRuntimes harnesses agentRegistries"
_SCHEMA = r"(openApiSchema|smithyModel|toolSchema|mcpToolSchema|source)"
_PROVIDER = r"credentialProviderConfigurations\[\d+\]\.credentialProvider\."

#: The first row that matches the section and path of a problem gives the number of the rule.
MODELLED: tuple[Modelled, ...] = (
    _row(
        "R4",
        _JWT,
        r"discoveryUrl$",
        "a discoveryUrl contains /.well-known/openid-configuration or oauth-authorization-server",
    ),
    _row("R11", "gateways", r"^$", "a gateway's name has at most 48 letters and digits with single hyphens between"),
    _row("R12", "gateways", r"^interceptorConfigurations(\[\d+\]\.interceptionPoints)?$", "one or two of each"),
    _row("R14", "gateways", r"sessionTimeoutInSeconds$", "sessionTimeoutInSeconds is 900 to 28800"),
    _row("R24", "targets", rf"\.{_SCHEMA}$", "a schema is either in S3 or inline"),
    _row("R18", "targets", r"^targetConfiguration(\.(mcp|http|inference))?$", "a target is of exactly one kind"),
    _row("R22", "targets", r"passthrough\.(endpoint|protocolType)$", "a passthrough has an https endpoint, a protocol"),
    _row("R21", "targets", r"mcpServer\.endpoint$", "an MCP endpoint is https"),
    _row("R30", "targets", r"resourcePriority$", "resourcePriority is 0 to 1000, for MCP servers only"),
    _row("R35", "targets", r"agentcoreRuntime\.arn$", "arn is that of an agent runtime"),
    _row("R36", "targets", r"^credentialProviderConfigurations$", "a target has at most one credential"),
    _row("R41", "targets", rf"{_PROVIDER}iamCredentialProvider\.service$", "a region goes with a service"),
    _row(
        "R50", "targets", r"oauthCredentialProvider\.(scopes|customParameters)", "scopes are given, 1 to 64 characters"
    ),
    _row("R54", "targets", r"^metadataConfiguration\.allowed\w+$", "one to ten headers or parameters"),
    _row("R55", "targets", r"^metadataConfiguration\.allowed\w+\[\d+\]$", "headers have 100 characters, parameters 40"),
    _row("R62", f"{_JWT} oauth2CredentialProviders targets", r"managedVpcResource\.securityGroupIds$", "at most five"),
    _row("R64", f"{_JWT} oauth2CredentialProviders targets", r"\.routingDomain$", "for managed endpoints only"),
    _row("R70", "oauth2CredentialProviders", r"(?<!custom)Oauth2ProviderConfig\.privateEndpoint", "custom ones only"),
    _row("R58", f"{_JWT} oauth2CredentialProviders targets", r"privateEndpoint$", "exactly one form"),
    _row("R61", f"{_JWT} oauth2CredentialProviders", r"privateEndpointOverrides$", "at most five overrides"),
    _row("R72", "oauth2CredentialProviders", r"oauthDiscovery$", "either discoveryUrl or authorizationServerMetadata"),
    _row("R77", "oauth2CredentialProviders", r"^$", "a provider's name has at most 128 letters, digits, - and _"),
    _row("R80", "agentRuntimes", r"requestHeaderAllowlist", "one to twenty headers"),
    _row("R81", "agentRuntimes harnesses", r"(filesystemConfigurations|mountPath)$", "five file systems, under /mnt"),
    _row("R84", "agentRuntimes harnesses", r"(idleRuntimeSessionTimeout|maxLifetime)$", "60 to 1209600 seconds"),
    _row("R85", "agentRuntimes", r"entryPoint$", "an entryPoint has one or two parts"),
    _row("R86", "agentRuntimes harnesses", r"^environmentVariables", "fifty variables, keys 100, values 5000"),
    _row("R89", "harnesses", r"^hooks$", "at most twenty hooks"),
    _row("R90", "harnesses", r"^memory$", "exactly one form of memory"),
    _row("R92", _TAGGED, r"^tags", "fifty tags, keys 128, values 256"),
)

#: Rules that the planner enforces, rather than a check of the document.
PLANNED: Mapping[str, str] = {
    "R19": "names are map keys, so a target's name cannot stand twice",
    "R27": "a target with mcpToolSchema is never synchronized",
    "R31": "another kind of target is planned as a replacement",
}
#: Rules that cannot be checked, because the document does not contain the necessary facts.
UNCHECKED: Mapping[str, str] = {
    "R69": "whose account a private resource belongs to is not declared",
}
#: Rules that newer documentation or service models contradict.
RETIRED: Mapping[str, str] = {
    "R9": "a change of searchType is sent as an update (Terraform: gateway.go, plain attribute)",
    "R93": "a static MCP tool schema is supported for all credential providers (service model of botocore 1.43.117)",
}


def number_of(section: str, path: str) -> str | None:
    """Return the number of the rule that a problem at a path below a resource breaks; None if no rule matches."""
    for row in MODELLED:
        if section in row.sections and row.path.search(path):
            return row.number
    return None
