"""Keeps secrets out of every text: what was resolved in this process is blotted out wherever it turns up."""

import base64
import json
import re
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote, quote_plus

BLOT = "***"
_SHORTEST = 4
#: Fewer letters of a base64 text may stand there by chance.
_LEAST_BASE64 = 6
#: Members whose values never reach a log, whoever puts them there. Consent URLs act as bearer tokens.
HIDDEN_MEMBERS = frozenset({
    "authorizationurl", "clientsecret", "apikey", "secretstring", "clienttoken", "authorization", "customparameters",
    "environmentvariables", "additionalheaderclaims", "additionalpayloadclaims", "staticqueryparameters", "password",
    "x-amz-security-token",
})  # fmt: skip


def spellings(secret: str) -> set[str]:
    """Return the spellings of a secret in JSON, URLs, HTML, Python, hexadecimal and any place of any base64 text."""
    import html  # noqa: PLC0415 - its table of names is off the cold path

    octets = secret.encode("utf-8", "surrogatepass")
    as_json = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    as_json |= {one.replace("/", "\\/") for one in as_json}
    # Some writers escape what HTML or scripts might read, and write their hexadecimal large.
    as_json |= {re.sub("[<>&=']", lambda found: f"\\u{ord(found[0]):04x}", one) for one in as_json}
    as_json |= {re.sub(r"\\u[0-9a-f]{4}", lambda found: "\\u" + found[0][2:].upper(), one) for one in as_json}
    as_json |= {json.dumps(one)[1:-1] for one in as_json}
    in_urls = {quote(octets, safe=""), quote(octets), quote_plus(octets)}
    in_urls |= {re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), one) for one in in_urls}
    in_base64 = {text for shift in range(3) for text in _in_base64(octets, shift)}
    others = {repr(secret)[1:-1], html.escape(secret), html.escape(secret, quote=False), octets.hex()}
    return {one for one in {secret, *as_json, *in_urls, *in_base64, *others} if len(one) >= _SHORTEST}


def _in_base64(octets: bytes, shift: int) -> Iterator[str]:
    """Yield how octets are written when so many others stand before them: all letters that no neighbour changes."""
    whole = base64.b64encode(bytes(shift) + octets).decode()
    if not shift:
        yield from (whole, base64.urlsafe_b64encode(octets).decode())
    # Of the first letters some bits, and of the last group some letters, belong to what stands around.
    inner = whole.rstrip("=")[(0, 2, 3)[shift] :]
    inner = inner[: len(inner) - (1 if (shift + len(octets)) % 3 else 0)]
    if len(inner) >= _LEAST_BASE64:
        yield from (inner, inner.replace("+", "-").replace("/", "_"))


class Redaction:
    """The secrets that this process has seen, each in the spellings in which it could leak."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        #: The longest first, so that no part of one is left beside another.
        self._spellings: list[str] = []

    def add(self, secret: str) -> None:
        """Blot a value out from now on. Values under four characters would blot out innocent text."""
        if len(secret) >= _SHORTEST and secret not in self._secrets:
            self._secrets.add(secret)
            self._spellings = sorted({*self._spellings, *spellings(secret)}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        for spelling in self._spellings:
            text = text.replace(spelling, BLOT)
        return text

    def value(self, value: Any) -> Any:
        """Return a copy of a value without secrets, members that are never shown included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self._member(str(name), item) for name, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item) for item in value]
        if isinstance(value, BaseException):
            return self.text(f"{type(value).__name__}: {value}")
        # Whatever else it is would be written as its text.
        return value if value is None or isinstance(value, bool | int | float) else self.text(str(value))

    def processor(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Redact a structlog event; first in the chain."""
        for name in list(event):
            event[name] = self._member(name, event[name])
        return event

    def _member(self, name: str, value: Any) -> Any:
        return BLOT if name.lower() in HIDDEN_MEMBERS and value else self.value(value)
