"""Checks before a request is accepted: the submitter must have a grant, and the document is fetched."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from infra.aws import Calls
from infra.errors import CallFailed, ErrorClass
from workflows.document.naming import Named, Place
from workflows.document.parameters import fill
from workflows.document.problems import Invalid, Problem
from workflows.document.stack import Stack
from workflows.records.request_state import Mode
from workflows.requests.authority import Allowed, Submitter, check
from workflows.requests.context import Context
from workflows.requests.request import Request

#: The maximum size of a document, in bytes.
_LARGEST = 8 * 1024 * 1024
_TYPES = {Mode.PROVISION: "provision", Mode.REMOVE: "remove", Mode.SYNCHRONIZE: "synchronize"}


async def authorize_new(context: Context, calls: Calls, request: Request) -> tuple[Request, Allowed | None]:
    """Return a request with its document, and the grants of the submitter. Raises Invalid and CallFailed.

    At a terminal, users act with their own IAM permissions and need no grant.
    """
    allowed = await _allowed(context, calls, request)
    if request.uri:
        where = Location.of(request.uri)
        if allowed is not None:
            _raise([*allowed.unless(Named("stackUri", "documents", where.named))])
        document = fill(await _fetch(calls, where), request.parameters)
        request = request.model_copy(update={"document": document, "stack": str(document.get("stack", ""))})
    if allowed is not None:
        _raise(allowed.problems(request.stack))
        if request.uri:
            # Checked again now that the stack is known: a grant of a different stack must not allow this location.
            named = Named("stackUri", "documents", Location.of(request.uri).named)
            _raise([*allowed.of_stack(request.stack).unless(named)])
    return request, allowed


async def reauthorize(context: Context, calls: Calls, request: Request) -> tuple[Request, Allowed | None]:
    """Return a request that was accepted before, and the present grants of the submitter: grants may be revoked.

    Applies to requests of every mode, also to removals and synchronizations. Raises Invalid.
    """
    allowed = await _allowed(context, calls, request)
    if allowed is not None:
        _raise(allowed.problems(request.stack))
    return request, allowed


def authorize(allowed: Allowed | None, stack: Stack) -> None:
    """Check every reference of a document. Raises Invalid with all references that are not granted."""
    if allowed is not None:
        _raise(check(allowed, stack))


async def _allowed(context: Context, calls: Calls, request: Request) -> Allowed | None:
    if context.grants is None:
        return None
    place = Place(await calls.account(), context.aws.region, context.aws.partition)
    requested = "plan" if request.dry_run else _TYPES[request.mode]
    return context.grants.of(request.submitter or Submitter(), requested, place)


@dataclass(frozen=True)
class Location:
    """The location of an object in S3, to check against the grants and to fetch."""

    bucket: str
    key: str
    version: str = ""

    @classmethod
    def of(cls, uri: str) -> Self:
        """Parse `s3://bucket/key`, with an optional `?versionId=`."""
        parts = urlsplit(uri)
        version = parse_qs(parts.query).get("versionId", [""])[0]
        return cls(parts.netloc, unquote(parts.path).removeprefix("/"), version)

    @property
    def named(self) -> str:
        """The URI without version, as grants refer to the object."""
        return f"s3://{self.bucket}/{self.key}"


async def _fetch(calls: Calls, where: Location) -> Mapping[str, Any]:
    """Read a document from S3. Raises Invalid, and CallFailed where the answer was lost."""
    from infra.documents import Unreadable, parse  # noqa: PLC0415 - YAML is off the cold path

    wanted = {"Bucket": where.bucket, "Key": where.key}
    if where.version:
        wanted["VersionId"] = where.version
    try:
        content = await calls.content("GetObject", wanted, service="s3", most=_LARGEST)
        if content.too_large:
            raise Invalid([Problem("stackUri", "size", f"a document is at most {_LARGEST} bytes long")])
        document = parse(content.body.decode("utf-8"))
    except CallFailed as failed:
        if failed.error_class is ErrorClass.UNKNOWN_OUTCOME:
            raise
        raise Invalid([Problem("stackUri", "unreachable", f"it cannot be read: {failed.code}")]) from None
    except (Unreadable, UnicodeDecodeError) as error:
        why = str(error) if isinstance(error, Unreadable) else "it is not UTF-8 text"
        raise Invalid([Problem("stackUri", "unreadable", why)]) from None
    if not isinstance(document, Mapping):
        raise Invalid([Problem("stackUri", "type", "a stack document is a mapping")])
    return document


def _raise(problems: list[Problem]) -> None:
    if problems:
        raise Invalid(problems)
