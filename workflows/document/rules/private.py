"""Rules about the private endpoints of authorizers, custom providers and targets."""

from collections.abc import Iterator, Mapping
from typing import Any

from workflows.document.rules.inbound import JWT, authorizer_of
from workflows.document.rules.rule import Finding, items, parent_of, part, rule, text, warning
from workflows.document.stack import Resource
from workflows.document.urls import host_of
from workflows.kinds.gateway_target import configuration_kind

PROVIDER = "oauth2CredentialProviders"
_EVERYWHERE = f"{JWT} {PROVIDER} targets"
_CUSTOM = "oauth2ProviderConfigInput.customOauth2ProviderConfig"
#: Kinds of targets that accept a private endpoint (service-notes: private endpoints), and kinds documented not to. The
#: remaining kinds are assumed not to. The third table lists the kinds that accept a private CA.
_TAKES = frozenset({"mcp.mcpServer", "mcp.openApiSchema", "http.passthrough", "inference.provider"})
_REFUSES = frozenset({"mcp.lambda", "mcp.smithyModel", "mcp.apiGateway"})
_CERTIFIED = frozenset({"mcp.mcpServer", "mcp.openApiSchema", "http.passthrough"})


def _owner(resource: Resource) -> tuple[str, Mapping[str, Any]]:
    """Return the path and the declaration of the structure that may contain a private endpoint."""
    if resource.kind.section == "targets":
        return "", resource.declared
    if resource.kind.section == PROVIDER:
        return _CUSTOM, part(resource.declared, *_CUSTOM.split("."))
    return authorizer_of(resource)


def _endpoints(resource: Resource) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the path and the declaration of every private endpoint of a resource, including overrides."""
    place, owner = _owner(resource)
    dot = f"{place}." if place else ""
    if part(owner, "privateEndpoint"):
        yield f"{dot}privateEndpoint", part(owner, "privateEndpoint")
    for index, override in enumerate(items(owner, "privateEndpointOverrides")):
        path = f"{dot}privateEndpointOverrides[{index}].privateEndpoint"
        yield path, part(override, "privateEndpoint")


@rule("R59", PROVIDER, "schema of AWS's own command line; Terraform's issues")
def overrides_need_a_base(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The privateEndpointOverrides of a credential provider require a privateEndpoint."""
    yield from _without_base(resource)


@warning("R59", JWT, "schema of AWS's own command line; Terraform's tests: created without")
def authorizer_overrides_may_need_a_base(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The privateEndpointOverrides of an authorizer may require a privateEndpoint."""
    yield from _without_base(resource)


def _without_base(resource: Resource) -> Iterator[Finding]:
    place, owner = _owner(resource)
    if items(owner, "privateEndpointOverrides") and "privateEndpoint" not in owner:
        yield f"{place}.privateEndpointOverrides", "they override a privateEndpoint, and there is none"


@rule("R102", f"{JWT} {PROVIDER}", "service model of botocore 1.44.8")
def private_authorities_need_a_private_endpoint(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The certificateConfigurations of an identity provider require a privateEndpoint."""
    place, owner = _owner(resource)
    if items(owner, "certificateConfigurations") and "privateEndpoint" not in owner:
        yield f"{place}.certificateConfigurations", "a private CA goes with a privateEndpoint only"


@rule("R60", f"{JWT} {PROVIDER}", "schema of AWS's own command line")
def overrides_are_of_one_form(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """All privateEndpointOverrides must have the same form (managed or self-managed) as the privateEndpoint."""
    place, owner = _owner(resource)
    base = set(part(owner, "privateEndpoint"))
    for index, override in enumerate(items(owner, "privateEndpointOverrides")):
        form = set(part(override, "privateEndpoint"))
        if base and form and form != base:
            path = f"{place}.privateEndpointOverrides[{index}].privateEndpoint"
            yield path, f"it must be {' or '.join(sorted(base))}, as the privateEndpoint is"


@warning("R60", f"{JWT} {PROVIDER}", "developer guide, inbound authorization: today")
def overrides_are_self_managed(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """At present, privateEndpointOverrides are only supported with selfManagedLatticeResource."""
    place, owner = _owner(resource)
    managed = "managedVpcResource" in part(owner, "privateEndpoint")
    if managed and items(owner, "privateEndpointOverrides"):
        yield f"{place}.privateEndpointOverrides", "today they work with selfManagedLatticeResource only"


@rule("R61", f"{JWT} {PROVIDER}", "schema of AWS's own command line")
def override_domains_are_unique(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The domains of privateEndpointOverrides must be unique."""
    place, owner = _owner(resource)
    seen = set()
    for index, override in enumerate(items(owner, "privateEndpointOverrides")):
        domain = text(override, "domain").lower()
        if domain and domain in seen:
            yield f"{place}.privateEndpointOverrides[{index}].domain", f"{domain} has an override already"
        seen.add(domain)


@warning("R61", f"{JWT} {PROVIDER}", "assumed")
def override_domains_are_hosts(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The domain of an override should be a host name that differs from the host of the discoveryUrl."""
    place, owner = _owner(resource)
    url = text(owner, "discoveryUrl") or text(owner, "oauthDiscovery", "discoveryUrl")
    for index, override in enumerate(items(owner, "privateEndpointOverrides")):
        domain, path = text(override, "domain"), f"{place}.privateEndpointOverrides[{index}].domain"
        if "/" in domain or ":" in domain:
            yield path, "a domain is a host name, without scheme, port or path"
        elif domain and domain.lower() == host_of(url):
            yield path, "this is the host of the discoveryUrl, which privateEndpoint itself serves"


@rule("R62", _EVERYWHERE, "schema of AWS's own command line")
def managed_endpoints_need_a_subnet(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A managedVpcResource must name at least one subnet."""
    for path, endpoint in _endpoints(resource):
        managed = part(endpoint, "managedVpcResource")
        if managed and managed.get("subnetIds") == []:
            yield f"{path}.managedVpcResource.subnetIds", "name at least one subnet of the VPC"


@rule("R63", _EVERYWHERE, "developer guide, private endpoints")
def managed_tag_is_the_services(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The tag BedrockAgentCoreGatewayManaged is reserved: the service sets this tag."""
    for path, endpoint in _endpoints(resource):
        if "BedrockAgentCoreGatewayManaged" in part(endpoint, "managedVpcResource", "tags"):
            where = f"{path}.managedVpcResource.tags.BedrockAgentCoreGatewayManaged"
            yield where, "the service sets this tag itself"


@rule("R65", "targets", "developer guide, private endpoints, VPC egress")
def some_targets_take_no_endpoint(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """Lambda, Smithy and API Gateway targets do not accept a privateEndpoint."""
    kind = configuration_kind(resource.declared)
    if "privateEndpoint" in resource.declared and kind in _REFUSES:
        yield "privateEndpoint", f"a {kind} target takes none; export an API as OpenAPI and use routingDomain instead"


@warning("R65", "targets", "assumed")
def other_targets_take_no_endpoint(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """Connector and AgentCore runtime targets probably do not accept a privateEndpoint."""
    kind = configuration_kind(resource.declared)
    if "privateEndpoint" in resource.declared and kind and kind not in _TAKES | _REFUSES:
        yield "privateEndpoint", f"a {kind} target probably takes none"


@rule("R66", "targets", "developer guide, VPC egress")
def open_gateways_reach_nothing_private(resource: Resource, resources: Mapping[str, Resource]) -> Iterator[Finding]:
    """A target with a privateEndpoint requires an interceptor if the gateway has authorizerType NONE."""
    gateway = parent_of(resource, resources)
    if (
        "privateEndpoint" in resource.declared
        and gateway.get("authorizerType") == "NONE"
        and "interceptorConfigurations" not in gateway
    ):
        yield "privateEndpoint", "the gateway has authorizerType NONE and no interceptor; it is refused then"


@rule("R67", "targets", "developer guide, VPC egress")
def private_apis_have_one_host(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The servers of an OpenAPI schema behind a privateEndpoint must have the same host."""
    schema = text(resource.declared, "targetConfiguration", "mcp", "openApiSchema", "inlinePayload")
    hosts = _hosts(schema) if "privateEndpoint" in resource.declared else set()
    if len(hosts) > 1:
        path = "targetConfiguration.mcp.openApiSchema.inlinePayload"
        yield path, f"behind a privateEndpoint, servers are of one host; these are {', '.join(sorted(hosts))}"


def _hosts(schema: str) -> set[str]:
    from infra.documents import Unreadable, parse  # noqa: PLC0415 - YAML is read for this rule alone, off the cold path

    try:
        servers = items(parse(schema), "servers") if schema else []
    except Unreadable:
        return set()
    return {host for server in servers if (host := host_of(text(server, "url")))}


@rule("R68", "targets", "developer guide, VPC egress")
def certificates_go_with_endpoints(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A private CA requires a privateEndpoint, a kind of target that supports private CAs, and exactly one source."""
    certificates = items(resource.declared, "certificateConfigurations")
    kind = configuration_kind(resource.declared)
    if certificates and "privateEndpoint" not in resource.declared:
        yield "certificateConfigurations", "a private CA needs a privateEndpoint"
    if certificates and kind and kind not in _CERTIFIED:
        yield "certificateConfigurations", f"a {kind} target takes no private CA"
    for index, one in enumerate(certificates):
        if isinstance(one, Mapping) and len(one) != 1:
            yield f"certificateConfigurations[{index}]", "takes exactly one of s3, secretsManager"
