"""Where the contract is tried: the plane in process, its HTTP server, moto, and a real account where one is given."""

import json
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError
from moto.moto_api import state_manager

from infra import models
from infra.sandbox.answers import UNKEPT
from infra.sandbox.behaviour import Behaviour
from infra.sandbox.client import InProcessClient
from infra.sandbox.plane import Plane
from infra.sandbox.response_types import output_type
from infra.sandbox.server import SandboxServer
from infra.sandbox.world import Failure
from infra.service_model import CONTROL_PLANE
from infra.settings import is_loopback
from infra.unmodeled import preserve
from tests.documents import ROLE
from tests.live.recording import Recorder
from tests.tables import session

MOVING = frozenset({"CREATING", "UPDATING", "DELETING", "SYNCHRONIZING"})
ACCOUNT = "GATEWRIGHT_CONTRACT_ACCOUNT"
#: The file in which a live run records calls, and how many calls it may send.
RECORD, BUDGET = "GATEWRIGHT_LIVE_RECORD", "GATEWRIGHT_LIVE_BUDGET"
PREFIXES = ("gwc-", "gwl-")


@dataclass
class Service:
    """A control plane under contract, and how it is arranged."""

    client: Any
    where: str
    role: str = ROLE
    #: An MCP server that lets anybody in, and how it is that the creation of a target fails.
    endpoint: str = "https://ledger.example.com/mcp"
    bad_endpoint: str = "https://nowhere.example.com/mcp"
    interval: float = 0.2
    #: Seconds within which an operation ends.
    patience: float = 600.0
    pause: Callable[[float], Awaitable[None]] = anyio.sleep
    #: What every gateway is given beside what a test is about.
    gateways: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = field(default_factory=lambda: f"gwc-{uuid.uuid4().hex[:8]}")
    plane: Plane | None = None

    def name(self, what: str) -> str:
        return f"{self.prefix}-{what}"

    def mcp(self, **server: Any) -> dict[str, Any]:
        return {"mcp": {"mcpServer": {"endpoint": self.endpoint, **server}}}

    def shape(self, what: str = "g", **more: Any) -> dict[str, Any]:
        """Return what a gateway is declared as."""
        return {"name": self.name(what), "roleArn": self.role, "authorizerType": "AWS_IAM", **self.gateways, **more}

    async def gateway(self, what: str = "g", **more: Any) -> str:
        """Make a gateway and return its id at once."""
        return str((await self.client.create_gateway(**self.shape(what, **more)))["gatewayId"])

    async def ready_gateway(self, what: str = "g", **more: Any) -> str:
        gateway_id = await self.gateway(what, **more)
        assert (await self.rest(self.client.get_gateway, gatewayIdentifier=gateway_id))["status"] == "READY"
        return gateway_id

    async def target(self, gateway_id: str, name: str = "t", **more: Any) -> str:
        """Make a target and return its id at once."""
        shape = {"targetConfiguration": self.mcp(), **more}
        made = await self.client.create_gateway_target(gatewayIdentifier=gateway_id, name=name, **shape)
        return str(made["targetId"])

    async def rest(self, get: Callable[..., Awaitable[Mapping[str, Any]]], **address: Any) -> Mapping[str, Any]:
        """Return what Get shows as soon as no request is in progress."""
        with anyio.fail_after(self.patience):
            while (shown := await get(**address)).get("status", "READY") in MOVING:
                await self.pause(self.interval)
        return shown

    async def target_at_rest(self, gateway_id: str, target_id: str) -> Mapping[str, Any]:
        return await self.rest(self.client.get_gateway_target, gatewayIdentifier=gateway_id, targetId=target_id)

    async def gone(self, get: Callable[..., Awaitable[Mapping[str, Any]]], **address: Any) -> None:
        """Wait until Get answers that there is no such thing."""
        with anyio.fail_after(self.patience):
            while True:
                try:
                    await get(**address)
                except ClientError as error:
                    if error.response["Error"]["Code"] == "ResourceNotFoundException":
                        return
                    raise
                await self.pause(self.interval)

    def fails(self, name: str) -> dict[str, Any]:
        """Return the configuration of a target whose creation fails."""
        if self.plane is not None:
            self.plane.world.failing[name] = Failure(-1, "The endpoint cannot be reached")
        return {"mcp": {"mcpServer": {"endpoint": self.bad_endpoint}}}


def misfits(operation: str, answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what of an answer is not as the service model says, except what the service itself does not keep."""
    found = output_type(operation).faults({name: one for name, one in answer.items() if name != "ResponseMetadata"})
    return [(str(one.path[-1]), one.kind) for one in found if (one.path[-1], one.kind) not in UNKEPT]


async def refusal(awaitable: Awaitable[Any]) -> tuple[str, str]:
    """Return the code and the text of a refusal."""
    with pytest.raises(ClientError) as caught:
        await awaitable
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


@asynccontextmanager
async def in_process() -> AsyncIterator[Service]:
    plane = Plane(anyio.current_time, Behaviour(limit_rates=False))
    yield Service(InProcessClient(plane, CONTROL_PLANE, 0.01), "in process", plane=plane)


@asynccontextmanager
async def over_http() -> AsyncIterator[Service]:
    """The sandbox over sockets; its clock moves when a test waits, so that no test is early or late by chance."""
    now = [0.0]

    async def pause(seconds: float) -> None:
        now[0] += seconds

    server = SandboxServer(Behaviour(limit_rates=False), clock=lambda: now[0])
    url = await server.start()
    config = AioConfig(retries={"max_attempts": 0})
    keys = {"aws_access_key_id": "sandbox", "aws_secret_access_key": "sandbox"}
    made = session().create_client(CONTROL_PLANE, "us-east-1", endpoint_url=url, config=config, **keys)
    try:
        async with made as client:
            yield Service(client, "over HTTP", pause=pause, plane=server.plane)
    finally:
        await server.stop()


#: What changes in moto by being looked at, two looks a change, for as long as a test runs.
_MOVES = ("gateway", "gateway_target", "agent_runtime")


@asynccontextmanager
async def in_moto(url: str) -> AsyncIterator[Service]:
    """Yield the control plane that others wrote, moto's; time is how often it was looked at, there as here."""
    looks = 0
    for name in _MOVES:
        state_manager.set_transition(f"{CONTROL_PLANE}::{name}", {"progression": "manual", "times": 2})

    async def pause(seconds: float) -> None:
        nonlocal looks
        looks += 1
        assert looks < 20, "it stays as it is"

    config = AioConfig(retries={"max_attempts": 0})
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    made = get_session().create_client(CONTROL_PLANE, "us-east-1", endpoint_url=url, config=config, **keys)
    try:
        async with made as client:
            yield Service(client, "in moto", pause=pause, gateways={"protocolType": "MCP"})
    finally:
        for name in _MOVES:
            state_manager.unset_transition(f"{CONTROL_PLANE}::{name}")


@asynccontextmanager
async def in_an_account() -> AsyncIterator[Service]:
    """A real account: GATEWRIGHT_CONTRACT_ROLE is a gateway's role, GATEWRIGHT_CONTRACT_ENDPOINT an MCP server."""
    role, endpoint = (os.environ[f"GATEWRIGHT_CONTRACT_{name}"] for name in ("ROLE", "ENDPOINT"))
    async with _client() as client:
        recorder = _recorder()
        if recorder is not None:
            recorder.attach(client)
        local = is_loopback(os.environ.get("AWS_ENDPOINT_URL"))
        interval, patience = (0.1, 20.0) if local else (2.0, 600.0)
        # What every gateway there needs beside what a test is about, as JSON; moto wants a protocolType.
        beside = json.loads(os.environ.get("GATEWRIGHT_CONTRACT_GATEWAY", "{}"))
        service = Service(
            client, "in a real account", role, endpoint, gateways=beside, interval=interval, patience=patience
        )
        try:
            yield service
        finally:
            if recorder is not None:
                recorder.cleaning = True
            await clean(service, (service.prefix,))
            if recorder is not None:
                recorder.cleaning = False


@cache
def _recorder() -> Recorder | None:
    """Return the recorder of this process; None where nothing is recorded."""
    path = os.environ.get(RECORD)
    return Recorder(Path(path), int(os.environ[BUDGET])) if path else None


@asynccontextmanager
async def _client(environment: Mapping[str, str] | None = None) -> AsyncIterator[Any]:
    """Yield a client with the service models in force, which shows unknown members; settings from an environment."""
    # A server on this machine does not recover from an error by being asked again.
    local = is_loopback((environment or os.environ).get("AWS_ENDPOINT_URL"))
    config = AioConfig(retries={"mode": "standard", "max_attempts": 1 if local else 10})
    session = get_session()
    session.register_component("data_loader", models.loader())
    known = {
        "region_name": "AWS_DEFAULT_REGION", "endpoint_url": "AWS_ENDPOINT_URL",
        "aws_access_key_id": "AWS_ACCESS_KEY_ID", "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "aws_session_token": "AWS_SESSION_TOKEN",
    }  # fmt: skip
    keys = (
        {name: environment[variable] for name, variable in known.items() if variable in (environment or {})}
        if environment
        else {}
    )
    async with session.create_client(CONTROL_PLANE, config=config, **keys) as client:
        preserve(client)
        yield client


async def removed(environment: Mapping[str, str]) -> list[str]:
    """Remove whatever a live run left, and return the kinds of what is there all the same."""
    async with _client(environment) as client:
        local = is_loopback(environment.get("AWS_ENDPOINT_URL"))
        service = Service(client, "in a real account", interval=0.5, patience=20.0 if local else 600.0)
        await clean(service, PREFIXES)
        return [kind async for kind, _ in _left(service, PREFIXES)]


async def _left(service: Service, prefixes: tuple[str, ...]) -> AsyncIterator[tuple[str, str]]:
    """Yield kind and id of each resource whose name has one of the prefixes."""
    with suppress(ClientError):
        async for page in service.client.get_paginator("list_gateways").paginate():
            for gateway in page["items"]:
                if gateway["name"].startswith(prefixes):
                    yield "gateway", gateway["gatewayId"]
    with suppress(ClientError):
        async for page in service.client.get_paginator("list_oauth2_credential_providers").paginate():
            for provider in page["credentialProviders"]:
                if provider["name"].startswith(prefixes):
                    yield "provider", provider["name"]


async def clean(service: Service, prefixes: tuple[str, ...]) -> None:
    """Remove whatever has one of the prefixes, children first."""
    with anyio.move_on_after(1.5 * service.patience):
        while left := [one async for one in _left(service, prefixes)]:
            for kind, identity in left:
                if kind == "gateway":
                    await _remove_gateway(service, identity)
                else:
                    with suppress(ClientError):
                        await service.client.delete_oauth2_credential_provider(name=identity)
            await service.pause(service.interval)


async def _remove_gateway(service: Service, gateway_id: str) -> None:
    client = service.client
    with anyio.move_on_after(service.patience):
        while targets := (await client.list_gateway_targets(gatewayIdentifier=gateway_id))["items"]:
            for target in targets:
                await _remove_target(service, gateway_id, target)
            await service.pause(service.interval)
        with suppress(ClientError):
            await client.delete_gateway(gatewayIdentifier=gateway_id)
            await service.gone(client.get_gateway, gatewayIdentifier=gateway_id)


async def _remove_target(service: Service, gateway_id: str, target: Mapping[str, Any]) -> None:
    """Delete a target; one that waits for consent and may not be deleted is made to need none first."""
    address = {"gatewayIdentifier": gateway_id, "targetId": target["targetId"]}
    try:
        await service.client.delete_gateway_target(**address)
    except ClientError:
        if str(target["status"]).endswith("_PENDING_AUTH"):
            with suppress(ClientError):
                plain = {"name": target["name"], "targetConfiguration": service.mcp()}
                await service.client.update_gateway_target(**address, **plain)
