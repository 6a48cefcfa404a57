"""What a kind of resource is: data that planner, runs, sandbox tests and docs read alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from botocore.model import MapShape, OperationModel, Shape

from infra import service_model
from infra.service_model import CONTROL_PLANE, Path, RequestType


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


#: The seven statuses that providers, runtimes, harnesses and registries share.
SEVEN: Mapping[str, Status] = {
    "CREATING": IN_PROGRESS,
    "CREATE_FAILED": failed(Remedy.CREATE_AGAIN),
    "UPDATING": IN_PROGRESS,
    "UPDATE_FAILED": failed(Remedy.UPDATE_AGAIN),
    "READY": SETTLED,
    "DELETING": IN_PROGRESS,
    "DELETE_FAILED": failed(Remedy.NONE),
}


def _nothing(declared: Mapping[str, Any]) -> str | None:
    del declared
    return None


@dataclass(frozen=True)
class Synchronization:
    """How the service is asked to read a resource again, by the ids of several in one parent."""

    operation: str
    #: The request member that takes the ids, and the response member that shows the resources.
    ids: str
    items: str
    #: Returns why the service would refuse it for a declaration; None where it would not.
    refuses: Callable[[Mapping[str, Any]], str | None] = _nothing


@dataclass(frozen=True)
class Operations:
    """The operations of a kind, by AWS's names, and botocore's name of the service that has them."""

    create: str
    get: str
    update: str
    delete: str
    list: str
    service: str = CONTROL_PLANE

    def model(self, operation: str) -> OperationModel:
        """Return the model of one of them."""
        return service_model.operation(operation, self.service)


def _never(declared: Mapping[str, Any]) -> bool:
    del declared
    return False


def _as_it_is(declared: dict[str, Any]) -> dict[str, Any]:
    return declared


#: Tells whether a declaration (first) wants something that what stands there (second) cannot become.
Changed = Callable[[Mapping[str, Any], Mapping[str, Any]], bool]


def at(body: Any, path: str) -> Any:
    """Return the value at a dotted path; None where anything on the way is missing."""
    for name in path.split("."):
        body = body.get(name) if isinstance(body, Mapping) else None
    return body


def declared_otherwise(path: str) -> Changed:
    """Return the test of a member that can never change: it is declared, and shown with another value.

    What is not shown is not another value: an update may set it.
    """

    def changed(declared: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
        wanted, shown = at(declared, path), at(seen, path)
        return wanted is not None and shown is not None and wanted != shown

    return changed


@dataclass(frozen=True, eq=False)
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
    #: The section of the kind inside whose resources these are.
    parent: str | None = None
    #: Creates, updates and deletions of this kind that the service takes at a time in one parent; None: any number.
    in_flight: int | None = None
    #: How it is synchronized, where it can be.
    synchronization: Synchronization | None = None
    arn_member: str | None = None
    #: The request and response member that holds the name.
    name_member: str = "name"
    #: The response member inside which Get, Create, Update and Delete answer.
    wrapper: str = ""
    #: Whether a name is taken once in its place, so that a second creation under it is refused.
    unique_names: bool = True
    #: Whether create takes a clientToken, and tags.
    token: bool = False
    tagged: bool = False
    #: Whether an update leaves alone what it does not name; else it replaces the whole.
    patch: bool = False
    #: Members of the delete request that a document declares.
    ending: frozenset[str] = frozenset()
    #: Lists of a PATCH that mean something else when empty than when never given, so that they cannot be cleared.
    empty_is_none: frozenset[str] = frozenset()
    #: Whether deletion must be preceded by that of endpoints, which nobody declares.
    endpoints: bool = False
    #: Members, at any depth, that hold a secret and take a reference to one only.
    secrets: frozenset[str] = frozenset()
    #: Members, at any depth, whose text is payload: never scanned for references.
    opaque: frozenset[str] = frozenset()
    #: Request members that responses show under another name (a dotted path).
    shown_as: Mapping[str, str] = field(default_factory=dict)
    #: Members, at any depth, that reads may leave out.
    left_out: frozenset[str] = frozenset()
    #: Members, at any depth, that the model has in create and the service takes in updates only.
    never_created: frozenset[str] = frozenset()
    #: Members that the service derives from others where they are not declared: never carried over.
    derived: frozenset[str] = frozenset()
    #: Members that the service ignores when they are sent (dotted paths).
    ignored: frozenset[str] = frozenset()
    #: What cannot change in the life of a resource, beyond what no update takes: a name for it, and how to tell.
    fixed: Mapping[str, Changed] = field(default_factory=dict)
    #: Whether a fixed member may be changed by deleting and creating again without being asked for by `allow`.
    replaceable: bool = False
    #: Outputs that follow from the name, so that a resource made anew has the same.
    stable: frozenset[str] = frozenset({"name"})
    #: What becomes of a declaration once its references are known.
    complete: Callable[[dict[str, Any]], dict[str, Any]] = _as_it_is
    #: Whether creating or updating it as declared ends with a person who must consent.
    asks_consent: Callable[[Mapping[str, Any]], bool] = _never
    #: Operations that a run calls beside the others.
    more_actions: frozenset[str] = frozenset()
    #: What to do instead where the service refuses this kind altogether.
    instead: str = ""

    @property
    def service(self) -> str:
        """Botocore's name of the service."""
        return self.operations.service

    @property
    def parent_member(self) -> str | None:
        """The request member that holds the id of the parent."""
        return next((member for member, source in self.address_members.items() if source == "parent"), None)

    def refuses_synchronization(self, declared: Mapping[str, Any]) -> str | None:
        """Return why a resource is not synchronized; None where it is."""
        known = self.synchronization
        return "nothing to synchronize" if known is None else known.refuses(declared)

    @property
    def actions(self) -> frozenset[str]:
        """The operations that a run calls for resources of this kind."""
        known = self.operations
        names = {known.create, known.get, known.update, known.delete}
        # Kinds whose id is their name are read by it.
        names |= {known.list} if self.id_member != "name" else set()
        names |= {self.synchronization.operation} if self.synchronization is not None else set()
        names |= {"TagResource", "UntagResource", "ListTagsForResource"} if self.tagged else set()
        return frozenset(names | self.more_actions)

    @property
    def filled_in(self) -> frozenset[str]:
        """Request members that Gatewright fills in; they cannot be declared."""
        return frozenset({self.name_member, "name", "clientToken", *self.address_members})

    @cached_property
    def declarable(self) -> RequestType:
        """The type of what a document declares: the create, update and delete members, without those filled in."""
        create, update = self._input(self.operations.create), self._input(self.operations.update)
        ending = {n: s for n, s in self._input(self.operations.delete).members.items() if n in self.ending}
        known = {**ending, **update.members, **create.members}
        members = {name: shape for name, shape in known.items() if name not in self.filled_in}
        return RequestType(members, [name for name in create.required_members if name not in self.filled_in])

    @cached_property
    def lookup(self) -> RequestType:
        """The type of a declaration that is only looked up: nothing is required."""
        return RequestType(self.declarable.members, ())

    @cached_property
    def creatable(self) -> Mapping[str, Shape]:
        """The members that create takes, with their shapes."""
        members: Mapping[str, Shape] = self._input(self.operations.create).members
        return members

    @cached_property
    def updatable(self) -> Mapping[str, Shape]:
        """The members that update takes, with their shapes."""
        members: Mapping[str, Shape] = self._input(self.operations.update).members
        return members

    @cached_property
    def response(self) -> Shape:
        """The shape of the resource as Get answers with it."""
        whole = self.operations.model(self.operations.get).output_shape
        return whole.members[self.wrapper] if self.wrapper else whole

    @cached_property
    def page(self) -> int:
        """The most that one list may ask for."""
        most = self._input(self.operations.list).members["maxResults"].metadata.get("max")
        return int(most or 100)

    def shown(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Return the resource in an answer: out of its wrapper, with its id also where only the ARN is given."""
        body = answer.get(self.wrapper) or {} if self.wrapper else answer
        shown = {name: value for name, value in body.items() if name != "ResponseMetadata"}
        arn = shown.get(self.arn_member) if self.arn_member else None
        if arn and self.id_member not in shown:
            shown[self.id_member] = str(arn).rpartition("/")[2]
        return shown

    def lacks(self, operation: str, answer: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the members that the service model requires of an operation's answer, and that this one has not.

        Of the items of a list only what a run goes by is asked for: id, name and status.
        """
        whole = self.operations.model(operation).output_shape
        if whole is None:
            return ()
        if operation == self.operations.list:
            return self._lacks_in_list(whole, answer)
        missing = [name for name in whole.required_members if answer.get(name) is None]
        inner = answer.get(self.wrapper) if self.wrapper else None
        if inner is not None:
            required = whole.members[self.wrapper].required_members
            missing += [f"{self.wrapper}.{name}" for name in required if inner.get(name) is None]
        return tuple(missing)

    def _lacks_in_list(self, whole: Any, answer: Mapping[str, Any]) -> tuple[str, ...]:
        items = answer.get(self.list_items)
        if items is None:
            return (self.list_items,)
        required = whole.members[self.list_items].member.required_members
        needed = {self.id_member, self.name_member, "status"} & {*required}
        return tuple(f"{self.list_items}.{n}" for n in sorted(needed) if any(item.get(n) is None for item in items))

    def first(self, declared: Mapping[str, Any]) -> dict[str, Any]:
        """Return what of a declaration a create takes; the rest is for the update after it."""
        return {n: _without(v, self.never_created) for n, v in declared.items() if n in self.creatable}

    def secret_texts(self, declared: Mapping[str, Any]) -> dict[Path, str]:
        """Return the text of every secret member by path. Keys of maps are names, whatever they are called."""
        parts = list(self.declarable.walk(declared))
        maps = {path for path, shape, _ in parts if isinstance(shape, MapShape)}
        return {p: v for p, _, v in parts if isinstance(v, str) and p[-1] in self.secrets and p[:-1] not in maps}

    def meaning(self, status: str | None) -> Status:
        """Return the meaning of a status. A missing one is settled: older responses carry none.

        A status that the table does not know is taken as in progress: it is looked at again, and never acted on.
        """
        return SETTLED if status is None else self.statuses.get(status, IN_PROGRESS)

    def _input(self, operation: str) -> Any:
        return self.operations.model(operation).input_shape


def _without(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _without(item, names) for name, item in value.items() if name not in names}
    return value


#: The member that botocore puts in place of an arm of a union that its model does not have.
UNKNOWN_ARM = "SDK_UNKNOWN_MEMBER"
#: The request members, at any depth and in every kind, whose lists are sets: their order means nothing.
SETS = frozenset({
    "subnetIds", "securityGroupIds", "subnets", "securityGroups", "scopes", "actorTokenScopes", "allowedAudience",
    "allowedClients", "allowedScopes", "allowedRequestHeaders", "allowedResponseHeaders", "allowedQueryParameters",
    "requestHeaderAllowlist", "methods", "required", "supportedVersions", "interceptionPoints", "responseTypes",
    "tokenEndpointAuthMethods", "matchValueStringList", "workloadIdentities", "enabled", "hostingEnvironments",
    "allowedTools", "strategies",
})  # fmt: skip
#: Members that belong to a sibling's value: where that changes, they are not carried over from what stands there.
BOUND: Mapping[str, str] = {
    "config": "strategy",
    "networkModeConfig": "networkMode",
    "privateKeyJwtConfig": "clientAuthenticationMethod",
    "clientSecretConfig": "clientSecretSource",
    "apiKeySecretConfig": "apiKeySecretSource",
}
#: What the service adds to such lists by itself (peer lessons B4), compared in lower case.
ADDED_BY_SERVICE = frozenset({"x-amzn-bedrock-agentcore-policy-session-id"})
#: Members, at any depth, whose values are masked when shown: credentials often stand there (design 4.1).
MASKED = frozenset({
    "environmentVariables", "headers", "customParameters", "staticQueryParameters", "additionalHeaderClaims",
    "additionalPayloadClaims",
})  # fmt: skip
