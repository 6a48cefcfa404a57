"""The HTTP server of the sandbox: any AWS client, in any language, can use the sandbox through AWS_ENDPOINT_URL.

The server binds to loopback only, and answers only requests to a name of this machine. In addition to AgentCore, the
server implements the parts of Secrets Manager, STS, EventBridge's PutEvents and the data plane's
CompleteResourceTokenAuth that a run needs, serves the consent page of an authorization URL, and accepts settings and
faults under /_sandbox.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web
from aiohttp.typedefs import Handler

from infra.sandbox import rest_json
from infra.sandbox.behaviour import Behaviour
from infra.sandbox.controls import controlled
from infra.sandbox.faults import ConnectionLost
from infra.sandbox.plane import Plane
from infra.sandbox.refusals import Refusal
from infra.sandbox.seed import sow
from infra.service_model import AGENT_REGISTRY, CONTROL_PLANE
from infra.settings import is_loopback

LOOPBACK = "127.0.0.1"
_TARGETS = {"secretsmanager": "secretsmanager", "AWSEvents": "events"}


class SandboxServer:
    """Serves a plane, on the real clock or a given clock. `round_trip` seconds are added to every response."""

    def __init__(
        self, behaviour: Behaviour | None = None, round_trip: float = 0.0, clock: Callable[[], float] | None = None
    ) -> None:
        start = time.monotonic()
        self.plane = Plane(clock or (lambda: time.monotonic() - start), behaviour, epoch=datetime.now(UTC))
        sow(self.plane)
        self._round_trip = round_trip
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> str:
        """Bind to loopback (port 0: any free port) and return the URL."""
        app = web.Application(client_max_size=16 * 1024 * 1024, middlewares=[_for_this_machine])
        app.router.add_get("/consent", self._consent)
        app.router.add_route("*", "/_sandbox/{what}", self._control)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, LOOPBACK, port)
        await site.start()
        bound = self._runner.addresses[0][1]
        self.plane.behaviour.consent_base = f"http://{LOOPBACK}:{bound}/consent"
        return f"http://{LOOPBACK}:{bound}"

    async def stop(self) -> None:
        """Close the server and its connections."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(self._round_trip)
        raw = await request.read()
        try:
            return self._route(request, raw)
        except Refusal as refusal:
            return _refused(refusal)
        except ConnectionLost:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)

    def _route(self, request: web.Request, raw: bytes) -> web.Response:
        header = request.headers.get("X-Amz-Target", "")
        if header:
            service, _, operation = header.partition(".")
            params = json.loads(raw or b"{}")
            return _json_1_1(self.plane.answer_neighbour(_TARGETS.get(service, service), operation, params))
        if request.content_type == "application/x-www-form-urlencoded":
            return self._query(parse_qs(raw.decode()))
        body = json.loads(raw) if raw else {}
        if request.path == "/identities/CompleteResourceTokenAuth":
            self.plane.answer_neighbour("bedrock-agentcore", "CompleteResourceTokenAuth", body)
            return web.json_response({})
        query = {name: request.query.getall(name) for name in request.query}
        # Two services have registries at the same paths; the service name in the request signature distinguishes them.
        moved = "/agent-registry/aws4_request" in request.headers.get("Authorization", "")
        service = AGENT_REGISTRY if moved else CONTROL_PLANE
        parsed = rest_json.parse(service, request.method, request.rel_url.raw_path, query, body)
        if parsed is None:
            raise Refusal("UnknownOperationException", f"No operation at {request.method} {request.path}")
        operation, params = parsed
        answer = rest_json.serialize(service, operation, self.plane.answer(operation, params, service))
        status = rest_json.success(service, operation)
        return web.Response(status=status) if answer is None else web.json_response(answer, status=status)

    def _query(self, form: dict[str, list[str]]) -> web.Response:
        """Answer STS, which speaks the query protocol: a form in, XML out, also for errors."""
        operation = form.get("Action", [""])[0]
        namespace = "https://sts.amazonaws.com/doc/2011-06-15/"
        try:
            result = _elements(self.plane.answer_neighbour("sts", operation, {}))
        except Refusal as refusal:
            error = _elements({"Type": "Sender", "Code": refusal.code, "Message": refusal.message})
            xml = f'<ErrorResponse xmlns="{namespace}"><Error>{error}</Error></ErrorResponse>'
            return web.Response(text=xml, content_type="text/xml", status=refusal.status)
        inner = f"<{operation}Result>{result}</{operation}Result>"
        xml = f'<{operation}Response xmlns="{namespace}">{inner}</{operation}Response>'
        return web.Response(text=xml, content_type="text/xml")

    async def _consent(self, request: web.Request) -> web.Response:
        """Serve the page of an authorization URL: opening the page gives consent; with `&deny`, consent is refused."""
        session, consent = request.query.get("request_uri", "").rpartition(":")[2], self.plane.targets.consent
        refuses = "deny" in request.query
        try:
            record = consent.deny(session) if refuses else consent.give(session)
        except Refusal as refusal:
            return web.Response(text=f"{refusal.message}\n", status=400)
        done = "refused" if refuses else "given"
        return web.Response(text=f"Consent {done} for target {record.name}. You can close this page.\n")

    async def _control(self, request: web.Request) -> web.Response:
        """Serve settings, faults and the journal, for tests and for experiments."""
        try:
            value: Any = await request.json() if request.can_read_body else {}
            found = controlled(self.plane, request.method, request.match_info["what"], value)
        except KeyError as error:
            return web.json_response({"error": f"member {error} is missing; see docs/sandbox.md"}, status=400)
        except (TypeError, ValueError) as error:
            return web.json_response({"error": f"{error}; see docs/sandbox.md"}, status=400)
        if found is None:
            return web.json_response({"error": "there is no such control; see docs/sandbox.md"}, status=404)
        return web.json_response(found, dumps=_dumps)


@web.middleware
async def _for_this_machine(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests to foreign host names: a web page whose name resolves to loopback must not use the sandbox."""
    try:
        meant = is_loopback(f"http://{request.headers.get('Host', '')}")
    except ValueError:
        meant = False
    if not meant:
        return web.Response(text="the sandbox answers to names of this machine only\n", status=421)
    return await handler(request)


def _dumps(value: Any) -> str:
    return json.dumps(value, default=lambda one: sorted(one) if isinstance(one, frozenset) else str(one))


def _elements(members: Mapping[str, Any]) -> str:
    """Return members as XML."""
    return "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in members.items())


def _refused(refusal: Refusal) -> web.Response:
    body = {"__type": refusal.code, "message": refusal.message, **refusal.members}
    return web.json_response(body, status=refusal.status, headers={"x-amzn-ErrorType": refusal.code})


def _json_1_1(body: dict[str, Any]) -> web.Response:
    text = json.dumps(body, default=lambda value: value.timestamp())
    return web.Response(text=text, content_type="application/x-amz-json-1.1")
