"""The aiobotocore clients of an execution environment: a session with a client per service, on one event loop.

The clients that every run needs are opened at once, all others on first use.
"""

import os
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from copy import deepcopy
from typing import Any

import anyio
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError

from infra import models
from infra.aws import CLIENT_CONFIG, PACED, Aws
from infra.pace import Pace
from infra.redaction import Redaction
from infra.service_model import CONTROL_PLANE
from infra.settings import SettingsError, is_loopback
from infra.unmodeled import preserve

#: Defaults for a sandbox on this machine; real endpoints would refuse them.
_SANDBOX_REGION = "us-east-1"
_SANDBOX_KEY = "sandbox"
_SANDBOX_ACCOUNT = "000000000000"


class _OneTry(AIOHTTPSession):  # type: ignore[misc]
    """Sends a request exactly once. aiohttp would repeat a GET, PUT or DELETE if the connection breaks.

    Updates and synchronizations are PUT requests here, and a request that took effect must not take effect twice.
    """

    async def _get_session(self, proxy_url: str | None) -> Any:
        session = await super()._get_session(proxy_url)
        session._retry_connection = False  # noqa: SLF001 - aiohttp has no public option for this
        return session


async def open_clients(
    stack: AsyncExitStack, redaction: Redaction, *, workers: int = 1, account: str = "", at_once: tuple[str, ...] = ()
) -> Aws:
    """Return the clients, opened on first use; the exit stack closes them. Standard AWS settings apply.

    `at_once` names services that are opened now, in addition to AgentCore. `account` is what the settings state. For an
    endpoint on loopback, a missing Region and missing credentials are replaced by placeholders. Raises SettingsError.
    """
    with _settings_checked():
        session = get_session()
        session.register_component("data_loader", models.loader())
        configured = session.get_config_variable("region")
    local = is_loopback(os.environ.get("AWS_ENDPOINT_URL"))
    local = local or is_loopback(os.environ.get("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL"))
    # botocore itself ignores AWS_REGION, which every other AWS tool prefers.
    region = os.environ.get("AWS_REGION") or configured
    region = region or (_SANDBOX_REGION if local else None)
    if not region:
        raise SettingsError("no Region is set: set AWS_REGION, or a region in your AWS profile")
    with _settings_checked():
        credentials = await session.get_credentials() if not local or _has_credentials() else None
    keys: dict[str, Any] = {}
    if credentials is None and local:
        keys = {"aws_access_key_id": _SANDBOX_KEY, "aws_secret_access_key": _SANDBOX_KEY}
    # botocore modifies the configuration that it receives.
    config = AioConfig(http_session_cls=_OneTry, **deepcopy(dict(CLIENT_CONFIG)))
    clients: dict[str, Any] = {}
    opening = anyio.Lock()

    async def client(service: str) -> Any:
        async with opening:
            if service not in clients:
                made = session.create_client(service, region_name=region, config=config, **keys)
                with _settings_checked():
                    clients[service] = await stack.enter_async_context(made)
                if service in PACED:
                    preserve(clients[service])
        return clients[service]

    for service in (CONTROL_PLANE, *at_once):
        await client(service)
    variables = {"AWS_ACCOUNT_ID": os.environ.get("AWS_ACCOUNT_ID", ""), "GATEWRIGHT_ACCOUNT_ID": account}
    stated = {name: value for name, value in variables.items() if value}
    # The account of a Lambda function is that of its role. Anywhere else a variable may be left over from other
    # credentials, so it is only compared with what the credentials say.
    known = {"account": account} if account and "AWS_LAMBDA_FUNCTION_NAME" in os.environ else {}
    default = next(iter(stated.values()), _SANDBOX_ACCOUNT) if local else None
    renew = credentials.get_frozen_credentials if credentials is not None else None
    return Aws(client, str(region), Pace(1.0 / workers), redaction, known, default, stated, renew)


@contextmanager
def _settings_checked() -> Iterator[None]:
    """Raise SettingsError if the client library rejects the settings, and name the AWS variables that are set.

    The library raises BotoCoreError, or ValueError for an invalid endpoint or Region.
    """
    try:
        yield
    except (BotoCoreError, ValueError) as error:
        # List names only, because some of the values are secret.
        names = sorted(name for name in os.environ if name.startswith("AWS_") and not name.startswith("AWS_LAMBDA_"))
        raise SettingsError(f"the AWS client cannot be made: {error} (set here: {', '.join(names) or '-'})") from None


def _has_credentials() -> bool:
    """Return whether credentials are configured. For loopback, no metadata service is asked."""
    names = (
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    )
    return any(os.environ.get(name) for name in names)
