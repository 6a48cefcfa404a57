"""Calling AWS: one client per service, one retry layer, pacing, and errors that say what to do about them."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import structlog
from botocore import xform_name
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)
from botocore.parsers import ResponseParserError

from infra.deadline import Deadline
from infra.error_table import classify
from infra.errors import CallFailed, OutOfTime, Verdict
from infra.pace import Pace
from infra.redaction import Redaction
from infra.retry import attempts
from infra.service_model import AGENT_REGISTRY, CONTROL_PLANE, is_mutating

log = structlog.get_logger()

#: An upper bound of one call's duration in seconds, its read timeout: less time left, and it is not begun.
CALL_SECONDS = 20.0

#: botocore's own retries are off: there is one retry layer, ours.
CLIENT_CONFIG: Mapping[str, Any] = {
    "connect_timeout": 5,
    "read_timeout": CALL_SECONDS,
    "max_pool_connections": 50,
    "retries": {"total_max_attempts": 1},
    "user_agent_extra": "gatewright",
}


#: The services whose documented rates are kept to; the others are far from theirs.
PACED = frozenset({CONTROL_PLANE, AGENT_REGISTRY})
_PARTITIONS = {
    "cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b", "eusc-": "aws-eusc",
}  # fmt: skip


@dataclass(frozen=True)
class Aws:
    """The clients of one execution environment, by botocore's names of their services.

    The account is asked for once, unless the credentials know it.
    """

    client: Callable[[str], Awaitable[Any]]
    region: str
    pace: Pace = field(default_factory=Pace)
    redaction: Redaction = field(default_factory=Redaction)
    known: dict[str, str] = field(default_factory=dict)
    #: The account where nobody tells it: an endpoint on this machine may not speak STS.
    default_account: str | None = None
    #: Spreads the waits before a call is tried again.
    jitter: Callable[[float, float], float] = random.uniform

    @property
    def partition(self) -> str:
        """The partition of the Region, as ARNs begin with it."""
        return next((name for prefix, name in _PARTITIONS.items() if self.region.startswith(prefix)), "aws")

    def within(self, deadline: Deadline) -> "Calls":
        """Return the caller of one run."""
        return Calls(self, deadline)


@dataclass
class Calls:
    """The calls of one run: each is paced, retried within the run's deadline, and counted."""

    aws: Aws
    deadline: Deadline
    count: Counter[str] = field(default_factory=Counter)
    #: Called before each try of a call that changes something; what it raises ends the call.
    before_change: Callable[[], None] | None = None

    async def __call__(
        self,
        operation: str,
        params: Mapping[str, Any],
        *,
        service: str = CONTROL_PLANE,
        lacks: Callable[[Mapping[str, Any]], tuple[str, ...]] | None = None,
    ) -> dict[str, Any]:
        """Make a call and return its answer. Raises CallFailed, or OutOfTime when the run must end first.

        `lacks` names the members that an answer must have and has not: such an answer says nothing, as a lost one.
        """
        method = getattr(await self.aws.client(service), xform_name(operation))
        refused: CallFailed | None = None
        unanswered = False
        try:
            async for attempt in attempts(operation, self.deadline, self.aws.jitter):
                with attempt:
                    try:
                        answer = await self._once(operation, method, params, paced=service in PACED)
                        return _complete(operation, answer, lacks(answer) if lacks is not None else ())
                    except CallFailed as failed:
                        unanswered = failed.unanswered = unanswered or failed.verdict is Verdict.UNKNOWN_OUTCOME
                        refused = failed
                        raise
        except OutOfTime as late:
            late.refused = refused
            raise
        raise AssertionError("unreachable: attempts end by raising")  # pragma: no cover

    async def account(self) -> str:
        """Return the account that the credentials belong to."""
        known = self.aws.known
        if "account" not in known:
            try:
                answer = await self("GetCallerIdentity", {}, service="sts", lacks=lacking("Account"))
                known["account"] = answer["Account"]
            except CallFailed as failed:
                # Who is refused has an account of their own, and it is not this one.
                unsaid = failed.verdict in (Verdict.UNKNOWN_OUTCOME, Verdict.CREDENTIALS)
                if self.aws.default_account is None or unsaid:
                    raise
                known["account"] = self.aws.default_account
        return known["account"]

    async def _once(
        self,
        operation: str,
        method: Callable[..., Awaitable[dict[str, Any]]],
        params: Mapping[str, Any],
        *,
        paced: bool,
    ) -> dict[str, Any]:
        if paced:
            await self.aws.pace.wait(operation, self.deadline)
        if is_mutating(operation):
            self.deadline.require(CALL_SECONDS, operation)
            if self.before_change is not None:
                self.before_change()
        self.count[operation] += 1
        began = anyio.current_time()
        try:
            # A change is left to its own time-out, for which there is time; a read must not outlive the run.
            with anyio.fail_after(None if is_mutating(operation) else max(0.0, self.deadline.remaining())):
                answer = await method(**params)
        except TimeoutError:
            raise OutOfTime(f"{operation} took too long", retry_after=0.0) from None
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            failed = self._failed(operation, error)
            log.info("call failed", operation=operation, code=failed.code, verdict=failed.verdict)
            raise failed from None  # botocore's own text may quote the request
        log.debug("call", operation=operation, seconds=round(anyio.current_time() - began, 3))
        self.aws.pace.answered(operation)
        return answer

    def _failed(self, operation: str, error: Exception) -> CallFailed:
        if isinstance(error, ClientError):
            code, message = (
                error.response["Error"].get("Code", ""),
                error.response["Error"].get("Message", ""),
            )
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
            verdict = classify(operation, code, message, status=status)
        else:
            code, message = type(error).__name__, str(error)
            verdict = _local(operation, error)
        if verdict is Verdict.THROTTLED:
            self.aws.pace.throttled(operation)
        return CallFailed(operation, verdict, code, self.aws.redaction.text(message), _reasons(error))


def lacking(*members: str) -> Callable[[Mapping[str, Any]], tuple[str, ...]]:
    """Return what names the members that an answer must have and has not."""
    return lambda answer: tuple(name for name in members if answer.get(name) is None)


def _complete(operation: str, answer: dict[str, Any], missing: tuple[str, ...]) -> dict[str, Any]:
    """Return an answer that has all its required members. Raises CallFailed for any other."""
    if missing:
        log.info("incomplete answer", operation=operation, lacking=missing)
        message = f"the answer lacks {', '.join(missing)}, without which it says nothing"
        raise CallFailed(operation, Verdict.UNKNOWN_OUTCOME, "IncompleteAnswer", message)
    return answer


def _reasons(error: Exception) -> tuple[str, ...]:
    """Return why a transaction was cancelled: a code for each of its parts."""
    found = error.response.get("CancellationReasons") if isinstance(error, ClientError) else None
    return tuple(str(one.get("Code", "")) for one in found or ())


def _local(operation: str, error: Exception) -> Verdict:
    """Classify what the client itself raised: before sending, or without an answer that can be read."""
    if isinstance(error, ResponseParserError) and not is_mutating(operation):
        return Verdict.UNKNOWN
    if isinstance(error, ParamValidationError):
        return Verdict.INVALID
    if isinstance(error, NoCredentialsError | PartialCredentialsError | NoRegionError):
        return Verdict.CREDENTIALS
    return Verdict.UNKNOWN_OUTCOME
