"""How much of AWS's own API a stack can express and an outcome can show, computed from the installed model.

A member is covered when a document declares it, a run fills it in, or an outcome, a comparison or a reference reads
it. What is not is named here with a reason; what a newer model adds is neither, and a test says so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from botocore.model import ListShape, MapShape, Shape, StructureShape

from infra import service_model
from infra.service_model import Path
from workflows.document.problems import path_text
from workflows.kinds import KINDS, Kind

#: The methods of the service's change listing of 2026-04-24.
LISTED = (
    "CreateAgentRuntime", "CreateGateway", "CreateGatewayTarget", "CreateHarness", "CreateOauth2CredentialProvider",
    "CreateRegistry", "DeleteHarness", "GetAgentRuntime", "GetGateway", "GetGatewayTarget", "GetHarness",
    "GetOauth2CredentialProvider", "GetRegistry", "SynchronizeGatewayTargets", "UpdateAgentRuntime", "UpdateGateway",
    "UpdateGatewayTarget", "UpdateHarness", "UpdateOauth2CredentialProvider", "UpdateRegistry",
)  # fmt: skip
_PAGING = "a list is read to its end; the run chooses the page"
_FILTER = "lists are read whole, so that a name is found whatever its state"
#: Request members that a stack does not express, and why. A star stands for every operation.
UNEXPRESSED: Mapping[tuple[str, str], str] = {
    ("*", "maxResults"): _PAGING,
    ("*", "nextToken"): _PAGING,
    ("*", "filters"): _FILTER,
    ("ListRegistries", "status"): _FILTER,
    ("ListRegistries", "authorizerType"): _FILTER,
    ("GetAgentRuntime", "agentRuntimeVersion"): "the latest version is the one that a stack declares",
    ("GetHarness", "harnessVersion"): "the latest version is the one that a stack declares",
    ("DeleteAgentRuntime", "agentRuntimeVersion"): "a stack declares runtimes, not their versions",
}
#: Response members that only a reference names, and what they are.
REFERABLE: Mapping[str, str] = {
    "workloadIdentityDetails": "the identity that the service makes for a gateway or a runtime",
    "webAclArn": "the web ACL that somebody associated with a gateway",
    "protocolType": "derived from what a target is",
    "targetType": "what a target is, in lists",
    "resourcePriority": "of a target's configuration, in lists",
    "listingMode": "of a target's configuration, in lists",
    "clientSecretArn": "where the service keeps a client secret",
    "clientSecretSource": "who keeps it",
    "clientSecretJsonKey": "where in it",
    "apiKeySecretArn": "where the service keeps an API key",
    "apiKeySecretJsonKey": "where in it",
}
#: Request members that a run fills in, beside names, tokens and addresses.
_FILLED = frozenset({"targetIdList", "resourceArn", "tagKeys", "tags", "endpointName", "harnessId"})


@dataclass(frozen=True)
class Method:
    """One operation: how many members its request and response have (at any depth), and how many are covered."""

    name: str
    service: str
    request: int
    expressed: int
    response: int
    shown: int
    #: Paths that nothing covers and no reason names.
    missing: tuple[str, ...] = ()
    #: Members that are not expressed, each with its reason.
    reasons: Mapping[str, str] | None = None

    @property
    def listed(self) -> bool:
        """Whether it is one of the twenty."""
        return self.name in LISTED and self.service == service_model.CONTROL_PLANE


def methods() -> list[Method]:
    """Return every operation that a run calls on AgentCore, the twenty first."""
    found = [_method(kind, operation) for kind in KINDS for operation in _operations(kind)]
    found += [_tagging(name) for name in ("ListTagsForResource", "TagResource", "UntagResource")]
    found += [_endpoints(name) for name in ("ListHarnessEndpoints", "DeleteHarnessEndpoint")]
    return sorted(found, key=lambda one: (not one.listed, one.service, one.name))


def _operations(kind: Kind) -> Iterator[str]:
    known = kind.operations
    yield from (known.create, known.get, known.update, known.delete, known.list)
    if kind.synchronization is not None:
        yield kind.synchronization.operation


def _method(kind: Kind, operation: str) -> Method:
    model = kind.operations.model(operation)
    own: set[Path] = {(name,) for name in (*kind.filled_in, *_FILLED, *kind.declarable.members)}
    own |= {(n, *path) for n, shape in kind.declarable.members.items() for path in _members(shape)}
    request = list(_members(model.input_shape))
    reasons = {str(path[0]): why for path in request if (why := _reason(operation, str(path[0]))) is not None}
    # A PATCH says the same inside wrappers.
    plain = {path: tuple(name for name in path if name != "optionalValue") for path in request}
    missing = [path for path in request if plain[path] not in own and str(path[0]) not in reasons]
    expressed = [path for path in request if path not in missing and str(path[0]) not in reasons]
    response, unread = _response(kind, operation)
    return Method(
        name=operation,
        service=kind.service,
        request=len(request),
        expressed=len(expressed),
        response=len(response),
        shown=len(response) - len(unread),
        missing=tuple(path_text(path) for path in [*missing, *unread]),
        reasons=reasons,
    )


def _response(kind: Kind, operation: str) -> tuple[list[Path], list[Path]]:
    """Return the members of a response, and those among them that nothing reads."""
    shape = kind.operations.model(operation).output_shape
    paths = list(_members(shape)) if shape is not None else []
    known, outer = _read(kind), {kind.list_items, "targets", kind.wrapper}
    inner = [(path, path[1:] if path[0] in outer else path) for path in paths]
    return paths, [path for path, rest in inner if rest and rest[0] not in known]


def _read(kind: Kind) -> set[str]:
    """Return the members of a resource that a run, an outcome or a comparison looks at, and those named above."""
    shown = {kind.shown_as.get(name, name).split(".")[0] for name in kind.declarable.members}
    identity = {kind.id_member, kind.name_member, kind.arn_member or "", kind.created_member, kind.updated_member}
    states = {"status", "authorizationData", "lastSynchronizedAt", "nextToken", *kind.reason_members}
    return shown | identity | states | set(kind.outputs) | set(REFERABLE)


def _tagging(name: str) -> Method:
    model = service_model.operation(name)
    request, response = list(_members(model.input_shape)), list(_members(model.output_shape))
    return Method(name, service_model.CONTROL_PLANE, len(request), len(request), len(response), len(response))


def _endpoints(name: str) -> Method:
    model = service_model.operation(name)
    request, response = list(_members(model.input_shape)), list(_members(model.output_shape))
    reasons = {str(path[0]): why for path in request if (why := _reason(name, str(path[0]))) is not None}
    if name == "DeleteHarnessEndpoint":
        reasons["clientToken"] = "the SDK fills it in"
    left = {str(path[0]) for path in request} - _FILLED - set(reasons)
    expressed = len([path for path in request if path[0] in _FILLED])
    counts = (len(request), expressed, len(response), len(response))
    return Method(name, service_model.CONTROL_PLANE, *counts, tuple(sorted(left)), reasons)


def _reason(operation: str, member: str) -> str | None:
    return UNEXPRESSED.get((operation, member)) or UNEXPRESSED.get(("*", member))


def _members(shape: Shape | None, path: Path = (), above: tuple[str, ...] = ()) -> Iterator[Path]:
    """Yield the path of every member at any depth; a structure within itself is counted once."""
    while isinstance(shape, ListShape | MapShape):
        shape = shape.member if isinstance(shape, ListShape) else shape.value
    if not isinstance(shape, StructureShape) or service_model.is_document(shape) or shape.name in above:
        return
    for name, member in shape.members.items():
        yield (*path, name)
        yield from _members(member, (*path, name), (*above, shape.name))
