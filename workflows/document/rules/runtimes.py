"""Rules about agent runtimes, and about the environments of harnesses, which are agent runtimes."""

from collections.abc import Iterator, Mapping
from typing import Any

from workflows.document.rules.rule import Finding, items, part, rule, text, warning
from workflows.document.stack import Resource

BOTH = "agentRuntimes harnesses"
_ENVIRONMENT = "environment.agentCoreRuntimeEnvironment"
_IDLE = "idleRuntimeSessionTimeout"
_LONGEST_SESSION, _RESERVED_PORT = 28_800, 8443


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


@warning("R82", "agentRuntimes", "API reference; assumed in part")
def volumes_need_a_capacity_provider(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A capacityProviderVolume requires capacityProviderConfiguration, which defines the volume."""
    for path, one in _mounts(resource):
        if "capacityProviderVolume" in one and "capacityProviderConfiguration" not in resource.declared:
            yield f"{path}.capacityProviderVolume", "it needs capacityProviderConfiguration"


@warning("R82", "harnesses", "service model: a harness has no capacityProviderConfiguration")
def harnesses_have_no_volumes(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A harness cannot name the capacity provider that a capacityProviderVolume requires."""
    for path, one in _mounts(resource):
        if "capacityProviderVolume" in one:
            yield f"{path}.capacityProviderVolume", "a harness has no capacity provider; mount another file system"


@warning("R83", BOTH, "assumed")
def network_mounts_need_a_vpc(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """S3 Files and EFS access points should only be mounted in networkMode VPC."""
    network = part(_environment(resource)[1], "networkConfiguration")
    mode = "VPC" if "${" in str(network.get("networkMode")) else network.get("networkMode")
    for path, one in _mounts(resource):
        for name in ("s3FilesAccessPoint", "efsAccessPoint"):
            if name in one and mode != "VPC":
                yield f"{path}.{name}", "it is probably reached in networkMode VPC only"


@rule("R84", "harnesses", "service model of botocore 1.44.8")
def sessions_of_harnesses_are_short(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The timeouts of a harness must not exceed 28,800 seconds, and its idle timeout must not exceed maxLifetime."""
    for path, member, value in _cycle(resource):
        if value > _LONGEST_SESSION:
            yield f"{path}.{member}", f"a harness takes at most {_LONGEST_SESSION} seconds"
    yield from _idle_longer(resource)


@warning("R84", "agentRuntimes", "assumed; the service model says it of harnesses")
def sessions_end_before_lives(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The idleRuntimeSessionTimeout should not exceed maxLifetime."""
    yield from _idle_longer(resource)


def _cycle(resource: Resource) -> Iterator[tuple[str, str, int]]:
    place, environment = _environment(resource)
    for member, value in part(environment, "lifecycleConfiguration").items():
        if isinstance(value, int):
            yield f"{place}lifecycleConfiguration", member, value


def _idle_longer(resource: Resource) -> Iterator[Finding]:
    cycle = {member: (path, value) for path, member, value in _cycle(resource)}
    (path, idle), (_, life) = cycle.get(_IDLE, ("", 0)), cycle.get("maxLifetime", ("", 0))
    if life and idle > life:
        yield f"{path}.{_IDLE}", f"it is longer than maxLifetime, {life} s"


@rule("R103", "agentRuntimes", "service model of botocore 1.44.8")
def ports_do_not_overlap(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """Ports must not be 8443; the entries of allowedPorts must not overlap, and a range must not be reversed."""
    taken: list[tuple[int, int]] = []
    for index, one in enumerate(items(resource.declared, "allowedPorts")):
        for first, last in _ports(part(one)):
            if last < first:
                yield f"allowedPorts[{index}]", "the range ends before it begins"
            if first <= _RESERVED_PORT <= last:
                yield f"allowedPorts[{index}]", f"{_RESERVED_PORT} is reserved"
            if any(first <= end and begin <= last for begin, end in taken):
                yield f"allowedPorts[{index}]", "an earlier entry has some of these ports"
            taken.append((first, last))
    if part(resource.declared, "protocolConfiguration").get("port") == _RESERVED_PORT:
        yield "protocolConfiguration.port", f"{_RESERVED_PORT} is reserved"


def _ports(entry: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last port of an entry; nothing if the entry is malformed or has references."""
    bounds = part(entry, "portRange") or {"from": entry.get("port"), "to": entry.get("port")}
    first, last = bounds.get("from"), bounds.get("to")
    if isinstance(first, int) and isinstance(last, int):
        yield first, last
