"""Requests: what asks for something, in the form in which every door hands it over."""

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

#: The detail types that ask for something, and what they ask for.
DETAIL_TYPES: Mapping[str, Mode] = {
    "Gateway Stack Requested": Mode.PROVISION,
    "Gateway Stack Removal Requested": Mode.REMOVE,
    "Gateway Stack Synchronization Requested": Mode.SYNCHRONIZE,
}


#: Characters of a request's id.
LONGEST_ID = 128
#: The greatest generation: what every JSON reader reads as it was written.
GREATEST = 2**53
_NAME = re.compile(NAME)


def is_id(text: str) -> bool:
    """Tell whether a text can be the id of a request: it is written to logs, ledgers and names."""
    return 0 < len(text) <= LONGEST_ID and text.isprintable() and all(not "\ud800" <= one <= "\udfff" for one in text)


def is_name(text: str) -> bool:
    """Tell whether a text can be a stack's name."""
    return len(text) <= LONGEST_ID and _NAME.fullmatch(text) is not None


class NotARequest(Exception):  # noqa: N818 - it says what arrived
    """What arrived is no request at all: the message itself failed, not a document in it."""


class Request(BaseModel):
    """One request. `document` is the declared stack, where it came with one; `stack` is its name."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    mode: Mode
    request_id: str
    stack: str
    document: dict[str, Any] | None = None
    generation: int | None = None
    allow: frozenset[str] = frozenset()
    #: Who sent it, as the transport says; None at a terminal.
    submitter: Submitter | None = None
    #: Where its document is, which is read when it is admitted, and what its parameters stand for then.
    uri: str = ""
    parameters: dict[str, Any] = {}
    #: The section that is worked on; everything where it is empty.
    stage: str = ""
    #: Only plan, and announce the plan.
    dry_run: bool = False

    @property
    def known_as(self) -> str:
        """The stack's name where it can be one; nothing where it is some other text."""
        return self.stack if is_name(self.stack) else ""


class _Detail(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    request_id: str = Field(default="", alias="requestId", max_length=LONGEST_ID)
    generation: int | None = Field(default=None, ge=1, le=GREATEST)
    stack: dict[str, Any] | str | None = None
    stack_uri: str = Field(default="", alias="stackUri", max_length=2048, pattern=r"^(s3://[^/]+/.+|)$")
    allow: list[str] = Field(default_factory=list, max_length=1000)
    parameters: dict[str, Any] = Field(default_factory=dict, max_length=1000)
    dry_run: bool = Field(default=False, alias="dryRun")


def read_request(
    detail_type: object, detail: object, *, default_id: str, submitter: Submitter | None = None
) -> Request:
    """Return the request of an event. Raises NotARequest for an unknown type, Invalid for a detail that is wrong."""
    mode = DETAIL_TYPES.get(detail_type) if isinstance(detail_type, str) else None
    if mode is None:
        known = ", ".join(DETAIL_TYPES)
        raise NotARequest(f"this detail-type is none of ours; known are: {known}")
    if not isinstance(detail, Mapping):
        raise NotARequest("an event's detail must be a JSON object")
    try:
        read = _Detail.model_validate(dict(detail))
    except ValidationError as error:
        raise Invalid(from_pydantic(error, ())) from None
    if problem := _misnamed(mode, read):
        raise Invalid([problem])
    if read.dry_run and mode is not Mode.PROVISION:
        raise Invalid([Problem("dryRun", "type", "only a request to provision can be planned")])
    document = fill(read.stack, read.parameters) if isinstance(read.stack, dict) else None
    name = read.stack if document is None else document.get("stack")
    return Request(
        mode=mode,
        request_id=read.request_id if is_id(read.request_id) else default_id,
        stack=name if isinstance(name, str) else "",
        document=document,
        generation=read.generation,
        allow=frozenset(read.allow),
        submitter=submitter,
        uri=read.stack_uri,
        parameters=read.parameters if read.stack_uri else {},
        dry_run=read.dry_run,
    )


def _misnamed(mode: Mode, read: _Detail) -> Problem | None:
    """Say what is wrong with how a request says which stack it is about."""
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
