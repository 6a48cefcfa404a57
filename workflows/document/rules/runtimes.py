"""Rules about agent runtimes, and about the environments of harnesses, which are agent runtimes."""

from collections.abc import Iterator, Mapping
from typing import Any

from workflows.document.rules.rule import Finding, items, part, rule, text, warning
from workflows.document.stack import Resource

BOTH = "agentRuntimes harnesses"
_ENVIRONMENT = "environment.agentCoreRuntimeEnvironment"


def _environment(resource: Resource) -> tuple[str, Mapping[str, Any]]:
    """Return the path prefix and the structure in which network, lifecycle and file systems are declared."""
    if resource.kind.section == "harnesses":
        return f"{_ENVIRONMENT}.", part(resource.declared, *_ENVIRONMENT.split("."))
    return "", resource.declared


def _mounts(resource: Resource) -> Iterator[tuple[str, Mapping[str, Any]]]:
    place, environment = _environment(resource)
    for index, one in enumerate(items(environment, "filesystemConfigurations")):
        yield f"{place}filesystemConfigurations[{index}]", part(one)


@rule("R78", BOTH, "service answer, ST#220")
def vpc_mode_names_its_network(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The networkMode VPC requires networkModeConfig."""
    place, environment = _environment(resource)
    network = part(environment, "networkConfiguration")
    if network.get("networkMode") == "VPC" and "networkModeConfig" not in network:
        yield f"{place}networkConfiguration.networkModeConfig", "networkMode VPC needs subnets and securityGroups"


@warning("R78", BOTH, "assumed")
def public_mode_has_no_network(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The networkMode PUBLIC should have no networkModeConfig."""
    place, environment = _environment(resource)
    network = part(environment, "networkConfiguration")
    if network.get("networkMode") == "PUBLIC" and "networkModeConfig" in network:
        yield f"{place}networkConfiguration.networkModeConfig", "networkMode PUBLIC probably takes none"


@warning("R79", BOTH, "API reference")
def s3_endpoint_is_of_old_runtimes(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """Only agent runtimes created before the rollout of May 2026 accept requireServiceS3Endpoint, in updates only."""
    place, environment = _environment(resource)
    if "requireServiceS3Endpoint" in part(environment, "networkConfiguration", "networkModeConfig"):
        path = f"{place}networkConfiguration.networkModeConfig.requireServiceS3Endpoint"
        yield path, "it is never sent with a creation, and newer runtimes refuse it in updates"


@rule("R81", BOTH, "API reference; TF")
def mounts_are_single_and_apart(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A file system configuration must have exactly one member, and a unique mountPath."""
    seen: set[str] = set()
    for path, one in _mounts(resource):
        if len(one) != 1:
            yield path, f"takes exactly one kind of file system; {len(one)} are given"
        for name, mount in one.items():
            where = text(mount, "mountPath").rstrip("/")
            if where and where in seen:
                yield f"{path}.{name}.mountPath", f"{where} is used before"
            seen.add(where)


@warning("R82", BOTH, "API reference; assumed in part")
def volumes_need_a_capacity_provider(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A capacityProviderVolume requires capacityProviderConfiguration, which defines the volume."""
    for path, one in _mounts(resource):
        if "capacityProviderVolume" in one and "capacityProviderConfiguration" not in resource.declared:
            yield f"{path}.capacityProviderVolume", "it needs capacityProviderConfiguration"


@warning("R83", BOTH, "assumed")
def network_mounts_need_a_vpc(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """S3 Files and EFS access points should only be mounted in networkMode VPC."""
    network = part(_environment(resource)[1], "networkConfiguration")
    mode = "VPC" if "${" in str(network.get("networkMode")) else network.get("networkMode")
    for path, one in _mounts(resource):
        for name in ("s3FilesAccessPoint", "efsAccessPoint"):
            if name in one and mode != "VPC":
                yield f"{path}.{name}", "it is probably reached in networkMode VPC only"


@warning("R84", BOTH, "assumed")
def sessions_end_before_lives(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The idleRuntimeSessionTimeout should not exceed maxLifetime."""
    place, environment = _environment(resource)
    cycle = part(environment, "lifecycleConfiguration")
    idle, life = cycle.get("idleRuntimeSessionTimeout"), cycle.get("maxLifetime")
    if isinstance(idle, int) and isinstance(life, int) and idle > life:
        yield f"{place}lifecycleConfiguration.idleRuntimeSessionTimeout", f"it is longer than maxLifetime, {life} s"
