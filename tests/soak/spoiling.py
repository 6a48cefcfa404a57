"""What a fault does to the bytes of an answer, and the refusals that do not come from the service itself."""

import json
from dataclasses import replace
from html import escape
from random import Random
from typing import Any

from tests.soak.wire import Asked, Reply

#: Pages of proxies and of captive portals; one is not in the encoding that it should be in.
PAGES = (
    b"<!DOCTYPE html><html><body>Sign in to continue</body></html>",
    "<html><body>Zugriff verweigert \xfcber Proxy</body></html>".encode("latin-1"),
)
#: What stands in front of a service says in its place; not every one of them is a JSON object.
TROUBLE = (
    b'{"message": "Internal error"}',
    b"<html>502 Bad Gateway</html>",
    b"",
    b"null",
    b'"down"',
    b"[]",
)
_ODD: tuple[Any, ...] = (None, 5, -1.5, True, "odd", [], {}, ["odd"], {"odd": 1})
_JSON, _HTML = "application/json", "text/html"
_STS = "https://sts.amazonaws.com/doc/2011-06-15/"


def page(random: Random) -> Reply:
    """Return the answer of somebody else than the service: HTML with 200."""
    return Reply(200, {"content-type": _HTML}, random.choice(PAGES))


def empty(reply: Reply) -> Reply:
    """Return an answer without any member."""
    return replace(reply, body=b"{}", headers={"content-type": _JSON})


def trouble(random: Random, asked: Asked) -> Reply:
    """Return a 5xx, with any body that such an answer has; of DynamoDB it is none that botocore cannot read."""
    bodies = TROUBLE[:3] if asked.service == "dynamodb" else TROUBLE
    return Reply(random.choice((500, 502, 503, 504)), {"content-type": _JSON}, random.choice(bodies))


def cut_off(random: Random, reply: Reply) -> Reply:
    """Return an answer that is whole as HTTP, and whose text ends too early."""
    return replace(reply, body=reply.body[: random.randrange(max(1, len(reply.body)))])


def odd(random: Random, reply: Reply) -> Reply:
    """Return an answer in which one value, or the whole, is of another JSON type."""
    try:
        value = json.loads(reply.body)
    except ValueError:
        return replace(reply, body=json.dumps(random.choice(_ODD)).encode())
    places = list(_places(value))
    if not places or random.random() < 0.1:
        return replace(reply, body=json.dumps(_other(random, value)).encode())
    inside, name = random.choice(places)
    inside[name] = _other(random, inside[name])
    return replace(reply, body=json.dumps(value).encode())


def _places(value: Any) -> Any:
    """Yield every map or list with every name or index in it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in list(inner):
        yield value, name
        yield from _places(item)


def _other(random: Random, value: Any) -> Any:
    return random.choice([one for one in _ODD if type(one) is not type(value)])


def without_one(random: Random, reply: Reply) -> Reply | None:
    """Return a list without one of its entries; None if there is nothing to leave out."""
    value = json.loads(reply.body or b"{}")
    lists = [one for one in value.values() if isinstance(one, list) and one] if isinstance(value, dict) else []
    if reply.status != 200 or not lists:
        return None
    del lists[0][random.randrange(len(lists[0]))]
    return replace(reply, body=json.dumps(value).encode())


def refusal(asked: Asked, status: int, code: str, message: str, **more: Any) -> Reply:
    """Return a refusal in the protocol of the service that was asked."""
    if asked.service == "sts":
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        text = f'<ErrorResponse xmlns="{_STS}">{error}</ErrorResponse>'
        return Reply(status, {"content-type": "text/xml"}, text.encode())
    body = json.dumps({"__type": code, "message": message, **more}).encode()
    return Reply(status, {"content-type": _JSON, "x-amzn-errortype": code}, body)
