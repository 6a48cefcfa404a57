"""Rules about the tools, hooks and memory of harnesses."""

from collections.abc import Iterator, Mapping

from workflows.document.rules.rule import Finding, items, part, rule, text, warning
from workflows.document.stack import Resource

#: The member of `config` that each type of tool takes.
_CONFIG = {
    "remote_mcp": "remoteMcp",
    "agentcore_browser": "agentCoreBrowser",
    "agentcore_gateway": "agentCoreGateway",
    "inline_function": "inlineFunction",
    "agentcore_code_interpreter": "agentCoreCodeInterpreter",
}
_NEEDED = frozenset({"remote_mcp", "agentcore_gateway", "inline_function"})


@rule("R87", "harnesses", "service model: names of types and members")
def tools_have_their_configuration(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The config of a tool must match the tool's type; inline functions, gateways and MCP servers require a config."""
    for index, tool in enumerate(items(resource.declared, "tools")):
        kind, config = text(tool, "type"), part(tool, "config")
        wanted = _CONFIG.get(kind)
        if config and wanted is not None and wanted not in config:
            yield f"tools[{index}].config", f"a tool of type {kind} takes config.{wanted}"
        elif not config and kind in _NEEDED:
            yield f"tools[{index}].config", f"a tool of type {kind} needs config.{wanted}"


@rule("R88", "harnesses", "API reference")
def gateway_tools_need_no_person(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A gateway tool must use SigV4 or an OAuth grant that needs no person's consent, so not AUTHORIZATION_CODE."""
    for index, tool in enumerate(items(resource.declared, "tools")):
        oauth = part(tool, "config", "agentCoreGateway", "outboundAuth", "oauth")
        if oauth.get("grantType") == "AUTHORIZATION_CODE":
            path = f"tools[{index}].config.agentCoreGateway.outboundAuth.oauth.grantType"
            yield path, "AUTHORIZATION_CODE is refused here"


@rule("R89", "harnesses", "API reference")
def hooks_are_single(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """Each entry of hooks must contain exactly one hook."""
    for index, entry in enumerate(items(resource.declared, "hooks")):
        if isinstance(entry, Mapping) and len(entry) != 1:
            yield f"hooks[{index}]", f"takes exactly one hook; {len(entry)} are given"


@warning("R90", "harnesses", "API reference")
def managed_memory_has_its_own_arn(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The ARN of a managed memory is read-only: the service assigns the ARN and ignores a declared value."""
    if "arn" in part(resource.declared, "memory", "managedMemoryConfiguration"):
        yield "memory.managedMemoryConfiguration.arn", "it is read-only; the service ignores it here"


@warning("R89", "harnesses", "assumed")
def hook_names_are_unique(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The names of the hooks of a harness should be unique."""
    seen: set[str] = set()
    for index, entry in enumerate(items(resource.declared, "hooks")):
        for point, hook in part(entry).items():
            name = text(hook, "name")
            if name and name in seen:
                yield f"hooks[{index}].{point}.name", f"{name} names a hook before"
            seen.add(name)
