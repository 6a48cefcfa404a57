"""Keeps secrets out of every text: what was resolved in this process is blotted out wherever it turns up."""

import base64
import json
from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import quote, quote_plus

BLOT = "***"
#: Members whose values never reach a log, whoever puts them there. Consent URLs act as bearer tokens.
HIDDEN_MEMBERS = frozenset({
    "authorizationurl", "clientsecret", "apikey", "secretstring", "clienttoken", "authorization", "customparameters",
    "environmentvariables", "additionalheaderclaims", "additionalpayloadclaims", "staticqueryparameters", "password",
    "x-amz-security-token",
})  # fmt: skip


class Redaction:
    """The secrets that this process has seen, each in the spellings in which it could leak."""

    def __init__(self) -> None:
        self._spellings: set[str] = set()

    def add(self, secret: str) -> None:
        """Blot a value out from now on. Values under four characters would blot out innocent text."""
        if len(secret) >= 4:
            encoded = base64.b64encode(secret.encode()).decode()
            self._spellings |= {
                secret,
                json.dumps(secret)[1:-1],
                quote(secret, safe=""),
                quote_plus(secret),
                encoded,
            }

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        for spelling in sorted(self._spellings, key=len, reverse=True):
            text = text.replace(spelling, BLOT)
        return text

    def value(self, value: Any) -> Any:
        """Return a copy of a value without secrets, members that are never shown included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {name: self._member(str(name), item) for name, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item) for item in value]
        if isinstance(value, BaseException):
            return self.text(f"{type(value).__name__}: {value}")
        return value

    def processor(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Redact a structlog event; first in the chain."""
        for name in list(event):
            event[name] = self._member(name, event[name])
        return event

    def _member(self, name: str, value: Any) -> Any:
        return BLOT if name.lower() in HIDDEN_MEMBERS and value else self.value(value)
