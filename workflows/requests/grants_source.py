"""The grants in force: an object in the deployment's bucket, or the file of the artifact where there is none.

The object can be replaced without a new deployment. It is read at most once a minute, validated before it is used, and
versioned: the ledger keeps the content that was valid last, or that there was no object. An object that is invalid is
told, by a log line and an event, and what any process of the deployment saw as valid last is in force in all of them.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import anyio
import structlog
from pydantic import ValidationError

from infra.aws import Aws
from infra.deadline import Deadline
from infra.errors import CallFailed, ErrorClass, OutOfTime
from infra.ledger import ConditionFailed, Key, Ledger, Put
from workflows.document.problems import path_text
from workflows.requests.authority import Grants
from workflows.requests.intake import Location

log = structlog.get_logger()

#: Seconds for which the grants are used without a new read, and within which a read must be done.
_FRESH, _SECONDS = 60.0, 20.0
_VALID = Key("grants", "valid")


class InvalidGrants(Exception):  # noqa: N818 - the name describes the grants
    """A file or object holds no valid grants; the message names every problem, and no value."""


def read_grants(content: bytes) -> Grants:
    """Read grants from YAML or JSON. Raises InvalidGrants."""
    try:
        # An artifact holds JSON, whose parser is already loaded; YAML is off the cold path.
        return Grants.model_validate_json(content) if content.lstrip().startswith(b"{") else _from_yaml(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise InvalidGrants("; ".join(f"{path_text(one['loc'])}: {one['msg']}" for one in found)) from None


def _from_yaml(content: bytes) -> Grants:
    from infra.documents import Unreadable, parse  # noqa: PLC0415 - YAML is off the cold path

    try:
        return Grants.model_validate(parse(content.decode("utf-8")))
    except UnicodeDecodeError:
        raise InvalidGrants("it is not UTF-8 text") from None
    except Unreadable as error:
        raise InvalidGrants(str(error)) from None


@dataclass(frozen=True)
class _Object:
    """The object of the grants: content, version (empty: there is no object), and when it was put (ISO 8601)."""

    content: bytes = b""
    version: str = ""
    modified: str = ""


@dataclass
class GrantsSource:
    """The grants of a deployment, as they are in force at any time."""

    aws: Aws
    ledger: Ledger
    uri: str
    #: The grants of the artifact, in force where no object exists.
    default: Grants
    announce: Callable[[str, Mapping[str, Any]], Awaitable[None]]
    _grants: Grants | None = None
    _read_at: float = float("-inf")
    #: The version that is in force (empty: the artifact's), and the invalid versions that were told.
    _version: str = ""
    #: Whether the ledger has that version, or a newer one, as the last valid one.
    _is_kept: bool = False
    _told: set[str] = field(default_factory=set)

    async def current(self) -> Grants:
        """Return the grants in force. Raises CallFailed and OSError where they were never read and cannot be read."""
        if self._grants is not None and anyio.current_time() - self._read_at < _FRESH:
            return self._grants
        try:
            self._grants = await self._newest()
        except (CallFailed, OutOfTime, OSError) as error:
            if self._grants is None:
                raise
            log.error("the grants cannot be read", kept=self._version, reason=str(error))
        self._read_at = anyio.current_time()
        return self._grants

    async def _newest(self) -> Grants:
        """Return the grants of the object's newest version, or of the last version that was valid."""
        found = await self._object()
        if self._grants is not None and self._is_kept and found.version == self._version:
            return self._grants
        try:
            grants = read_grants(found.content) if found.version else self.default
        except InvalidGrants as invalid:
            await self._tell(found.version, str(invalid))
            return await self._last_valid()
        # In force at once: that a version cannot be kept must not keep a withdrawn right alive.
        self._version, self._is_kept = found.version, await self._keep(found)
        return grants

    async def _keep(self, found: "_Object") -> bool:
        """Keep a valid version in the ledger, or that there is no object; return whether it has that or a newer one.

        A process that was slow keeps no older version than another process has kept.
        """
        try:
            known = await self.ledger.get(_VALID)
            version, modified = (known or {}).get("version", ""), (known or {}).get("modified", "")
            if version == found.version or (found.version and found.modified < modified):
                return True
            item = {"version": found.version, "modified": found.modified or modified}
            when = {"version": version if known is not None else None}
            await self.ledger.write(Put(_VALID, {**item, "content": found.content.decode("utf-8")}, when=when))
        except OSError as error:
            log.error("the grants in force cannot be kept", version=found.version, reason=str(error))
            return False
        except ConditionFailed:
            return False
        return True

    async def _last_valid(self) -> Grants:
        """Return the last version that was valid; the grants of the artifact if there was none, or no object since."""
        if self._grants is not None and not self._is_kept:
            return self._grants  # newer than what the ledger has
        try:
            known = await self.ledger.get(_VALID) or {}
        except OSError:
            if self._grants is None:
                raise
            return self._grants
        version = str(known.get("version", ""))
        if self._grants is not None and version == self._version:
            return self._grants
        try:
            grants = read_grants(str(known.get("content", "")).encode()) if version else self.default
        except InvalidGrants:
            return self.default  # this release accepts less than the one that kept it
        self._version, self._is_kept = version, True
        return grants

    async def _object(self) -> "_Object":
        """Return the object; without a version if there is none. Raises CallFailed and OutOfTime.

        Where the bucket has no versions, the content stands for its version.
        """
        where = Location.of(self.uri)
        calls, wanted = self.aws.within(Deadline.within(_SECONDS)), {"Bucket": where.bucket, "Key": where.key}
        try:
            content = await calls.content("GetObject", wanted, service="s3")
        except CallFailed as failed:
            if failed.error_class is ErrorClass.GONE:
                return _Object()
            raise
        version = str(content.answer.get("VersionId") or "null")
        version = version if version != "null" else hashlib.sha256(content.body).hexdigest()
        modified = content.answer.get("LastModified")
        return _Object(content.body, version, modified.isoformat() if isinstance(modified, datetime) else "")

    async def _tell(self, version: str, reason: str) -> None:
        """Log and publish once that a version is invalid."""
        if version in self._told:
            return
        log.error("the grants are invalid", version=version, kept=self._version, reason=reason)
        detail = {"version": 1, "object": self.uri, "objectVersion": version, "kept": self._version, "reason": reason}
        try:
            await self.announce("Gateway Grants Rejected", detail)
        except (CallFailed, OutOfTime) as failed:
            log.error("the rejection of the grants is not announced yet", reason=str(failed))
        else:
            self._told.add(version)
