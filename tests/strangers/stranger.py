"""Another server that speaks the service's protocol: written apart from the sandbox, sharing no code with it.

Its ids, page size, timing, statuses and error wording differ from the sandbox's wherever the protocol leaves that
open. It speaks neither STS nor rates, finishes some operations at once, and adds defaults of its own to reads.
"""

import json
import re
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

PAGE = 10
REGION = "eu-central-1"
ACCOUNT = "999988887777"


class Refused(Exception):  # noqa: N818 - an answer, not an error of the server
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class State:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.providers: dict[str, dict[str, Any]] = {}
        self.gateways: dict[str, dict[str, Any]] = {}
        self.targets: dict[str, dict[str, dict[str, Any]]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.secret = "stranger-secret-value"
        self.mutations: list[str] = []
        self.settle = 0.3

    def touch(self, one: dict[str, Any], status: str, then: str) -> None:
        one["status"], one["_then"], one["_at"] = status, then, time.monotonic() + self.settle
        one["updatedAt"] = time.time()

    def shown(self, one: dict[str, Any]) -> dict[str, Any]:
        if one.get("_then") and time.monotonic() >= one["_at"]:
            one["status"], one["_then"] = one["_then"], None
            one["updatedAt"] = time.time()
        return {name: value for name, value in one.items() if not name.startswith("_")}


def provider_arn(name: str) -> str:
    return f"arn:aws:bedrock-agentcore:{REGION}:{ACCOUNT}:token-vault/default/oauth2credentialprovider/{name}"


class Api:
    def __init__(self, state: State) -> None:
        self.state = state

    def identities(self, operation: str, body: dict[str, Any]) -> tuple[int, Any]:
        state, name = self.state, body.get("name", "")
        if operation == "CreateOauth2CredentialProvider":
            if name in state.providers:
                raise Refused(409, "ConflictException", f"The name {name} is in use")
            state.mutations.append(operation)
            state.providers[name] = body
            state.tags[provider_arn(name)] = body.get("tags", {})
            return 201, self.provider(name, whole=False)
        if operation == "ListOauth2CredentialProviders":
            return 200, {"credentialProviders": [self.provider(one) for one in state.providers]}
        if name not in state.providers:
            raise Refused(404, "ResourceNotFoundException", "no such provider")
        if operation == "GetOauth2CredentialProvider":
            return 200, self.provider(name)
        state.mutations.append(operation)
        if operation == "UpdateOauth2CredentialProvider":
            state.providers[name] |= body
            return 200, self.provider(name)
        del state.providers[name]
        return 204, None

    def provider(self, name: str, *, whole: bool = True) -> dict[str, Any]:
        body = self.state.providers[name]
        arm, config = next(iter(body["oauth2ProviderConfigInput"].items()))
        shown = {
            key: value for key, value in config.items() if key in ("oauthDiscovery", "clientId", "privateEndpoint")
        }
        # No status: as before the service became asynchronous.
        answer = {
            "name": name,
            "credentialProviderArn": provider_arn(name),
            "clientSecretArn": {"secretArn": "arn:aws:secretsmanager:eu-central-1:999988887777:secret:x"},
            "callbackUrl": f"https://callback.example.com/{name}",
            "oauth2ProviderConfigOutput": {arm: shown},
        }
        late = {
            "credentialProviderVendor": body["credentialProviderVendor"],
            "createdTime": 1.0,
            "lastUpdatedTime": 2.0,
        }
        return answer | late if whole else answer

    def gateways(
        self, method: str, parts: list[str], query: dict[str, list[str]], body: dict[str, Any]
    ) -> tuple[int, Any]:
        state = self.state
        if not parts and method == "GET":
            return 200, self.page([self.summary(one) for one in state.gateways.values()], query)
        if not parts:
            if any(one["name"] == body["name"] for one in state.gateways.values()):
                raise Refused(
                    400, "ValidationException", f"A gateway called {body['name']} already exists in this Region"
                )
            state.mutations.append("CreateGateway")
            return 202, self.new_gateway(body)
        gateway = state.gateways.get(parts[0])
        if gateway is None:
            raise Refused(404, "ResourceNotFoundException", "gateway unknown")
        if len(parts) == 1:
            return self.gateway(method, gateway, body)
        if parts[1] == "synchronizeTargets":
            target = state.targets[parts[0]][body["targetIdList"][0]]
            state.mutations.append("SynchronizeGatewayTargets")
            state.touch(target, "SYNCHRONIZING", "READY")
            return 202, {"targets": [state.shown(target)]}
        return self.target(method, gateway, parts[2:], query, body)

    def new_gateway(self, body: dict[str, Any]) -> dict[str, Any]:
        gateway_id = f"gw-{uuid.uuid4().hex}-{uuid.uuid4().hex[:10]}"
        arn = f"arn:aws:bedrock-agentcore:{REGION}:{ACCOUNT}:gateway/{gateway_id}"
        kept = {name: value for name, value in body.items() if name not in ("clientToken", "tags")}
        made = {**kept, "gatewayId": gateway_id, "gatewayArn": arn, "createdAt": time.time(), "exceptionLevel": "DEBUG"}
        made["gatewayUrl"] = f"https://{gateway_id}.example.com"
        self.state.touch(made, "CREATING", "READY")
        self.state.gateways[gateway_id], self.state.targets[gateway_id] = made, {}
        self.state.tags[arn] = body.get("tags", {})
        return self.state.shown(made)

    def gateway(self, method: str, gateway: dict[str, Any], body: dict[str, Any]) -> tuple[int, Any]:
        state = self.state
        shown = state.shown(gateway)
        if method == "GET":
            return 200, shown
        if shown["status"] != "READY":
            raise Refused(409, "ConflictException", "The gateway is not ready")
        state.mutations.append("UpdateGateway" if method == "PUT" else "DeleteGateway")
        if method == "PUT":
            gateway |= body
            state.touch(gateway, "UPDATING", "READY")
            return 202, state.shown(gateway)
        if state.targets[gateway["gatewayId"]]:
            raise Refused(400, "ValidationException", "the gateway still has targets")
        del state.gateways[gateway["gatewayId"]]
        return 202, {"gatewayId": gateway["gatewayId"], "status": "DELETING"}

    def target(
        self, method: str, gateway: dict[str, Any], parts: list[str], query: dict[str, list[str]], body: dict[str, Any]
    ) -> tuple[int, Any]:
        state, targets = self.state, self.state.targets[gateway["gatewayId"]]
        if not parts and method == "GET":
            return 200, self.page([self.summary(one) for one in targets.values()], query)
        if method != "GET" and sum(state.shown(one)["status"].endswith("ING") for one in targets.values()) >= 5:
            raise Refused(429, "ThrottlingException", "slow down: five at a time")
        if not parts:
            if state.shown(gateway)["status"] != "READY":
                raise Refused(409, "ConflictException", "The gateway is not ready")
            if any(one["name"] == body["name"] for one in targets.values()):
                raise Refused(400, "ValidationException", "target names must be unique: duplicate name")
            state.mutations.append("CreateGatewayTarget")
            return 202, self.new_target(gateway, body)
        if parts[0] not in targets:
            raise Refused(404, "ResourceNotFoundException", "target unknown")
        one = targets[parts[0]]
        if method == "GET":
            return 200, state.shown(one)
        state.mutations.append("UpdateGatewayTarget" if method == "PUT" else "DeleteGatewayTarget")
        if method == "PUT":
            one |= body
            state.touch(one, "UPDATING", "READY")
            return 202, state.shown(one)
        del targets[parts[0]]
        return 202, {"gatewayArn": gateway["gatewayArn"], "targetId": parts[0], "status": "DELETING"}

    def new_target(self, gateway: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        target_id = f"T-{uuid.uuid4()}"
        kept = {name: value for name, value in body.items() if name != "clientToken"}
        made = {"credentialProviderConfigurations": [], **kept, "targetId": target_id, "createdAt": time.time()}
        made |= {"gatewayArn": gateway["gatewayArn"], "protocolType": "MCP", "metadataConfiguration": {}}
        self.state.targets[gateway["gatewayId"]][target_id] = made
        # Every other target is READY in the answer already.
        if len(self.state.targets[gateway["gatewayId"]]) % 2:
            self.state.touch(made, "CREATING", "READY")
        else:
            made |= {"status": "READY", "updatedAt": time.time()}
        return self.state.shown(made)

    def summary(self, one: dict[str, Any]) -> dict[str, Any]:
        shown = self.state.shown(one)
        names = ("gatewayId", "targetId", "name", "status", "createdAt", "updatedAt", "authorizerType", "description")
        return {name: shown[name] for name in names if name in shown}

    def page(self, items: list[dict[str, Any]], query: dict[str, list[str]]) -> dict[str, Any]:
        start = int(query.get("nextToken", ["token-0"])[0].removeprefix("token-"))
        answer: dict[str, Any] = {"items": items[start : start + PAGE]}
        if start + PAGE < len(items):
            answer["nextToken"] = f"token-{start + PAGE}"
        return answer


def handler(state: State) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - one class, made for one state
    api = Api(state)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                with state.lock:
                    status, body = self.route(raw)
            except Refused as refused:
                status, body = refused.status, {"message": refused.message, "code": refused.code}
                self.code = refused.code
            text = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            if status >= 400:
                self.send_header("x-amzn-ErrorType", f"{self.code}:http://internal.amazon.com/coral/")
            self.end_headers()
            self.wfile.write(text)

        def route(self, raw: bytes) -> tuple[int, Any]:
            url = urlsplit(self.path)
            query = parse_qs(url.query)
            target = self.headers.get("X-Amz-Target", "")
            if target == "secretsmanager.GetSecretValue":
                secret = json.dumps({"clientSecret": state.secret})
                return 200, {"ARN": "x", "Name": "x", "VersionId": "v" * 32, "SecretString": secret}
            if target == "secretsmanager.DescribeSecret":
                return 200, {"ARN": "x", "Name": "x", "VersionIdsToStages": {"v" * 32: ["AWSCURRENT"]}}
            body = json.loads(raw) if raw and "json" in (self.headers.get("Content-Type") or "json") else {}
            found = re.fullmatch(r"/identities/(\w+)", url.path)
            if found:
                return api.identities(found[1], body)
            if url.path.startswith("/gateways"):
                parts = [unquote(part) for part in url.path.removeprefix("/gateways").split("/") if part]
                return api.gateways(self.command, parts, query, body)
            if url.path.startswith("/tags/"):
                arn = unquote(url.path.removeprefix("/tags/"))
                if self.command == "POST":
                    state.mutations.append("TagResource")
                    state.tags[arn] |= body["tags"]
                    return 204, None
                return 200, {"tags": state.tags[arn]}
            raise Refused(404, "UnknownOperationException", "not spoken here")

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - http.server's names

    return Handler


class Stranger:
    """The server, on loopback, in a thread."""

    def __init__(self) -> None:
        self.state = State()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self.state))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
