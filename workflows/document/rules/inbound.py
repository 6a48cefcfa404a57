"""Rules about inbound authorization: the JWT authorizers of gateways, runtimes, harnesses and registries."""

from collections.abc import Iterator, Mapping
from typing import Any

from workflows.document.problems import parse_path, path_text
from workflows.document.rules.rule import Finding, items, part, rule, text, warning
from workflows.document.stack import Resource
from workflows.document.urls import is_https

JWT = "gateways agentRuntimes harnesses registries agentRegistries"
_PLACES = ("authorizerConfiguration", "discoveryConfiguration.authorizerConfiguration")


def authorizer_of(resource: Resource) -> tuple[str, Mapping[str, Any]]:
    """Return the path and the declaration of a resource's JWT authorizer; both are empty if there is none."""
    for place in _PLACES:
        found = part(resource.declared, *place.split("."), "customJWTAuthorizer")
        if found:
            return f"{place}.customJWTAuthorizer", found
    return "", {}


def _front(resource: Resource) -> tuple[str, Mapping[str, Any]]:
    """Return the path prefix and the structure in which a resource declares its inbound authorization."""
    if resource.kind.section == "agentRegistries":
        return "discoveryConfiguration.", part(resource.declared, "discoveryConfiguration")
    return "", resource.declared


@rule("R1", "gateways", "API reference; service answer, TF#44825")
def custom_jwt_needs_its_authorizer(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A gateway with authorizerType CUSTOM_JWT must declare authorizerConfiguration."""
    if resource.declared.get("authorizerType") == "CUSTOM_JWT" and "authorizerConfiguration" not in resource.declared:
        message = "authorizerType CUSTOM_JWT needs authorizerConfiguration.customJWTAuthorizer"
        yield "authorizerConfiguration", message


@rule("R91", "registries agentRegistries", "API reference; TF docs")
def registry_needs_its_authorizer(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A registry with authorizerType CUSTOM_JWT must declare authorizerConfiguration."""
    place, front = _front(resource)
    if front.get("authorizerType") == "CUSTOM_JWT" and "authorizerConfiguration" not in front:
        message = "authorizerType CUSTOM_JWT needs authorizerConfiguration.customJWTAuthorizer"
        yield f"{place}authorizerConfiguration", message


@warning("R2", "gateways registries agentRegistries", "assumed")
def authorizer_goes_with_its_type(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """An authorizerConfiguration is only used with authorizerType CUSTOM_JWT."""
    place, front = _front(resource)
    other = text(front, "authorizerType")
    if "authorizerConfiguration" in front and (other != "CUSTOM_JWT" and "${" not in str(front.get("authorizerType"))):
        yield f"{place}authorizerConfiguration", "declare authorizerType CUSTOM_JWT with it, or it may not be used"


@rule("R3", JWT, "schema of AWS's own command line")
def authorizer_must_allow_somebody(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A JWT authorizer must allow at least one audience, client, scope or claim."""
    place, authorizer = authorizer_of(resource)
    allowing = ("allowedAudience", "allowedClients", "allowedScopes", "customClaims")
    if authorizer and not any(name in authorizer for name in allowing):
        yield place, f"this authorizer allows nobody; declare at least one of {', '.join(allowing)}"


@rule("R4", JWT, "developer guide, private identity providers")
def discovery_is_over_https(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The discoveryUrl of a JWT authorizer must use https."""
    place, authorizer = authorizer_of(resource)
    url = text(authorizer, "discoveryUrl")
    if url and not is_https(url):
        yield f"{place}.discoveryUrl", "discoveryUrl must begin with https://"


@rule("R5", JWT, "API reference")
def advertised_scopes_are_allowed(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """Each key of advertisedScopeMapping must be in allowedScopes."""
    place, authorizer = authorizer_of(resource)
    allowed = items(authorizer, "allowedScopes")
    plain = [one for one in allowed if isinstance(one, str) and "${" not in one]
    known = set(plain)
    for scope in part(authorizer, "advertisedScopeMapping") if len(plain) == len(allowed) else ():
        if scope not in known:
            yield (
                path_text((*parse_path(place), "advertisedScopeMapping", scope)),
                f"{scope} is not among allowedScopes",
            )


_MATCHES = {"STRING": {"EQUALS": "matchValueString"},
            "STRING_ARRAY": {"CONTAINS": "matchValueString", "CONTAINS_ANY": "matchValueStringList"}}  # fmt: skip


@rule("R6", JWT, "service model: an exact match of a STRING, at least one value of a STRING_ARRAY")
def claims_are_matched_by_type(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """A STRING claim must be matched with EQUALS, a STRING_ARRAY claim with CONTAINS or CONTAINS_ANY."""
    place, authorizer = authorizer_of(resource)
    for index, claim in enumerate(items(authorizer, "customClaims")):
        kind, match = text(claim, "inboundTokenClaimValueType"), part(claim, "authorizingClaimMatchValue")
        operator, known = text(match, "claimMatchOperator"), _MATCHES.get(kind, {})
        where = f"{place}.customClaims[{index}].authorizingClaimMatchValue"
        if kind and operator and operator not in known:
            yield f"{where}.claimMatchOperator", f"a {kind} claim is matched with {' or '.join(known)}"
        elif operator in known and part(match, "claimMatchValue") and known[operator] not in match["claimMatchValue"]:
            yield f"{where}.claimMatchValue", f"{operator} takes {known[operator]}"


@rule("R7", JWT, "AWS's own command line: refused at deployment")
def client_id_is_no_custom_claim(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """The claim client_id is reserved and cannot be a custom claim; declare allowedClients instead."""
    place, authorizer = authorizer_of(resource)
    for index, claim in enumerate(items(authorizer, "customClaims")):
        if text(claim, "inboundTokenClaimName") == "client_id":
            path = f"{place}.customClaims[{index}].inboundTokenClaimName"
            yield path, "client_id is reserved; declare allowedClients"


@rule("R8", "gateways harnesses registries agentRegistries", "API reference: at launch, runtimes only")
def workloads_are_for_runtimes(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """Only the authorizers of agent runtimes accept allowedWorkloadConfiguration."""
    place, authorizer = authorizer_of(resource)
    if "allowedWorkloadConfiguration" in authorizer:
        yield f"{place}.allowedWorkloadConfiguration", "only agent runtimes take it"


@warning("R8", "agentRuntimes", "assumed")
def workloads_are_named(resource: Resource, _: Mapping[str, Resource]) -> Iterator[Finding]:
    """An allowedWorkloadConfiguration should not be empty, and its hosting environments should be gateways."""
    place, authorizer = authorizer_of(resource)
    allowed = authorizer.get("allowedWorkloadConfiguration")
    where = f"{place}.allowedWorkloadConfiguration"
    if isinstance(allowed, Mapping) and not allowed:
        yield where, "it names no workload"
    for index, one in enumerate(items(allowed, "hostingEnvironments")):
        arn = text(one, "arn")
        if arn and ":gateway/" not in arn:
            yield f"{where}.hostingEnvironments[{index}].arn", "only gateways are hosting environments yet"
