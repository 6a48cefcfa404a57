"""Rules about gateways, except their authorizers and targets."""

from collections.abc import Iterator, Mapping
from typing import Any

from workflows.document.rules.rule import Finding, items, part, rule, text, warning
from workflows.document.stack import Resource

_MODE = "responseInterceptionMode"
_MCP_VERSIONS = ("2025-03-26", "2025-06-18", "2025-11-25")


def _mcp(resource: Resource) -> Mapping[str, Any]:
    return part(resource.declared, "protocolConfiguration", "mcp")


def _points(resource: Resource) -> Iterator[tuple[int, Mapping[str, Any], list[Any]]]:
    for index, one in enumerate(items(resource.declared, "interceptorConfigurations")):
        yield index, part(one), items(one, "interceptionPoints")


@warning("R10", "gateways", "developer guide, creating gateways; service authorization reference")
def semantic_search_needs_synchronization(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """Creating a gateway with searchType SEMANTIC requires the permission to synchronize targets."""
    if text(_mcp(resource), "searchType") == "SEMANTIC":
        message = "creating it takes bedrock-agentcore:SynchronizeGatewayTargets"
        yield "protocolConfiguration.mcp.searchType", message


@warning("R12", "gateways", "assumed")
def interception_points_are_used_once(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """Each interception point should be used by at most one interceptor of a gateway."""
    used: set[str] = set()
    for index, _one, points in _points(resource):
        again = used & {point for point in points if isinstance(point, str)}
        if again:
            yield f"interceptorConfigurations[{index}].interceptionPoints", f"{', '.join(sorted(again))} is used before"
        used |= {point for point in points if isinstance(point, str)}


@warning("R13", "gateways", "assumed")
def response_filter_needs_response_point(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A payloadFilter, which omits the response body, is only useful at the RESPONSE interception point."""
    for index, one, points in _points(resource):
        if part(one, "inputConfiguration", "payloadFilter") and "RESPONSE" not in points:
            path = f"interceptorConfigurations[{index}].inputConfiguration.payloadFilter"
            yield path, "without the RESPONSE point there is no response body to leave out"


@rule("R100", "gateways", "service model of botocore 1.44.8")
def streamed_responses_have_their_settings(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A responseInterceptionMode requires the RESPONSE point; STREAM, and only STREAM, has streaming settings."""
    for index, one, points in _points(resource):
        path, mode = f"interceptorConfigurations[{index}]", text(one, _MODE)
        if _MODE in one and "RESPONSE" not in points:
            yield f"{path}.{_MODE}", "it needs the interception point RESPONSE"
        if mode == "STREAM" and "responseStreamingConfiguration" not in one:
            yield f"{path}.responseStreamingConfiguration", "responseInterceptionMode STREAM requires it"
        if mode != "STREAM" and "responseStreamingConfiguration" in one and "$" not in str(one.get(_MODE)):
            yield f"{path}.responseStreamingConfiguration", "it goes with responseInterceptionMode STREAM only"
        if mode == "STREAM" and part(one, "inputConfiguration", "payloadFilter"):
            yield f"{path}.inputConfiguration.payloadFilter", "a streamed response cannot be left out"


@rule("R101", "gateways", "service model of botocore 1.44.8")
def domains_are_listed_once(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The alternateDomains of a gateway must be unique and must not repeat the defaultDomain."""
    override = part(resource.declared, "domainOverride")
    seen = {text(override, "defaultDomain").lower()}
    for index, one in enumerate(items(override, "alternateDomains")):
        name = one.lower() if isinstance(one, str) and "${" not in one else ""
        if name and name in seen:
            yield f"domainOverride.alternateDomains[{index}]", f"{one} is listed before"
        seen.add(name)


@warning("R14", "gateways", "developer guide, gateway features")
def sessions_go_with_streaming(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """Elicitation and sampling need both sessionConfiguration and response streaming."""
    mcp = _mcp(resource)
    streams = part(mcp, "streamingConfiguration").get("enableResponseStreaming") is True
    if "sessionConfiguration" in mcp and not streams:
        message = "elicitation and sampling also need streamingConfiguration.enableResponseStreaming"
        yield "protocolConfiguration.mcp.sessionConfiguration", message


@warning("R15", "gateways", "developer guide, MCP servers (targets); gateways assumed")
def versions_are_known(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The supportedVersions should be protocol versions that AWS documents."""
    for index, version in enumerate(items(_mcp(resource), "supportedVersions")):
        if isinstance(version, str) and "${" not in version and version not in _MCP_VERSIONS:
            path = f"protocolConfiguration.mcp.supportedVersions[{index}]"
            yield path, f"documented are {', '.join(_MCP_VERSIONS)}"


@warning("R16", "gateways", "assumed")
def protocol_configuration_is_for_mcp(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A protocolConfiguration only has an effect with protocolType MCP."""
    if "protocolConfiguration" in resource.declared and "protocolType" not in resource.declared:
        yield "protocolConfiguration", "without protocolType MCP it may mean nothing"


@warning("R17", "gateways", "developer guide, inbound authorization")
def open_gateways_are_guarded(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A gateway with authorizerType NONE needs a policy engine, an interceptor, or targets that authorize callers."""
    guards = ("policyEngineConfiguration", "interceptorConfigurations")
    if resource.declared.get("authorizerType") == "NONE" and not any(name in resource.declared for name in guards):
        yield "authorizerType", "anybody may call this gateway; its targets must authorize by themselves"


@warning("R97", "registries", "registry FAQ; live runs: ResourceNotFoundException")
def old_registries_are_switched_off(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The registries of the old namespace are switched off; registries are declared under agentRegistries."""
    del resource
    yield "", "AWS switched these registries off in autumn 2026; declare this one under agentRegistries"


@rule("R92", "gateways oauth2CredentialProviders apiKeyCredentialProviders agentRuntimes harnesses agentRegistries",
      "tagging in every AWS service")  # fmt: skip
def tags_of_aws_are_reserved(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """Tag keys that begin with aws: are reserved for AWS."""
    for key in part(resource.declared, "tags"):
        if key.lower().startswith("aws:"):
            yield f'tags["{key}"]', "tag keys that begin with aws: are reserved"
