"""Digests and fingerprints: how declarations are compared and remembered without keeping what must not be kept."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

#: Longer strings are remembered by digest, so that a ledger item stays small and payloads are not copied about.
_LONG = 64


def canonical(value: Any) -> str:
    """Return JSON in which equal values are equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)


def digest(value: Any) -> str:
    """Return the SHA-256 of a JSON value, in hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def fingerprint(value: Any) -> Any:
    """Return a value of the same structure in which long strings are replaced by their digests."""
    if isinstance(value, str):
        return value if len(value) <= _LONG else f"sha256:{hashlib.sha256(value.encode()).hexdigest()}"
    if isinstance(value, Mapping):
        return {name: fingerprint(item) for name, item in value.items()}
    if isinstance(value, list):
        return [fingerprint(item) for item in value]
    return value


def client_token(*parts: Any) -> str:
    """Return a client token derived from what makes a creation the same one: 64 hex characters."""
    return digest(list(parts))
