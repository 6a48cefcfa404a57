"""A kind: the facts about one resource type that AWS's service model lacks, as data.

A `Kind` plays the part of a resource schema in CloudFormation. Each module of this folder defines a kind or two, and
`KINDS` lists all of them. Document checks, the planner, the reconciler, the JSON Schema, the tests and the docs read
kinds. The planner and the reconciler have no code for a particular kind, so a new kind changes neither.

Types, required members, enums, patterns and descriptions come from the service model in botocore (`declarable`,
`creatable`, `updatable`, `response`) and are never repeated in a kind. These fields state the rest:

- Identity: `id_member` is the primary identifier; `address_members` are the request members that address a resource.
- Mutability: `create_only` lists conditional create-only members, in addition to members that no update takes.
  `replaceable` allows a replacement without approval. `patch` tells whether an update merges (PATCH) or replaces (PUT).
- Members: `properties` says of a member, at any depth, that it is write-only, not returned, updatable only, and so on
  (`Property`). `shown_as` lists members with different names in responses, and `outputs` are the read-only members that
  may be published.
- Lifecycle: `statuses` maps each status to a phase, which tells whether the planner may act, and to the remedy of a
  failure. A status that is not in the table counts as in progress, so the planner waits and never acts on a guess.

The functions among the fields (`create_only`, `with_defaults`, `asks_consent`, `without_consent`, `differs_elsewhere`
and others) are pure: they read a declaration, an observed body or the body of an update. The tables in members.py
hold for every kind.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Flag, auto
from functools import cached_property
from typing import Any

from botocore.model import MapShape, OperationModel, Shape

from infra import service_model
from infra.arns import arn_of
from infra.service_model import CONTROL_PLANE, Path, RequestType
from workflows.kinds.status import IN_PROGRESS, SETTLED, Status


class Property(Flag):
    """A fact about a member that the service model lacks, by CloudFormation's words where CloudFormation has one."""

    WRITE_ONLY = auto()
    NOT_RETURNED = auto()
    UPDATE_ONLY = auto()
    DELETE_ONLY = auto()
    DERIVED = auto()
    WITHOUT_EFFECT = auto()
    NOT_CLEARABLE = auto()
    PAYLOAD = auto()
    FOLLOWS_NAME = auto()


#: The meaning of each property.
PROPERTIES: Mapping[Property, str] = {
    Property.WRITE_ONLY: "A secret, never returned (writeOnlyProperties); a document refers to the secret.",
    Property.NOT_RETURNED: "Responses may omit the member although a value is set.",
    Property.UPDATE_ONLY: "The service accepts the member in updates only, although create has the member.",
    Property.DELETE_ONLY: "A parameter of delete that a document may declare.",
    Property.DERIVED: "The service derives an undeclared value from others: updates do not repeat it.",
    Property.WITHOUT_EFFECT: "The service ignores the member in requests, so that a difference is no drift.",
    Property.NOT_CLEARABLE: "Empty and absent lists differ in meaning, so that a PATCH cannot clear the list.",
    Property.PAYLOAD: "A payload of text: never scanned for references.",
    Property.FOLLOWS_NAME: "A response member that follows from the name, so that a replacement has the same value.",
}


def _nothing(declared: Mapping[str, Any]) -> str | None:
    del declared
    return None


def _nowhere(declared: Mapping[str, Any], seen: Mapping[str, Any]) -> Iterator[Path]:
    del declared, seen
    yield from ()


@dataclass(frozen=True)
class Synchronization:
    """The operation that makes the service read the source of resources again, given the ids of several siblings."""

    operation: str
    #: The request member that takes the ids, and the response member that shows the resources.
    ids: str
    items: str
    #: Returns why the service would refuse to synchronize a declaration, or None.
    refuses: Callable[[Mapping[str, Any]], str | None] = _nothing


@dataclass(frozen=True)
class Operations:
    """The names of the operations of a kind, and botocore's name of their service."""

    create: str
    get: str
    update: str
    delete: str
    list: str
    service: str = CONTROL_PLANE

    def model(self, operation: str) -> OperationModel:
        """Return botocore's model of an operation. Raises OperationNotFoundError for an unknown name."""
        return service_model.operation(operation, self.service)


def _never(declared: Mapping[str, Any]) -> bool:
    del declared
    return False


def _as_it_is(declared: dict[str, Any]) -> dict[str, Any]:
    return declared


#: Returns whether a declaration (first) has a value that no update can give to the observed resource (second).
Changed = Callable[[Mapping[str, Any], Mapping[str, Any]], bool]


def at(body: Any, path: str) -> Any:
    """Return the value at a dotted path; None if any part of the path is missing."""
    for name in path.split("."):
        body = body.get(name) if isinstance(body, Mapping) else None
    return body


def declared_otherwise(path: str) -> Changed:
    """Return a test of a create-only member: whether the declared value and the shown value differ.

    A member that the response does not show does not differ: an update may set the value.
    """

    def changed(declared: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
        wanted, shown = at(declared, path), at(seen, path)
        return wanted is not None and shown is not None and wanted != shown

    return changed


@dataclass(frozen=True, eq=False)
class Kind:
    """A resource type.

    `section` is the name of the section in a stack document. `address_members` are the request members by which Get,
    Update and Delete address a resource, each mapped to the source of the value: "id", "name" or "parent".
    """

    section: str
    noun: str
    operations: Operations
    address_members: Mapping[str, str]
    id_member: str
    statuses: Mapping[str, Status]
    #: Response members with the reasons of a failed operation: a string or a list of strings.
    reason_members: tuple[str, ...]
    #: Response members that an outcome publishes: ids, ARNs and URLs only.
    outputs: tuple[str, ...]
    list_items: str
    updated_member: str
    created_member: str
    #: CloudFormation's resource type, whose schema lists the permissions of each operation; empty if there is none.
    cloudformation: str = ""
    #: The section of the parent kind; None for a top-level kind.
    parent: str | None = None
    #: The most creates, updates and deletes of this kind in progress at a time per parent; None: no limit.
    in_flight: int | None = None
    #: The synchronize operation, if the kind has one.
    synchronization: Synchronization | None = None
    arn_member: str | None = None
    #: The request and response member that contains the name.
    name_member: str = "name"
    #: The member that wraps the resource in the responses of Get, Create, Update and Delete; empty if none does.
    wrapper: str = ""
    #: Whether names are unique among siblings, so that the service refuses a second create with the same name.
    unique_names: bool = True
    #: Whether create takes a clientToken, and whether the resource is taggable.
    token: bool = False
    tagged: bool = False
    #: Whether an update merges (PATCH: omitted members keep their values) instead of replacing the whole (PUT).
    patch: bool = False
    #: Whether a resource may have endpoints, which no document declares and which must be deleted first.
    endpoints: bool = False
    #: The properties of members: by member name at any depth, or by dotted path for WITHOUT_EFFECT.
    properties: Mapping[str, Property] = field(default_factory=dict)
    #: Request members whose name differs in responses, with their dotted path there.
    shown_as: Mapping[str, str] = field(default_factory=dict)
    #: Create-only members in addition to those that no update takes, each with the test that detects a change.
    create_only: Mapping[str, Changed] = field(default_factory=dict)
    #: Members that the service takes only while it shows another member, with that member and what a person must do.
    prerequisites: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    #: Yields the paths of declared members that a response shows elsewhere, and with another value.
    differs_elsewhere: Callable[[Mapping[str, Any], Mapping[str, Any]], Iterator[Path]] = _nowhere
    #: Whether a create-only member may be changed by a replacement without approval (`allow`).
    replaceable: bool = False
    #: Completes a declaration after its references are resolved.
    with_defaults: Callable[[dict[str, Any]], dict[str, Any]] = _as_it_is
    #: Returns whether a create or update with a declaration waits for the consent of a person.
    asks_consent: Callable[[Mapping[str, Any]], bool] = _never
    #: Reshapes the body of an update so that no consent is needed: for a resource that is to be deleted.
    without_consent: Callable[[dict[str, Any]], dict[str, Any]] = _as_it_is
    #: Returns the name of a listed resource; None: the name member. For kinds that lists show without a name.
    listed_name: Callable[[Mapping[str, Any]], str | None] | None = None
    #: Reshapes a declaration's members into the body of an update, for an update that takes another shape than create.
    as_update: Callable[[dict[str, Any]], dict[str, Any]] = _as_it_is
    #: Reshapes a resource in a response into the members of a declaration, for a response of another shape than create.
    as_declared: Callable[[dict[str, Any]], dict[str, Any]] = _as_it_is
    #: Operations that a run calls in addition to those that `actions` derives from the other fields.
    more_actions: frozenset[str] = frozenset()
    #: What callers of a resource notice when another one takes its place, under another name or another id.
    successor_note: str = "it gets another id and ARN"
    #: Advice for a stack's author if the service refuses all operations of this kind.
    advice: str = ""

    @cached_property
    def secrets(self) -> frozenset[str]:
        """The secret members, at any depth."""
        return self.having(Property.WRITE_ONLY)

    @cached_property
    def payloads(self) -> frozenset[str]:
        """The payload members, at any depth."""
        return self.having(Property.PAYLOAD)

    @cached_property
    def delete_parameters(self) -> frozenset[str]:
        """The members of the delete request that a document may declare."""
        return self.having(Property.DELETE_ONLY)

    @cached_property
    def follows_name(self) -> frozenset[str]:
        """The response members that a replacement shows as before: the name and those that follow from the name."""
        return self.having(Property.FOLLOWS_NAME) | {self.name_member}

    def having(self, fact: Property) -> frozenset[str]:
        """Return the members with a property."""
        return frozenset(name for name, facts in self.properties.items() if fact in facts)

    @property
    def service(self) -> str:
        """Botocore's name of the service."""
        return self.operations.service

    @property
    def parent_member(self) -> str | None:
        """The request member that contains the id of the parent; None for a top-level kind."""
        return next((member for member, source in self.address_members.items() if source == "parent"), None)

    def withheld(self, declared: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the declared members that the service does not take yet, given what it shows of the resource."""
        members = self.prerequisites.items()
        return tuple(name for name, (needed, _) in members if name in declared and not shown.get(needed))

    def refuses_synchronization(self, declared: Mapping[str, Any]) -> str | None:
        """Return why a resource cannot be synchronized, or None."""
        known = self.synchronization
        return "nothing to synchronize" if known is None else known.refuses(declared)

    @property
    def actions(self) -> frozenset[str]:
        """The operations that a run calls for resources of this kind."""
        known = self.operations
        # A resource whose id is its name is read by name, and listed when its stack is removed.
        names = {known.create, known.get, known.update, known.delete, known.list}
        names |= {self.synchronization.operation} if self.synchronization is not None else set()
        names |= {"TagResource", "UntagResource", "ListTagsForResource"} if self.tagged else set()
        return frozenset(names | self.more_actions)

    @property
    def filled_in(self) -> frozenset[str]:
        """The request members that Gatewright fills in and a document cannot declare."""
        return frozenset({self.name_member, "name", "clientToken", *self.address_members})

    @cached_property
    def declarable(self) -> RequestType:
        """The type of a declaration: the members of create, update and delete, without those that are filled in."""
        create, update = self._input(self.operations.create), self._input(self.operations.update)
        deleted = {n: s for n, s in self._input(self.operations.delete).members.items() if n in self.delete_parameters}
        known = {**deleted, **update.members, **create.members}
        members = {name: shape for name, shape in known.items() if name not in self.filled_in}
        return RequestType(members, [name for name in create.required_members if name not in self.filled_in])

    @cached_property
    def lookup(self) -> RequestType:
        """The type of the declaration of a resource that is only looked up: no member is required."""
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
        """The shape of the resource in the response of Get."""
        whole = self.operations.model(self.operations.get).output_shape
        return whole.members[self.wrapper] if self.wrapper else whole

    @cached_property
    def page(self) -> int:
        """The largest page size (maxResults) of list; 100 if the model gives no limit."""
        most = self._input(self.operations.list).members["maxResults"].metadata.get("max")
        return int(most or 100)

    def shown(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Return the resource in a response, without the wrapper, with the id as requests take it."""
        body = answer.get(self.wrapper) or {} if self.wrapper else answer
        shown = {name: value for name, value in body.items() if name != "ResponseMetadata"}
        identity = self.id_in(shown)
        return self.as_declared({**shown, self.id_member: identity} if identity else shown)

    def id_in(self, item: Mapping[str, Any]) -> str:
        """Return the id of a resource in a response, where the response may show the ARN instead.

        Empty: the response does not identify the resource.
        """
        shown = item.get(self.id_member) or (item.get(self.arn_member) if self.arn_member else None) or ""
        arn = arn_of(shown)
        return arn.resource.rpartition("/")[2] if arn is not None else str(shown)

    def name_in(self, item: Mapping[str, Any]) -> str | None:
        """Return the name of a listed resource; None: the resource cannot be one of a document."""
        return self.listed_name(item) if self.listed_name is not None else item.get(self.name_member)

    def create_members(self, declared: Mapping[str, Any]) -> dict[str, Any]:
        """Return the members of a declaration that create takes; an update after the create sends the rest."""
        return {n: _without(v, self.having(Property.UPDATE_ONLY)) for n, v in declared.items() if n in self.creatable}

    def secret_texts(self, declared: Mapping[str, Any]) -> dict[Path, str]:
        """Return the text of every secret member by path. A map key with the name of a secret member is no member."""
        parts = list(self.declarable.walk(declared))
        maps = {path for path, shape, _ in parts if isinstance(shape, MapShape)}
        return {p: v for p, _, v in parts if isinstance(v, str) and p[-1] in self.secrets and p[:-1] not in maps}

    def meaning(self, status: str | None) -> Status:
        """Return the phase and remedy of a status. A missing status is settled: older responses have no status.

        A status that is not in the table is in progress: the resource is read again, and never acted on.
        """
        return SETTLED if status is None else self.statuses.get(status, IN_PROGRESS)

    def _input(self, operation: str) -> Any:
        return self.operations.model(operation).input_shape


def _without(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _without(item, names) for name, item in value.items() if name not in names}
    return value
