"""The VPC Lattice resources that the service creates and reports for the private endpoint of a target."""

import hashlib
import json
from typing import Any
from urllib.parse import urlsplit

from infra.sandbox.records import Record
from infra.sandbox.world import Body, World


def managed_resources(world: World, record: Record) -> list[Body]:
    """Return privateEndpointManagedResources: one per domain, shared by targets with the same network settings."""
    endpoint = record.request["privateEndpoint"]
    place = f"arn:{world.behaviour.partition}:vpc-lattice:{world.behaviour.region}:{world.behaviour.account}"
    domain = {"domain": _domain(record.request["targetConfiguration"])}
    managed = endpoint.get("managedVpcResource")
    if managed is None:
        identity = _digest(endpoint["selfManagedLatticeResource"])
        return [{**domain, "resourceAssociationArn": f"{place}:servicenetworkresourceassociation/snra-{identity}"}]
    network = {name: managed.get(name) for name in ("vpcIdentifier", "endpointIpAddressType")}
    network["subnetIds"] = sorted(managed["subnetIds"])
    network["securityGroupIds"] = sorted(managed.get("securityGroupIds", []))
    return [{**domain, "resourceGatewayArn": f"{place}:resourcegateway/rgw-{_digest(network)}"}]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:17]


def _domain(configuration: Any) -> str:
    if isinstance(configuration, dict):
        if "endpoint" in configuration:
            return urlsplit(configuration["endpoint"]).hostname or ""
        found = (_domain(part) for part in configuration.values())
        return next((domain for domain in found if domain), "")
    return ""
