"""Clients around other clients."""

from typing import Any


def operation_of(method: str) -> str:
    """Return the operation of a client's method."""
    return "".join(word.capitalize() for word in method.split("_"))


class ClientAround:
    """A client that passes calls on to another, whose service model it has."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def meta(self) -> Any:
        """The model of the service; None if the other client has none."""
        return getattr(self._client, "meta", None)
