"""Real AWS clients without a socket: what they put on the wire is carried to whoever answers in this process.

A client signs, serializes and parses as in life; only the connection below is another one. The exceptions that a
carrier raises are aiohttp's, which aiobotocore translates as it does those of a real connection. The clients of a
process are made once, because that takes long; whose request is on its way is kept in a context variable.
"""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import get_session
from multidict import CIMultiDict
from yarl import URL

from infra import models
from infra.aws import CLIENT_CONFIG, PACED
from infra.sandbox.client import operation_of
from infra.service_model import AGENT_REGISTRY, CONTROL_PLANE
from infra.unmodeled import preserve
from tests.worlds import REGION

SERVICES = (CONTROL_PLANE, AGENT_REGISTRY, "secretsmanager", "sts", "dynamodb")
_KEYS = {"aws_access_key_id": "AKIASOAK", "aws_secret_access_key": "soak"}


@dataclass(frozen=True)
class Asked:
    """A request as it is on the wire, in the form that the sandbox's server takes."""

    service: str
    operation: str
    method: str
    url: URL
    headers: CIMultiDict[str]
    body: bytes

    @property
    def what(self) -> str:
        """What the request is about, which stands in its path or in its body."""
        return f"{self.operation} {self.path} {self.body!r}"

    @property
    def rel_url(self) -> URL:
        return self.url

    @property
    def path(self) -> str:
        return self.url.path

    @property
    def query(self) -> Any:
        return self.url.query

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0]


@dataclass(frozen=True)
class Reply:
    """An answer as it is on the wire; a cut one ends before the length that was announced."""

    status: int
    headers: dict[str, str]
    body: bytes
    cut: bool = False


Carry = Callable[[Asked], Awaitable[Reply]]


class Defect(BaseException):
    """Something in the soak itself is wrong: no fault of a connection, and nothing that a worker may swallow."""


class _Call(NamedTuple):
    service: str
    operation: str
    carry: Carry


_CALL: ContextVar[_Call] = ContextVar("_CALL")
_CLIENTS: dict[str, Any] = {}


async def open_wire() -> None:
    """Make the clients of this process, unless they are there."""
    if _CLIENTS:
        return
    session = get_session()
    session.register_component("data_loader", models.loader())
    config = AioConfig(http_session_cls=_Wire, **deepcopy(dict(CLIENT_CONFIG)))
    for service in SERVICES:
        made = session.create_client(service, region_name=REGION, config=config, **_KEYS)
        _CLIENTS[service] = await made.__aenter__()
        if service in PACED:
            preserve(_CLIENTS[service])


class WireClient:
    """A client of a service whose requests one carrier carries."""

    def __init__(self, service: str, carry: Carry) -> None:
        self._service = service
        self._carry = carry

    @property
    def meta(self) -> Any:
        """The model of the service, as a client has it."""
        return _CLIENTS[self._service].meta

    def __getattr__(self, method: str) -> Callable[..., Awaitable[dict[str, Any]]]:
        operation = operation_of(method)

        async def call(**params: Any) -> dict[str, Any]:
            mark = _CALL.set(_Call(self._service, operation, self._carry))
            try:
                answer: dict[str, Any] = await getattr(_CLIENTS[self._service], method)(**params)
                return answer
            finally:
                _CALL.reset(mark)

        return call


class _Wire(AIOHTTPSession):  # type: ignore[misc]
    """aiobotocore's own session over connections that are none."""

    async def _get_session(self, proxy_url: str | None) -> Any:
        del proxy_url
        return _SOCKETLESS


class _Socketless:
    """What aiobotocore uses of aiohttp's session."""

    async def request(self, method: str, *, url: URL, headers: CIMultiDict[str], data: Any, **_: Any) -> "_Response":
        service, operation, carry = _CALL.get()
        body = data.encode() if isinstance(data, str) else bytes(data or b"")
        try:
            return _Response(url, await carry(Asked(service, operation, method, url, headers, body)))
        except (aiohttp.ClientError, TimeoutError):
            raise
        except Exception as error:
            raise Defect(f"{operation}: {error!r}") from error


_SOCKETLESS = _Socketless()


class _Response:
    """What aiobotocore uses of aiohttp's response."""

    def __init__(self, url: URL, reply: Reply) -> None:
        self.url = url
        self.status = reply.status
        self.raw_headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        self._reply = reply

    async def read(self) -> bytes:
        if self._reply.cut:
            raise aiohttp.ClientPayloadError("Response payload is not completed")
        return self._reply.body
