"""Calls to AWS: the only module through which the project sends requests to AWS APIs.

`Aws` holds the clients of an execution environment. `Aws.within(deadline)` returns the `Calls` of a run, which takes an
operation with parameters, counts every attempt, and either returns the response or raises. An attempt has these stages:

1. The retry layer (infra.retry) starts the attempt. No other layer retries, because botocore's own retries are off.
2. For the services in PACED, the rate limiter (infra.pace) delays the attempt to keep the documented rate.
3. Credentials that expire are renewed. A failure of that is the caller's own, whichever service refuses it.
4. A mutating operation needs CALL_SECONDS before the deadline; a change that is cut off has an unknown outcome. Then
   `before_change` runs and may raise to prevent the change, for example because the lease has expired.
5. The client sends the request. A read is canceled at the run's deadline, a change only by the client's own timeouts.
6. An error becomes CallFailed with an ErrorClass: `classify` looks up error responses of AWS (infra.error_table),
   `_local` assesses exceptions of the client. The message is redacted, and botocore's exception is cut off from the
   chain, because its text may quote the request. THROTTLED also slows the rate limiter down.
7. A response that contradicts the output shape of its operation (infra.responses), or that the client cannot parse,
   counts as a lost response, with the error class UNKNOWN_OUTCOME.

The error class decides about the next attempt. After any attempt with an unknown outcome, `CallFailed.unanswered` is
set: that attempt may have taken effect, even if a later attempt was refused. OutOfTime means that the deadline permits
no further attempt; `OutOfTime.refused` is then the failure of the last attempt, if any failed.
"""

import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import structlog
from botocore import xform_name
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    InvalidRegionError,
    MetadataRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProxyConnectionError,
    RefreshWithMFAUnsupportedError,
    SSLError,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.model import Shape
from botocore.parsers import ResponseParserError

from infra.deadline import Deadline
from infra.error_table import classify
from infra.errors import CALLER_ERRORS, CallFailed, ErrorClass, OutOfTime
from infra.pace import Pace
from infra.redaction import Redaction
from infra.responses import Flaws, flaws, output_shape
from infra.retry import attempts
from infra.service_model import AGENT_REGISTRY, CONTROL_PLANE, is_mutating

log = structlog.get_logger()

#: The read timeout of a call in seconds. A mutating call is not started with less time left.
CALL_SECONDS = 20.0

#: botocore's own retries are off, because infra.retry is the only retry layer.
CLIENT_CONFIG: Mapping[str, Any] = {
    "connect_timeout": 5,
    "read_timeout": CALL_SECONDS,
    "max_pool_connections": 50,
    "retries": {"total_max_attempts": 1},
    "user_agent_extra": "gatewright",
}


#: The services whose documented rates are kept. The project's calls to all other services stay far below the limits.
PACED = frozenset({CONTROL_PLANE, AGENT_REGISTRY})
#: What botocore's parsers raise for JSON of another form than they expect.
_UNPARSED = (AttributeError, TypeError, ValueError, LookupError, RecursionError)
#: Failures to find or to renew the caller's credentials.
_UNSIGNED = (
    NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, MetadataRetrievalError, TokenRetrievalError,
    UnauthorizedSSOTokenError, SSOTokenLoadError, RefreshWithMFAUnsupportedError,
)  # fmt: skip
#: Failures before a request is sent.
_UNCONNECTED = (NoRegionError, InvalidRegionError, ConnectTimeoutError, ProxyConnectionError, SSLError)
#: Pages without an item in a row, after which a list counts as endless.
_MOST_EMPTY = 100
#: Calls of one run that wait for the rate limiter at the same time.
_MOST_WAITING = 10
_PARTITIONS = {
    "cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b", "eusc-": "aws-eusc",
}  # fmt: skip


@dataclass(frozen=True)
class Aws:
    """The clients of an execution environment, by botocore's service names.

    `known` caches the account id. STS is asked at most once, and not at all by a deployment, which knows its account.
    """

    client: Callable[[str], Awaitable[Any]]
    region: str
    pace: Pace = field(default_factory=Pace)
    redaction: Redaction = field(default_factory=Redaction)
    known: dict[str, str] = field(default_factory=dict)
    #: The account id to assume if STS fails: an endpoint on this machine may not implement STS.
    default_account: str | None = None
    #: The account ids that the environment states, by variable; believed only where the credentials agree.
    stated_accounts: Mapping[str, str] = field(default_factory=dict)
    #: Renews credentials that are about to expire; raises what the client library raises. None: they do not expire.
    renew: Callable[[], Awaitable[Any]] | None = None
    #: Randomizes the backoff before a retry: returns a number between the two arguments.
    jitter: Callable[[float, float], float] = random.uniform

    @property
    def partition(self) -> str:
        """The partition of the Region, as in ARNs."""
        return next((name for prefix, name in _PARTITIONS.items() if self.region.startswith(prefix)), "aws")

    def within(self, deadline: Deadline) -> "Calls":
        """Return the calls of a run that ends at the deadline."""
        return Calls(self, deadline)


@dataclass
class Calls:
    """The calls of a run: rate-limited, retried within the deadline of the run, and counted per operation."""

    aws: Aws
    deadline: Deadline
    count: Counter[str] = field(default_factory=Counter)
    #: Called before each attempt of a mutating call; an exception prevents the attempt and ends the call.
    before_change: Callable[[], None] | None = None
    #: Bounds the calls of this run that wait for the rate limiter, which serves all runs of the process in turn: a
    #: large stack does not queue hundreds of calls before those of its neighbors.
    _waiting: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(_MOST_WAITING))

    async def __call__(
        self,
        operation: str,
        params: Mapping[str, Any],
        *,
        service: str = CONTROL_PLANE,
        check: Callable[[Mapping[str, Any]], tuple[str, ...]] | None = None,
    ) -> dict[str, Any]:
        """Call an operation and return the response. Raises CallFailed, or OutOfTime if the run must end first.

        Every response is held against the output shape of the operation. `check` returns more flaws of a response, such
        as another resource than the one that was asked for. A response with flaws is treated like a lost response.
        """
        client = await self.aws.client(service)
        method = getattr(client, xform_name(operation))
        scrutiny = _Scrutiny(operation, output_shape(client, service, operation), check)
        refused: CallFailed | None = None
        unanswered = False
        try:
            async for attempt in attempts(operation, self.deadline, self.aws.jitter):
                with attempt:
                    try:
                        answer = await self._once(operation, method, params, paced=service in PACED)
                        scrutiny.require_credible(answer)
                    except CallFailed as failed:
                        unanswered = failed.unanswered = unanswered or failed.error_class is ErrorClass.UNKNOWN_OUTCOME
                        refused = failed
                        raise
                    return answer
        except OutOfTime as late:
            late.refused = refused
            raise
        raise AssertionError("unreachable: attempts end by raising")  # pragma: no cover

    async def pages(
        self, operation: str, params: Mapping[str, Any], *, service: str = CONTROL_PLANE
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the pages of a list. Raises CallFailed, also for a list that shows the same page token twice."""
        asked, tokens, empty = dict(params), set[str](), 0
        while True:
            page = await self(operation, asked, service=service)
            yield page
            empty = empty + 1 if not any(isinstance(value, list) and value for value in page.values()) else 0
            token = page.get("nextToken")
            if not token:
                return
            if token in tokens or empty > _MOST_EMPTY:
                why = "has the page token of an earlier page" if token in tokens else "is empty, as are those before"
                message = f"page {len(tokens) + 1} of the list {why}: the list has no end"
                raise CallFailed(operation, ErrorClass.BUSY, "EndlessList", message)
            tokens.add(token)
            asked["nextToken"] = token

    async def content(
        self, operation: str, params: Mapping[str, Any], *, service: str, most: int | None = None
    ) -> "Content":
        """Call an operation whose response has a body, and read the body. Raises CallFailed and OutOfTime.

        A body that the response says to have more than `most` bytes is not read.
        """
        answer = await self(operation, params, service=service)
        size = answer.get("ContentLength")
        if most is not None and isinstance(size, int) and size > most:
            return Content(answer, b"", too_large=True)
        try:
            with anyio.fail_after(max(0.0, self.deadline.remaining())):
                body = await answer["Body"].read()
        except TimeoutError:
            raise OutOfTime(f"{operation} took too long", retry_after=0.0) from None
        except Exception as error:  # noqa: BLE001 - the client library passes on what its HTTP library raises
            message = f"the body of the response ends early ({type(error).__name__})"
            raise CallFailed(operation, ErrorClass.UNKNOWN_OUTCOME, "UnreadableResponse", message) from None
        return Content(answer, bytes(body), too_large=most is not None and len(body) > most)

    async def account(self) -> str:
        """Return the account id of the credentials. Raises CallFailed or OutOfTime."""
        known = self.aws.known
        if "account" not in known:
            try:
                answer = await self("GetCallerIdentity", {}, service="sts")
                self._require_stated(answer["Account"])
                known["account"] = answer["Account"]
            except CallFailed as failed:
                # An unknown outcome proves nothing, and refused credentials belong to an account other than the
                # default account.
                unsaid = failed.error_class in (ErrorClass.UNKNOWN_OUTCOME, *CALLER_ERRORS)
                # An endpoint on this machine that answers something else than STS does implements no STS.
                unsaid = unsaid and failed.code not in ("ResponseParserError", "UnreadableResponse", "IncompleteAnswer")
                if self.aws.default_account is None or unsaid:
                    raise
                known["account"] = self.aws.default_account
        return known["account"]

    def _require_stated(self, account: str) -> None:
        """Raise CallFailed if the environment states another account than that of the credentials."""
        for variable, stated in self.aws.stated_accounts.items():
            if stated != account:
                message = f"{variable} says {stated}, and the credentials belong to account {account}: unset it"
                raise CallFailed("GetCallerIdentity", ErrorClass.CREDENTIALS, "AnotherAccount", message)

    async def _once(
        self,
        operation: str,
        method: Callable[..., Awaitable[dict[str, Any]]],
        params: Mapping[str, Any],
        *,
        paced: bool,
    ) -> dict[str, Any]:
        if paced:
            async with self._waiting:
                await self.aws.pace.wait(operation, self.deadline)
        await self._renewed(operation)
        if is_mutating(operation):
            self.deadline.require(CALL_SECONDS, operation)
            if self.before_change is not None:
                self.before_change()
        self.count[operation] += 1
        began = anyio.current_time()
        try:
            # A change runs until the client's own timeout, for which time was required above; a read must not outlive
            # the run.
            with anyio.fail_after(None if is_mutating(operation) else max(0.0, self.deadline.remaining())):
                answer = await method(**params)
        except TimeoutError:
            raise OutOfTime(f"{operation} took too long", retry_after=0.0) from None
        except (ClientError, BotoCoreError, ResponseParserError, OSError, RuntimeError, *_UNPARSED) as error:
            failed = self._failed(operation, error)
            log.info("call failed", operation=operation, code=failed.code, verdict=failed.error_class)
            raise failed from None  # botocore's own text may quote the request
        log.debug("call", operation=operation, seconds=round(anyio.current_time() - began, 3))
        self.aws.pace.answered(operation)
        return answer

    async def _renewed(self, operation: str) -> None:
        """Renew the credentials if they are about to expire. Raises CallFailed: no call gets through."""
        if self.aws.renew is None:
            return
        try:
            with anyio.fail_after(max(0.0, self.deadline.remaining())):
                await self.aws.renew()
        except TimeoutError:
            raise OutOfTime("the renewal of the credentials took too long", retry_after=0.0) from None
        except Exception as error:  # noqa: BLE001 - providers of credentials run programs, read files and call services
            code = error.response["Error"].get("Code", "") if isinstance(error, ClientError) else type(error).__name__
            text = self.aws.redaction.text(f"the credentials cannot be renewed: {error}")
            raise CallFailed(operation, ErrorClass.CREDENTIALS, code, text) from None

    def _failed(self, operation: str, error: Exception) -> CallFailed:
        if isinstance(error, ClientError):
            code, message = (
                error.response["Error"].get("Code", ""),
                error.response["Error"].get("Message", ""),
            )
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
            error_class = classify(operation, code, message, status=status)
            if error.operation_name != operation:
                # The client renewed its credentials meanwhile, and another service refused that.
                error_class, message = ErrorClass.CREDENTIALS, f"{error.operation_name} was refused: {message}"
            elif code == str(status):
                # An error without a code of AWS: the page of a proxy, or of another service behind the address.
                message = f"the response has no error code of AWS (HTTP {status})"
                own = error_class is ErrorClass.UNKNOWN and not is_mutating(operation)
                error_class = ErrorClass.UNREACHABLE if own else error_class
        else:
            code, message = type(error).__name__, str(error)
            if isinstance(error, _UNPARSED):
                # The text of such an error may quote the response.
                code, message = "UnreadableResponse", f"the client cannot parse the response ({code})"
            error_class = _local(operation, error)
        if error_class is ErrorClass.THROTTLED:
            self.aws.pace.throttled(operation)
        return CallFailed(operation, error_class, code, self.aws.redaction.text(message), _reasons(error))


@dataclass(frozen=True)
class Content:
    """A response with the content of its body; `too_large` says that there is more than was to be read."""

    answer: Mapping[str, Any]
    body: bytes
    too_large: bool = False


@dataclass
class _Scrutiny:
    """Holds the responses of one call against the output shape; `more` returns additional flaws of a response."""

    operation: str
    shape: Shape | None
    more: Callable[[Mapping[str, Any]], tuple[str, ...]] | None
    #: The flaws of the response before.
    _before: Flaws = field(default_factory=Flaws)

    def require_credible(self, answer: Mapping[str, Any]) -> None:
        """Raise CallFailed for a response with flaws.

        Deep members that two reads in a row lack are members that the service does not show. A change is not repeated
        to find that out: a read follows.
        """
        found, before = flaws(self.operation, self.shape, answer), self._before
        if not found.wrong and self.more is not None:
            found = replace(found, wrong=self.more(answer))
        self._before = found
        lacking = bool(found.missing) and not is_mutating(self.operation) and found.missing != before.missing
        if found.wrong or lacking:
            log.info("incomplete answer", operation=self.operation, flaws=str(found))
            message = f"the response is not one of {self.operation}{_as_other_type(answer)}: {found}"
            raise CallFailed(self.operation, ErrorClass.UNKNOWN_OUTCOME, "IncompleteAnswer", message)


def _as_other_type(answer: Any) -> str:
    """Return the content type of a response that is an HTML page, as proxies and sign-in pages send it."""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}) if isinstance(answer, Mapping) else {}
    kind = str(headers.get("content-type", ""))
    return (
        f" but {kind.partition(';')[0]}, so something else than AWS answers at this endpoint" if "html" in kind else ""
    )


def _reasons(error: Exception) -> tuple[str, ...]:
    """Return the cancellation reasons of a transaction, a code for each change."""
    found = error.response.get("CancellationReasons") if isinstance(error, ClientError) else None
    return tuple(str(one.get("Code", "")) for one in found or ())


def _local(operation: str, error: Exception) -> ErrorClass:
    """Classify an exception of the client: raised before sending, or because no readable response arrived."""
    if isinstance(error, ParamValidationError):
        return ErrorClass.INVALID
    if isinstance(error, _UNSIGNED):
        return ErrorClass.CREDENTIALS
    if isinstance(error, _UNCONNECTED) or _never_connected(error):
        return ErrorClass.UNREACHABLE
    # An answer to a read that no service of AWS gives, such as the page of a proxy.
    unparsed = isinstance(error, (ResponseParserError, *_UNPARSED)) and not is_mutating(operation)
    return ErrorClass.UNREACHABLE if unparsed else ErrorClass.UNKNOWN_OUTCOME


def _never_connected(error: Exception) -> bool:
    """Return whether a connection failed before anything was sent; the client library says the same of later failures.

    The cause is an exception of aiohttp, recognized by name: the library is not imported here.
    """
    cause = getattr(error, "kwargs", {}).get("error") if isinstance(error, EndpointConnectionError) else None
    names = {one.__name__ for one in type(cause).__mro__}
    return isinstance(cause, socket.gaierror) or "ClientConnectorError" in names
