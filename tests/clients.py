"""Clients around other clients."""

from typing import Any


class ClientAround:
    """A client that passes calls on to another, whose service model it has."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def meta(self) -> Any:
        """The model of the service; None if the other client has none."""
        return getattr(self._client, "meta", None)
