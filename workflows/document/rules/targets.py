"""Rules about the endpoints, schemas and listing modes of targets."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from workflows.document.problems import parse_path, path_text
from workflows.document.rules.rule import Finding, items, parent_of, part, rule, text, warning
from workflows.document.stack import Resource
from workflows.kinds.gateway_target import configuration_kind

_SERVER = "targetConfiguration.mcp.mcpServer"
#: Documented limits in bytes, characters and counts; the limits of tools and targets are quotas that AWS can raise.
_INLINE_BYTES = 1024 * 1024
_TOOL_NAME = 256
_TOOLS = 1000
_TARGETS = 100
_SCHEMAS = (
    "targetConfiguration.mcp.openApiSchema",
    "targetConfiguration.mcp.smithyModel",
    "targetConfiguration.mcp.lambda.toolSchema",
    "targetConfiguration.mcp.mcpServer.mcpToolSchema",
    "targetConfiguration.http.agentcoreRuntime.schema.source",
    "targetConfiguration.http.passthrough.schema.source",
)
_FORBIDDEN = frozenset({"$ref", "$defs", "$anchor", "$dynamicRef", "$dynamicAnchor"})


def _server(resource: Resource) -> Mapping[str, Any]:
    return part(resource.declared, *_SERVER.split("."))


def _tools(resource: Resource) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the inline tools of a Lambda target."""
    path = "targetConfiguration.mcp.lambda.toolSchema.inlinePayload"
    for index, tool in enumerate(items(resource.declared, *path.split("."))):
        yield f"{path}[{index}]", part(tool)


def grants_of(resource: Resource) -> list[str]:
    """Return the OAuth grant types that a target declares."""
    return [text(provider, "grantType") for _, provider in oauth_of(resource)]


def oauth_of(resource: Resource) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the path and the declaration of each OAuth provider of a target."""
    for index, config in enumerate(items(resource.declared, "credentialProviderConfigurations")):
        provider = part(config, "credentialProvider", "oauthCredentialProvider")
        if provider:
            path = f"credentialProviderConfigurations[{index}].credentialProvider.oauthCredentialProvider"
            yield path, provider


@rule("R20", "targets", "AWS's own command line, CLI#2028")
def http_targets_need_an_open_protocol(resource: Resource, resources: Mapping[str, Resource]) -> Iterator[Finding]:
    """HTTP targets require a gateway without protocolType MCP."""
    yield from _beside_mcp(resource, resources, "http")


@warning("R20", "targets", "AWS's own command line, CLI#2028; taken beside MCP targets in live runs")
def inference_targets_may_need_one(resource: Resource, resources: Mapping[str, Resource]) -> Iterator[Finding]:
    """Inference targets may require a gateway without protocolType MCP."""
    yield from _beside_mcp(resource, resources, "inference")


def _beside_mcp(resource: Resource, resources: Mapping[str, Resource], wanted: str) -> Iterator[Finding]:
    family = configuration_kind(resource.declared).partition(".")[0]
    if family == wanted and parent_of(resource, resources).get("protocolType") == "MCP":
        yield f"targetConfiguration.{family}", f"the gateway has protocolType MCP; {family} targets need one without"


@rule("R21", "targets", "developer guide, MCP servers")
def endpoints_are_used_verbatim(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """An MCP endpoint must be percent-encoded, because the gateway uses the endpoint verbatim, without templates."""
    endpoint = text(_server(resource), "endpoint")
    if re.search(r"[{}<>\s]", endpoint):
        yield f"{_SERVER}.endpoint", "the gateway uses it as it stands; it can hold no template and no blank"
    elif re.search(r"/runtimes/arn:", endpoint):
        yield f"{_SERVER}.endpoint", "encode the runtime's ARN in it (: as %3A, / as %2F), or refer to the runtime"


@rule("R23", "targets", "developer guide, limits")
def schemas_are_small(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """An inline schema may have at most 1 MB, and the name of a tool at most 256 characters."""
    for place in _SCHEMAS:
        payload = part(resource.declared, *place.split(".")).get("inlinePayload")
        size = len((payload if isinstance(payload, str) else json.dumps(payload, default=str)).encode())
        if payload and size > _INLINE_BYTES:
            yield f"{place}.inlinePayload", f"it has {size} bytes; inline schemas have at most 1 MB, others go to S3"
    for path, tool in _tools(resource):
        if len(text(tool, "name")) > _TOOL_NAME:
            yield f"{path}.name", f"a tool's name has at most {_TOOL_NAME} characters"


@warning("R23", "targets", "developer guide, limits (adjustable)")
def tools_are_not_too_many(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A target may have at most 1,000 tools, unless AWS raised the quota."""
    if sum(1 for _tool in _tools(resource)) > _TOOLS:
        yield "targetConfiguration.mcp.lambda.toolSchema.inlinePayload", f"more than {_TOOLS} tools need a higher quota"


@warning("R23", "gateways", "developer guide, limits (adjustable)")
def targets_are_not_too_many(resource: Resource, resources: Mapping[str, Resource]) -> Iterator[Finding]:
    """A gateway may have at most 100 targets, unless AWS raised the quota."""
    if sum(1 for other in resources.values() if other.parent == resource.address) > _TARGETS:
        yield "targets", f"more than {_TARGETS} targets need a higher quota"


@rule("R24", "targets", "service model: a schema is in S3 or inline")
def schemas_in_s3_have_a_uri(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A schema in S3 must declare the URI of the object."""
    for place in _SCHEMAS:
        source = part(resource.declared, *place.split("."))
        if isinstance(source.get("s3"), Mapping) and "uri" not in source["s3"]:
            yield f"{place}.s3.uri", "name the object, as s3://BUCKET/KEY"


@warning("R25", "targets", "JSON Schema's meaning; assumed of the service")
def tool_schemas_make_sense(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The input schema of a tool should be an object; only objects have properties, and only arrays have items."""
    for path, tool in _tools(resource):
        if text(tool, "inputSchema", "type") not in ("", "object"):
            yield f"{path}.inputSchema.type", "a tool's input is an object"
        for name in ("inputSchema", "outputSchema"):
            yield from _sense(f"{path}.{name}", part(tool, name))


def _sense(path: str, schema: Mapping[str, Any], depth: int = 0) -> Iterator[Finding]:
    kind, properties = text(schema, "type"), part(schema, "properties")
    if "items" in schema and kind not in ("", "array"):
        yield f"{path}.items", "only an array has items"
    if (properties or items(schema, "required")) and kind not in ("", "object"):
        yield path, "only an object has properties"
    for name in items(schema, "required"):
        if isinstance(name, str) and name not in properties:
            yield f"{path}.required", f"{name} is no property"
    inner = [(path_text((*parse_path(path), "properties", name)), part(one)) for name, one in properties.items()]
    inner += [(f"{path}.items", part(schema, "items"))] if part(schema, "items") else []
    for where, one in inner if depth < len(_FORBIDDEN) * 10 else []:
        yield from _sense(where, one, depth + 1)


@warning("R26", "targets", "developer guide, MCP servers (dynamic schemas); static ones assumed")
def tool_schemas_do_not_refer(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """Tool schemas should not use $ref, $defs, $anchor, $dynamicRef or $dynamicAnchor."""
    payload = text(_server(resource), "mcpToolSchema", "inlinePayload")
    found = sorted(word for word in _FORBIDDEN if f'"{word}"' in payload)
    if found:
        yield f"{_SERVER}.mcpToolSchema.inlinePayload", f"{', '.join(found)} cannot be synchronized"


@warning("R28", "targets", "assumed")
def static_schemas_are_not_listed(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A target with a static tool schema (mcpToolSchema) should not use listingMode DYNAMIC."""
    server = _server(resource)
    if "mcpToolSchema" in server and server.get("listingMode") == "DYNAMIC":
        yield f"{_SERVER}.listingMode", "with mcpToolSchema, tools are not listed"


@rule("R29", "targets", "developer guide, MCP servers")
def dynamic_listing_has_limits(resource: Resource, resources: Mapping[str, Resource]) -> Iterator[Finding]:
    """The listingMode DYNAMIC cannot be combined with searchType SEMANTIC or the AUTHORIZATION_CODE grant."""
    if _server(resource).get("listingMode") != "DYNAMIC":
        return
    mcp = part(parent_of(resource, resources), "protocolConfiguration", "mcp")
    if mcp.get("searchType") == "SEMANTIC":
        yield f"{_SERVER}.listingMode", "the gateway has searchType SEMANTIC; DYNAMIC listing excludes it"
    if "AUTHORIZATION_CODE" in grants_of(resource):
        yield f"{_SERVER}.listingMode", "grantType AUTHORIZATION_CODE excludes DYNAMIC listing"


_API = "targetConfiguration.mcp.apiGateway.apiGatewayToolConfiguration"


@rule("R32", "targets", "developer guide, API Gateway targets; API reference")
def api_paths_are_explicit(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The path of a toolFilter must be exact or end with /*, that of a toolOverride exact; {proxy+} is not allowed."""
    tools = part(resource.declared, *_API.split("."))
    for index, one in enumerate(items(tools, "toolFilters")):
        path = text(one, "filterPath")
        if "*" in path.removesuffix("/*") or "{proxy+}" in path:
            yield f"{_API}.toolFilters[{index}].filterPath", "a path is exact, or ends with /* and has no other *"
    for index, one in enumerate(items(tools, "toolOverrides")):
        path = text(one, "path")
        if "*" in path or "{proxy+}" in path:
            yield f"{_API}.toolOverrides[{index}].path", "an override names one exact path"


@warning("R33", "targets", "assumed")
def overrides_are_filtered_in(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A toolFilter should include the path and method of each toolOverride."""
    tools = part(resource.declared, *_API.split("."))
    filters = [(text(one, "filterPath"), items(one, "methods")) for one in items(tools, "toolFilters")]
    for index, one in enumerate(items(tools, "toolOverrides")):
        path, method = text(one, "path"), one.get("method") if isinstance(one, Mapping) else None
        covered = any(
            (path == allowed or (allowed.endswith("/*") and path.startswith(allowed[:-1]))) and method in methods
            for allowed, methods in filters
        )
        if path and not covered:
            yield f"{_API}.toolOverrides[{index}]", "no filter lets this path and method in"


@rule("R95", "targets", "service answer: No MCP tool schema found in target configuration")
def static_schemas_list_tools(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The inline payload of an mcpToolSchema must be a JSON object with a list of tools."""
    schema = part(_server(resource), "mcpToolSchema")
    payload = schema.get("inlinePayload")
    if not isinstance(payload, str) or "${" in payload:
        return
    try:
        found = json.loads(payload)
    except ValueError:
        found = None
    if not isinstance(found, Mapping) or not isinstance(found.get("tools"), list):
        yield f"{_SERVER}.mcpToolSchema.inlinePayload", 'it is a JSON object with a list of tools: {"tools": [...]}'


@rule("R96", "targets", "Terraform, tests of passthrough targets")
def passthrough_targets_have_credentials(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A passthrough target must declare credentialProviderConfigurations."""
    kind = configuration_kind(resource.declared)
    if kind == "http.passthrough" and not resource.declared.get("credentialProviderConfigurations"):
        yield "credentialProviderConfigurations", "a passthrough target needs them, such as GATEWAY_IAM_ROLE"
