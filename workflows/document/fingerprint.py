"""Digests and fingerprints, by which records compare declarations without copying long texts and payloads."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

#: Strings longer than this are recorded by digest, so ledger items stay small and do not copy payloads.
_LONG = 64


def canonical(value: Any) -> str:
    """Return canonical JSON: equal values give equal texts."""
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
    """Return the client token (64 hex characters) of the create request that the parts identify."""
    return digest(list(parts))
