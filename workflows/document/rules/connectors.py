"""Rules about connector targets."""

from collections.abc import Iterator, Mapping
from typing import Any

from workflows.document.rules.rule import Finding, items, part, rule, text, warning
from workflows.document.stack import Resource
from workflows.kinds.gateway_target import configuration_kind

_CONNECTOR = "targetConfiguration.mcp.connector"


def _connector(resource: Resource) -> Mapping[str, Any]:
    return part(resource.declared, *_CONNECTOR.split("."))


@rule("R34", "targets", "AWS's own command line, CLI#1899")
def connectors_need_credentials(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """Connector targets must declare credentialProviderConfigurations."""
    kind = configuration_kind(resource.declared)
    if kind == "mcp.connector" and not resource.declared.get("credentialProviderConfigurations"):
        yield "credentialProviderConfigurations", "a connector needs them, such as GATEWAY_IAM_ROLE"


@rule("R94", "targets", "service answer: Connector configurations must not be null")
def connectors_have_configurations(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A connector must have configurations, although the service model calls them optional."""
    connector = _connector(resource)
    if connector and not connector.get("configurations"):
        yield f"{_CONNECTOR}.configurations", "a connector needs at least one configuration"


@rule("R98", "targets", "Terraform, tests of connector targets: any other type is refused")
def connectors_use_the_role_of_the_gateway(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The credential of a connector target must be of type GATEWAY_IAM_ROLE."""
    for index, one in enumerate(items(resource.declared, "credentialProviderConfigurations")):
        kind = text(one, "credentialProviderType")
        # R49 refuses JWT_PASSTHROUGH for every target that is no HTTP target.
        if _connector(resource) and kind not in ("", "GATEWAY_IAM_ROLE", "JWT_PASSTHROUGH"):
            path = f"credentialProviderConfigurations[{index}].credentialProviderType"
            yield path, "a connector takes GATEWAY_IAM_ROLE only"


@warning("R99", "targets", "refused in live runs, although the service model calls it a JSON Pointer")
def overridden_parameters_are_plain_names(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The path of a parameterOverride should be the name of a parameter, without the slash of a JSON Pointer."""
    for index, tool in enumerate(items(_connector(resource), "configurations")):
        for number, override in enumerate(items(tool, "parameterOverrides")):
            if text(override, "path").startswith("/"):
                path = f"{_CONNECTOR}.configurations[{index}].parameterOverrides[{number}].path"
                yield path, "the service may refuse a JSON Pointer; the name alone is taken"
