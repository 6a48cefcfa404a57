"""What each fault of the proxy does: it keeps a request from arriving, or spoils what comes back, or both.

What a caller sees is what a real connection would show: aiohttp's exceptions, and bytes for botocore's parser. An
answer that a fault cannot spoil stays as it is.
"""

import errno
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import aiohttp
import anyio

from infra.aws import CALL_SECONDS, CLIENT_CONFIG
from tests.soak import spoiling
from tests.soak.behind import unchanged
from tests.soak.faults import Fault
from tests.soak.spoiling import refusal
from tests.soak.wire import Asked, Reply

if TYPE_CHECKING:
    from tests.soak.proxy import Proxy

Strike = Callable[["Proxy", Asked], Awaitable[Reply]]
_CONNECT = float(CLIENT_CONFIG["connect_timeout"])
_CLOCK = ("InvalidSignatureException", "RequestTimeTooSkewed", "RequestExpired")
#: Slow answers take so many seconds: some come before the caller's timeout, some after it.
_SLOW = (1.0, 30.0)


async def _unread() -> NoReturn:
    """Let the caller wait for an answer until it gives up."""
    await anyio.sleep(CALL_SECONDS)
    raise aiohttp.SocketTimeoutError("Timeout on reading data from socket")


async def _dropped(proxy: "Proxy", asked: Asked) -> Reply:
    match proxy.random.choice(("refused", "unconnected", "unread")):
        case "refused":
            raise aiohttp.ClientOSError(errno.ECONNREFUSED, "Cannot connect to host")
        case "unconnected":
            await anyio.sleep(_CONNECT)
            raise aiohttp.ConnectionTimeoutError(f"Connection timeout to host {asked.url.host}")
    return await _unread()


async def _reset(proxy: "Proxy", _: Asked) -> Reply:
    if proxy.random.random() < 0.5:
        raise aiohttp.ServerDisconnectedError
    raise aiohttp.ClientOSError(errno.ECONNRESET, "Connection reset by peer")


async def _reset_after(proxy: "Proxy", asked: Asked) -> Reply:
    proxy.answer(asked)
    return await _reset(proxy, asked)


async def _late(proxy: "Proxy", asked: Asked) -> Reply:
    proxy.arrives_late(asked)
    return await _unread()


async def _trouble(proxy: "Proxy", asked: Asked) -> Reply:
    return spoiling.trouble(proxy.random, asked)


async def _trouble_after(proxy: "Proxy", asked: Asked) -> Reply:
    proxy.answer(asked)
    return spoiling.trouble(proxy.random, asked)


async def _page(proxy: "Proxy", asked: Asked) -> Reply:
    """Have somebody in between answer, who passed the request on or did not."""
    if proxy.random.random() < 0.5:
        proxy.answer(asked)
    return spoiling.page(proxy.random)


async def _empty(proxy: "Proxy", asked: Asked) -> Reply:
    return _spoilt(proxy.answer(asked), spoiling.empty)


async def _cut(proxy: "Proxy", asked: Asked) -> Reply:
    return replace(proxy.answer(asked), cut=True)


async def _cut_json(proxy: "Proxy", asked: Asked) -> Reply:
    return _spoilt(proxy.answer(asked), lambda reply: spoiling.cut_off(proxy.random, reply))


async def _slow(proxy: "Proxy", asked: Asked) -> Reply:
    reply, seconds = proxy.answer(asked), proxy.random.uniform(*_SLOW)
    if seconds >= CALL_SECONDS:
        await _unread()
    await anyio.sleep(seconds)
    return reply


async def _odd(proxy: "Proxy", asked: Asked) -> Reply:
    return _spoilt(proxy.answer(asked), lambda reply: spoiling.odd(proxy.random, reply))


async def _throttled(proxy: "Proxy", asked: Asked) -> Reply:
    if asked.service == "dynamodb":
        code = proxy.random.choice(("ProvisionedThroughputExceededException", "ThrottlingException"))
        return refusal(asked, 400, code, "The level of configured provisioned throughput was exceeded")
    return refusal(asked, 429, "ThrottlingException", "Rate exceeded")


async def _expired(_: "Proxy", asked: Asked) -> Reply:
    message = "The security token included in the request is expired"
    return refusal(asked, 403, "ExpiredTokenException", message)


async def _skewed(proxy: "Proxy", asked: Asked) -> Reply:
    return refusal(asked, 403, proxy.random.choice(_CLOCK), "Signature expired: 20260101T000000Z is now earlier")


async def _lacks(proxy: "Proxy", asked: Asked) -> Reply:
    reply = proxy.answer(asked)
    return spoiling.without_one(proxy.random, reply) or reply


async def _without_effect(proxy: "Proxy", asked: Asked) -> Reply:
    return unchanged(proxy.random, proxy.plane, asked)


async def _not_found(proxy: "Proxy", asked: Asked) -> Reply:
    """Say once of something that exists that it does not."""
    reply = proxy.answer(asked)
    if reply.status != 200:
        return reply
    proxy.weather.denied.add(asked.what)
    return refusal(asked, 404, "ResourceNotFoundException", "The resource was not found")


async def _conflict(proxy: "Proxy", asked: Asked) -> Reply:
    """Cancel a transaction for one of its changes, which met another transaction or too many."""
    reasons = ["None"] * len(json.loads(asked.body)["TransactItems"])
    reasons[0] = proxy.random.choice(("TransactionConflict", "ThrottlingError"))
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{', '.join(reasons)}]"
    found = [{"Code": reason} for reason in reasons]
    return refusal(asked, 400, "TransactionCanceledException", message, CancellationReasons=found)


def _spoilt(reply: Reply, spoil: Callable[[Reply], Reply]) -> Reply:
    """Return a spoilt answer; a refusal, and an answer without a body, stays as it is."""
    return spoil(reply) if reply.status < 300 and reply.body else reply


DO: Mapping[Fault, Strike] = {
    Fault.DROPPED: _dropped,
    Fault.RESET: _reset,
    Fault.RESET_AFTER: _reset_after,
    Fault.LATE: _late,
    Fault.TROUBLE: _trouble,
    Fault.TROUBLE_AFTER: _trouble_after,
    Fault.PAGE: _page,
    Fault.EMPTY: _empty,
    Fault.CUT: _cut,
    Fault.CUT_JSON: _cut_json,
    Fault.SLOW: _slow,
    Fault.ODD: _odd,
    Fault.THROTTLED: _throttled,
    Fault.EXPIRED: _expired,
    Fault.SKEWED: _skewed,
    Fault.LACKS: _lacks,
    Fault.WITHOUT_EFFECT: _without_effect,
    Fault.NOT_FOUND: _not_found,
    Fault.CONFLICT: _conflict,
}
