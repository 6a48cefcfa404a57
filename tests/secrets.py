"""The sentinel secrets of the suite, and the search for them in any spelling."""

import base64
import json
from urllib.parse import quote, quote_plus

#: Values that only the sandbox's Secrets Manager and the service's write-only members may hold.
SENTINELS = ("sandbox-payments-idp-secret", "sandbox-reports-secret", "sandbox-model-key", 'rotated "sentinel" & more')
#: What the sandbox's authorization URLs hold, and nothing else does.
CONSENT = "request_uri="


def encodings(secret: str) -> set[str]:
    return {
        secret,
        json.dumps(secret)[1:-1],
        quote(secret, safe=""),
        quote_plus(secret),
        base64.b64encode(secret.encode()).decode(),
    }


def secrets_in(*texts: str) -> list[str]:
    """Return the sentinels that stand in any of the texts, by number, so that the answer leaks nothing itself."""
    return [
        f"sentinel {number}"
        for number, secret in enumerate(SENTINELS)
        if any(spelling in text for spelling in encodings(secret) for text in texts)
    ]
