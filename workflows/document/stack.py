"""The stack and its resources, as declared in a stack document.

Each section maps names to resources. A resource is declared as AWS's request, with AWS's member names, but without the
members that Gatewright fills in. Reading needs no network and no credentials.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infra.service_model import Path
from workflows.document import references
from workflows.document.fingerprint import digest
from workflows.document.problems import Problem, path_text
from workflows.document.references import Reference
from workflows.kinds import Kind, children, top_level

#: The member of a resource that holds Gatewright's options and is never sent to AWS.
RESERVED = "gatewright"
#: The pattern of a stack's name: segments separated by dots (128 characters at most, which `Head` checks).
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9][A-Za-z0-9_-]*)*"
#: The default of `consentTimeoutSeconds`: the seconds for which a stack waits for people to consent.
CONSENT_TIMEOUT = 3600
#: The owner tag: its value is the stack that owns the resource. A document cannot declare it.
OWNER_TAG = "gatewright:stack"


class Deletion(StrEnum):
    """Whether a resource is deleted or retained once the document no longer declares it, or its stack is removed."""

    DELETE = "DELETE"
    RETAIN = "RETAIN"


class Options(BaseModel):
    """The reserved member `gatewright` of a resource."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, hide_input_in_errors=True, populate_by_name=True
    )

    #: Import an existing resource of that name.
    adopt: bool = False
    #: Only look up the resource, so that references resolve; never change it.
    existing: bool = False
    deletion: Deletion = Field(default=Deletion.DELETE, strict=False)
    #: Whether the endpoints of a harness may be deleted together with the harness.
    delete_endpoints: bool = Field(default=False, alias="deleteEndpoints")
    #: Addresses of dependencies, in addition to those that references imply.
    depends_on: tuple[str, ...] = Field(default=(), alias="dependsOn", strict=False)
    #: The predecessor of the resource, by the name beside it or by address: removed once the resource is READY.
    replaces: str = Field(default="", max_length=300)
    #: Rules that do not refuse this resource, by number, each with the author's reason: AWS may have moved on.
    waive: Mapping[str, Annotated[str, Field(min_length=1, max_length=500)]] = Field(default_factory=dict)


@dataclass(frozen=True)
class Resource:
    """A declared resource. `declared` is AWS's request as written in the document, references included."""

    address: str
    kind: Kind
    name: str
    declared: Mapping[str, Any]
    options: Options = field(default_factory=Options)
    parent: str | None = None
    references: tuple[Reference, ...] = ()

    @cached_property
    def waits_on(self) -> frozenset[str]:
        """The addresses of the dependencies: targets of references, `dependsOn`, and the parent."""
        named = {one.address for one in self.references if one.address != references.AWS}
        named |= set(self.options.depends_on)
        return frozenset(named | ({self.parent} if self.parent else set()))

    @cached_property
    def predecessor(self) -> str:
        """The address of the resource that this one replaces; empty if there is none."""
        named = self.options.replaces
        names = references.parts(named) or ()
        if len(names) > 1 and top_level(names[0]) is not None:
            return path_text(names)
        return path_text((*(references.parts(self.address) or ())[:-1], named)) if named else ""


@dataclass(frozen=True)
class Stack:
    """A valid document, read into resources by address."""

    name: str
    resources: Mapping[str, Resource]
    document: Mapping[str, Any]
    on_failure: str = "HALT"
    warnings: tuple[Problem, ...] = ()
    consent_timeout: int = CONSENT_TIMEOUT

    @property
    def goes_back(self) -> bool:
        """Whether a failed run rolls the stack back to its last READY document."""
        return self.on_failure == "ROLLBACK"

    @cached_property
    def digest(self) -> str:
        """The digest of the document; the order of members does not change it."""
        return digest(self.document)


def resources_in(section: Any, kind: Kind, path: Path, problems: list[Problem]) -> Iterator[Resource]:
    """Yield the resources of a section and of its nested sections; append a problem for each malformed part."""
    if not isinstance(section, Mapping):
        problems.append(Problem(path_text(path), "type", "a section maps names to resources"))
        return
    parent = path_text(path[:-1]) or None
    for name, body in section.items():
        where = (*path, str(name))
        if not isinstance(body, Mapping):
            problems.append(Problem(path_text(where), "type", "a resource maps member names to values"))
            continue
        inner = {child.section for child in children(kind)}
        options = _options(body.get(RESERVED, {}), (*where, RESERVED), problems)
        declared = {member: value for member, value in body.items() if member not in {RESERVED, *inner}}
        found = tuple(_references(declared, kind, where))
        yield Resource(path_text(where), kind, str(name), declared, options, parent, found)
        for child in children(kind):
            yield from resources_in(body.get(child.section, {}), child, (*where, child.section), problems)


def _references(declared: Mapping[str, Any], kind: Kind, where: Path) -> Iterator[Reference]:
    for path, expression in references.find(declared, kind.payloads, where):
        names = references.parts(expression)
        address, member = references.split(names) if names else ("", ())
        yield Reference(path, expression, address, member)


def _options(value: Any, path: Path, problems: list[Problem]) -> Options:
    try:
        return Options.model_validate(value)
    except ValidationError as error:
        problems += from_pydantic(error, path)
        return Options()


def from_pydantic(error: ValidationError, path: Path) -> Iterable[Problem]:
    """Return pydantic's errors as problems, with their paths below a path."""
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        known = {"extra_forbidden": "unknown member", "missing": "this member is required and missing"}
        message = known.get(one["type"], one["msg"].removeprefix("Input "))
        yield Problem(path_text((*path, *one["loc"])), one["type"], message.replace("valid tuple", "list"))
