"""An S3 client of one document, whatever key is asked for; it may be replaced at any time."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class Held:
    """The document that stands there now."""

    document: Mapping[str, Any]

    async def get_object(self, **_: Any) -> dict[str, Any]:
        text = json.dumps(self.document).encode()
        return {"ContentLength": len(text), "Body": _Body(text)}


@dataclass
class _Body:
    text: bytes

    async def read(self) -> bytes:
        return self.text
