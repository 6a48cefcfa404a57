"""moto's server on a port of its own, with a record of who asked for what, and Lambda's Invoke answered elsewhere."""

import io
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from tests.localcloud.emulator import LOOPBACK, Answer
from tests.localcloud.patches import CLOUD_KEY

_CREDENTIAL = re.compile(r"Credential=([^/,]+)/[^/]*/[^/]*/([^/]+)/aws4_request")
_INVOKE = re.compile(r"^/2015-03-31/functions/([^/]+)/invocations$")
_CBOR = re.compile(r"^/service/[^/]+/operation/(\w+)$")
# moto checks a condition and writes in two steps; AWS does it in one.
_ATOMIC = ("dynamodb", "s3", "secretsmanager")
_S3_ON_KEY = {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}
_S3_ON_BUCKET = {"GET": "ListObjectsV2", "PUT": "CreateBucket", "HEAD": "HeadBucket", "DELETE": "DeleteBucket"}

Environ = dict[str, Any]
Start = Callable[..., Any]
Invoke = Callable[[str, str, bytes], Answer]


class Request(NamedTuple):
    """One AWS request that arrived: whose it was, and what it asked for."""

    access_key: str
    service: str
    operation: str


class Record:
    """The requests that arrived, in order; safe to read while others write."""

    def __init__(self) -> None:
        self._lock, self._requests = threading.Lock(), list[Request]()

    def add(self, request: Request) -> None:
        """Append a request."""
        with self._lock:
            self._requests.append(request)

    def of(self, who: str) -> list[Request]:
        """What one caller asked for: a function's logical id, or an access key id."""
        keys = {who, f"AKIA{who.upper()}"}
        with self._lock:
            return [request for request in self._requests if request.access_key in keys]


class _Handler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: Any) -> None:
        """Write nothing: the record holds every request."""


class Server:
    """Serves moto at `url` until it is closed."""

    def __init__(self, invoke: Invoke) -> None:
        self.record = Record()
        self._invoke, self._moto = invoke, DomainDispatcherApplication(create_backend_app)
        self._locks = {service: threading.Lock() for service in _ATOMIC}
        self._server = make_server(LOOPBACK, 0, self._serve, threaded=True, request_handler=_Handler)
        self.port = self._server.server_port
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _serve(self, environ: Environ, start: Start) -> Iterable[bytes]:
        found = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
        key, service = found.groups() if found else ("", "")
        if key != CLOUD_KEY:
            self.record.add(Request(key, service, _operation(environ, service)))
        invoked = _INVOKE.match(environ["PATH_INFO"])
        if invoked:
            return self._answer_invoke(unquote(invoked[1]), environ, start)
        if service in self._locks:
            with self._locks[service]:
                return [b"".join(self._moto(environ, start))]
        answer: Iterable[bytes] = self._moto(environ, start)
        return answer

    def _answer_invoke(self, name: str, environ: Environ, start: Start) -> Iterable[bytes]:
        qualifier = parse_qs(environ.get("QUERY_STRING", "")).get("Qualifier", [""])[0]
        full = f"{name}:{qualifier}" if qualifier and not name.endswith(f":{qualifier}") else name
        kind = environ.get("HTTP_X_AMZ_INVOCATION_TYPE", "RequestResponse")
        answer = self._invoke(full, kind, _body(environ))
        headers = {**answer.headers, "Content-Length": str(len(answer.body))}
        start(f"{answer.status} Answered", list(headers.items()))
        return [answer.body]


def _body(environ: Environ) -> bytes:
    """The request's body, which stays readable for whoever comes next."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return bytes(body)


def _operation(environ: Environ, service: str) -> str:
    """The operation's name, from wherever the service's protocol says it; else the method and the path."""
    path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target.rpartition(".")[2])
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return parse_qs(_body(environ).decode()).get("Action", [path])[0]
    if found := _CBOR.match(path):
        return found[1]
    if _INVOKE.match(path):
        return "Invoke"
    return _s3_operation(method, environ) if service == "s3" else f"{method} {path}"


def _s3_operation(method: str, environ: Environ) -> str:
    """S3's operation for the common requests; a sub-resource (?versioning) is written behind the method."""
    subresource = environ.get("QUERY_STRING", "").partition("&")[0]
    if subresource and "=" not in subresource:
        return f"{method} ?{subresource}"
    _, _, key = environ["PATH_INFO"].lstrip("/").partition("/")
    return (_S3_ON_KEY if key else _S3_ON_BUCKET).get(method, method)
