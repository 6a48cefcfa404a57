"""Requests: the common form into which every transport parses a request."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workflows.document.parameters import fill
from workflows.document.problems import Invalid, Problem
from workflows.document.stack import NAME, from_pydantic
from workflows.document.urls import is_url
from workflows.records.request_state import Mode
from workflows.requests.authority import Submitter

#: The mode that each detail type of an event requests.
DETAIL_TYPES: Mapping[str, Mode] = {
    "Gateway Stack Requested": Mode.PROVISION,
    "Gateway Stack Removal Requested": Mode.REMOVE,
    "Gateway Stack Synchronization Requested": Mode.SYNCHRONIZE,
}


#: The maximum length of the id of a request, in characters.
LONGEST_ID = 128
#: The greatest generation: the largest integer that every JSON parser reads without loss.
GREATEST = 2**53
#: The greatest generation that a request may state: as many may follow without a statement.
GREATEST_STATED = 2**52
_NAME = re.compile(NAME)


def is_id(text: str) -> bool:
    """Return whether a text can be the id of a request, which appears in logs, ledgers and names."""
    return 0 < len(text) <= LONGEST_ID and text.isprintable() and all(not "\ud800" <= one <= "\udfff" for one in text)


def is_name(text: str) -> bool:
    """Return whether a text can be the name of a stack."""
    return len(text) <= LONGEST_ID and _NAME.fullmatch(text) is not None


class NotARequest(Exception):  # noqa: N818 - the name describes the message
    """The message is no request at all: the message itself is wrong, and not a document in the message."""


class Request(BaseModel):
    """A request. `document` is the declared stack, if the request carries a document; `stack` is the name."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    mode: Mode
    request_id: str
    stack: str
    #: The id of the event or message, which the sender cannot choose; empty at a terminal.
    transport_id: str = ""
    document: dict[str, Any] | None = None
    generation: int | None = None
    allow: frozenset[str] = frozenset()
    #: Whether nothing is deleted or replaced beyond `allow`, apart from what this request created.
    only_approved: bool = False
    #: The submitter, identified by the transport; None at a terminal.
    submitter: Submitter | None = None
    #: The location of the document, which is fetched before acceptance, and the parameters to fill in then.
    uri: str = ""
    parameters: dict[str, Any] = {}
    #: The section to reconcile; empty for all sections.
    stage: str = ""
    #: Only plan, and publish the plan.
    dry_run: bool = False

    @property
    def known_as(self) -> str:
        """The name of the stack; empty where the text is no valid name."""
        return self.stack if is_name(self.stack) else ""


class _Detail(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    request_id: str = Field(default="", alias="requestId", max_length=LONGEST_ID)
    generation: int | None = Field(default=None, ge=1, le=GREATEST_STATED)
    stack: dict[str, Any] | str | None = None
    stack_uri: str = Field(default="", alias="stackUri", max_length=2048, pattern=r"^(s3://[^/]+/.+|)$")
    allow: list[str] = Field(default_factory=list, max_length=1000)
    only_approved: bool = Field(default=False, alias="onlyApproved")
    parameters: dict[str, Any] = Field(default_factory=dict, max_length=1000)
    dry_run: bool = Field(default=False, alias="dryRun")


def read_request(
    detail_type: object, detail: object, *, default_id: str, submitter: Submitter | None = None
) -> Request:
    """Return the request of an event. Raises NotARequest for an unknown type, and Invalid for a wrong detail."""
    mode = DETAIL_TYPES.get(detail_type) if isinstance(detail_type, str) else None
    if mode is None:
        known = ", ".join(DETAIL_TYPES)
        raise NotARequest(f"unknown detail-type; known are: {known}")
    if not isinstance(detail, Mapping):
        raise NotARequest("an event's detail must be a JSON object")
    try:
        read = _Detail.model_validate(dict(detail))
    except ValidationError as error:
        raise Invalid(from_pydantic(error, ())) from None
    if problem := _misnamed(mode, read):
        raise Invalid([problem])
    if read.dry_run and mode is Mode.SYNCHRONIZE:
        raise Invalid([Problem("dryRun", "type", "a synchronization is not planned: it changes no resource")])
    document = fill(read.stack, read.parameters) if isinstance(read.stack, dict) else None
    name = read.stack if document is None else document.get("stack")
    return Request(
        mode=mode,
        request_id=read.request_id if is_id(read.request_id) else default_id,
        stack=name if isinstance(name, str) else "",
        transport_id=default_id,
        document=document,
        generation=read.generation,
        allow=frozenset(read.allow),
        only_approved=read.only_approved,
        submitter=submitter,
        uri=read.stack_uri,
        parameters=read.parameters if read.stack_uri else {},
        dry_run=read.dry_run,
    )


def _misnamed(mode: Mode, read: _Detail) -> Problem | None:
    """Return the problem with the members that name or hold the stack; None where there is no problem."""
    if mode is not Mode.PROVISION:
        fits = isinstance(read.stack, str) and is_id(read.stack) and not read.stack_uri
        return None if fits else Problem("stack", "type", "in this request, stack names the stack")
    if not is_url(read.stack_uri):
        return Problem("stackUri", "url", "this URL cannot be read")
    if read.stack is None:
        return None if read.stack_uri else Problem("stack", "missing", "this member, or stackUri, is required")
    if read.stack_uri:
        return Problem("stackUri", "type", "the document comes as stack or as stackUri, not as both")
    if isinstance(read.stack, str):
        return Problem("stack", "type", "in this request, stack holds the stack document")
    return None
