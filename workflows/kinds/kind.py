"""What a kind of resource is: data that planner, runs, sandbox tests and docs read alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from botocore.model import Shape

from infra import service_model
from infra.service_model import RequestType


class Phase(StrEnum):
    """Where a status of the service leaves a resource."""

    SETTLED = "SETTLED"
    IN_PROGRESS = "IN_PROGRESS"
    FAILED = "FAILED"
    AWAITING_CONSENT = "AWAITING_CONSENT"


class Remedy(StrEnum):
    """What mends a failed status."""

    NONE = "NONE"
    CREATE_AGAIN = "CREATE_AGAIN"
    UPDATE_AGAIN = "UPDATE_AGAIN"
    SYNCHRONIZE_AGAIN = "SYNCHRONIZE_AGAIN"
    DELETE_AGAIN = "DELETE_AGAIN"


@dataclass(frozen=True)
class Status:
    """The meaning of one status of the service."""

    phase: Phase
    remedy: Remedy = Remedy.NONE


SETTLED = Status(Phase.SETTLED)
IN_PROGRESS = Status(Phase.IN_PROGRESS)
AWAITING_CONSENT = Status(Phase.AWAITING_CONSENT)


def failed(remedy: Remedy) -> Status:
    """Return the meaning of a failed status with its remedy."""
    return Status(Phase.FAILED, remedy)


@dataclass(frozen=True)
class Operations:
    """The operations of a kind, by AWS's names."""

    create: str
    get: str
    update: str
    delete: str
    list: str
    synchronize: str | None = None


@dataclass(frozen=True)
class Kind:
    """One type of resource.

    `section` is its place in a stack document; `address_members` are the request members by which Get, Update and
    Delete find it, each mapped to what it holds: "id", "name" or "parent".
    """

    section: str
    noun: str
    operations: Operations
    address_members: Mapping[str, str]
    id_member: str
    statuses: Mapping[str, Status]
    #: Response members that say why an operation failed: a string or a list of strings.
    reason_members: tuple[str, ...]
    #: Response members that an outcome shows: ids, ARNs and URLs only.
    outputs: tuple[str, ...]
    list_items: str
    updated_member: str
    created_member: str
    parent: str | None = None
    arn_member: str | None = None
    #: Whether create takes a clientToken, and tags.
    token: bool = False
    tagged: bool = False
    #: Request members that Gatewright fills in; they cannot be declared.
    filled_in: frozenset[str] = frozenset({"name", "clientToken"})
    #: Members, at any depth, that hold a secret and take a reference to one only.
    secrets: frozenset[str] = frozenset()
    #: Members, at any depth, whose text is payload: never scanned for references.
    opaque: frozenset[str] = frozenset()
    #: Request members that responses show under another name.
    shown_as: Mapping[str, str] = field(default_factory=dict)
    #: Members, at any depth, that reads may leave out.
    left_out: frozenset[str] = frozenset()
    #: What cannot change in the life of a resource: a name for it, and how to read it from a body.
    fixed: Mapping[str, Callable[[Mapping[str, Any]], Any]] = field(default_factory=dict)
    #: Whether a fixed member may be changed by deleting and creating again without being asked for by `allow`.
    replaceable: bool = False

    @cached_property
    def declarable(self) -> RequestType:
        """The type of what a document declares: the create and the update members, without those filled in."""
        create, update = self._input(self.operations.create), self._input(self.operations.update)
        hidden = self.filled_in | set(self.address_members)
        members = {n: s for n, s in {**update.members, **create.members}.items() if n not in hidden}
        return RequestType(members, [name for name in create.required_members if name not in hidden])

    @cached_property
    def lookup(self) -> RequestType:
        """The type of a declaration that is only looked up: nothing is required."""
        return RequestType(self.declarable.members, ())

    @cached_property
    def creatable(self) -> frozenset[str]:
        """The members that create takes."""
        return frozenset(self._input(self.operations.create).members)

    @cached_property
    def updatable(self) -> Mapping[str, Shape]:
        """The members that update takes, with their shapes."""
        members: Mapping[str, Shape] = self._input(self.operations.update).members
        return members

    @cached_property
    def response(self) -> Shape:
        """The shape of what Get answers."""
        return service_model.operation(self.operations.get).output_shape

    def meaning(self, status: str | None) -> Status:
        """Return the meaning of a status. A missing one is settled: older responses carry none.

        A status that the table does not know is taken as in progress: it is looked at again, and never acted on.
        """
        return SETTLED if status is None else self.statuses.get(status, IN_PROGRESS)

    @staticmethod
    def _input(operation: str) -> Any:
        return service_model.operation(operation).input_shape


#: The request members, at any depth and in every kind, whose lists are sets: their order means nothing.
SETS = frozenset({
    "subnetIds", "securityGroupIds", "scopes", "actorTokenScopes", "allowedAudience", "allowedClients",
    "allowedScopes", "allowedRequestHeaders", "allowedResponseHeaders", "allowedQueryParameters", "methods",
    "required", "supportedVersions", "interceptionPoints", "responseTypes", "tokenEndpointAuthMethods",
    "matchValueStringList", "workloadIdentities", "enabled",
})  # fmt: skip
#: What the service adds to such lists by itself (peer lessons B4), compared in lower case.
ADDED_BY_SERVICE = frozenset({"x-amzn-bedrock-agentcore-policy-session-id"})
