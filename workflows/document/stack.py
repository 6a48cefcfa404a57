"""The stack document: what a team declares, read into resources with all of its mistakes found at once.

Each section maps a name to AWS's own request, in AWS's own member names, without what Gatewright fills in.
Reading needs no network and no credentials.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infra.service_model import Path
from workflows.document import references
from workflows.document.fingerprint import digest
from workflows.document.problems import Problem, path_text
from workflows.document.references import Reference
from workflows.kinds import Kind, children

#: The one member of a resource that is ours and is never sent.
RESERVED = "gatewright"
#: What a stack's name is: segments with dots between them, 128 characters at most.
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9][A-Za-z0-9_-]*)*"
#: Seconds for which a stack waits for people to consent, unless it says otherwise.
CONSENT_TIMEOUT = 3600
#: The tag by which a resource is known as ours; it cannot be declared.
OWNER_TAG = "gatewright:stack"


class Deletion(StrEnum):
    """What becomes of a resource that leaves the document or whose stack is removed."""

    DELETE = "DELETE"
    RETAIN = "RETAIN"


class Options(BaseModel):
    """The reserved member `gatewright` of a resource."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, hide_input_in_errors=True, populate_by_name=True
    )

    #: Take over an existing resource of that name on purpose.
    adopt: bool = False
    #: Only look the resource up and refer to it; never change it.
    existing: bool = False
    deletion: Deletion = Field(default=Deletion.DELETE, strict=False)
    #: Whether a harness's own endpoints may be deleted with it.
    delete_endpoints: bool = Field(default=False, alias="deleteEndpoints")
    #: Addresses that must be reached first, beyond those referred to.
    depends_on: tuple[str, ...] = Field(default=(), alias="dependsOn", strict=False)


@dataclass(frozen=True)
class Resource:
    """One declared thing. `declared` is AWS's request as written; `waits_on` are the addresses that come first."""

    address: str
    kind: Kind
    name: str
    declared: Mapping[str, Any]
    options: Options = field(default_factory=Options)
    parent: str | None = None
    references: tuple[Reference, ...] = ()

    @cached_property
    def waits_on(self) -> frozenset[str]:
        """The addresses whose outputs or existence this resource needs."""
        named = {one.address for one in self.references if one.address != references.AWS}
        named |= set(self.options.depends_on)
        return frozenset(named | ({self.parent} if self.parent else set()))


@dataclass(frozen=True)
class Stack:
    """A valid document."""

    name: str
    resources: Mapping[str, Resource]
    document: Mapping[str, Any]
    on_failure: str = "HALT"
    warnings: tuple[Problem, ...] = ()
    consent_timeout: int = CONSENT_TIMEOUT

    @property
    def goes_back(self) -> bool:
        """Whether a failure returns it to its last READY document."""
        return self.on_failure == "ROLLBACK"

    @cached_property
    def digest(self) -> str:
        """What tells two documents apart: order of members does not."""
        return digest(self.document)


def resources_in(section: Any, kind: Kind, path: Path, problems: list[Problem]) -> Iterator[Resource]:
    """Yield the resources of a section and of the sections inside them; what cannot be read becomes a problem."""
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
    for path, expression in references.find(declared, kind.opaque, where):
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
    """Turn pydantic's findings into problems under a path."""
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        known = {"extra_forbidden": "unknown member", "missing": "this member is required and missing"}
        message = known.get(one["type"], one["msg"].removeprefix("Input "))
        yield Problem(path_text((*path, *one["loc"])), one["type"], message.replace("valid tuple", "list"))
