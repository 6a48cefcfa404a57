"""The control plane in process, with the method surface of aiobotocore clients, so that tests run on virtual time."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from botocore.exceptions import ClientError, ReadTimeoutError

from infra import service_model
from infra.sandbox.faults import ConnectionLost
from infra.sandbox.plane import Plane
from infra.sandbox.refusals import Refusal


def operation_of(method: str) -> str:
    """Return the operation of a client's method: CreateGateway for create_gateway."""
    return "".join(word.capitalize() for word in method.split("_"))


class InProcessClient:
    """Implements `client.create_gateway(...)` and every other method of a service on top of a plane."""

    #: In clients of aiobotocore, the service model and the endpoint. A plane has neither.
    meta: Any = None

    def __init__(self, plane: Plane, service: str, round_trip: float = 0.0) -> None:
        self._plane = plane
        self._service = service
        self._round_trip = round_trip

    def __getattr__(self, method: str) -> Callable[..., Awaitable[dict[str, Any]]]:
        """Return the coroutine function of an operation; the call itself checks the name."""
        operation = operation_of(method)

        async def call(**params: Any) -> dict[str, Any]:
            await anyio.sleep(self._round_trip)
            return dict(_copied(self._answer(operation, params)))

        return call

    def _answer(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        try:
            if self._service in (service_model.CONTROL_PLANE, service_model.AGENT_REGISTRY):
                body = self._plane.answer(operation, params, self._service)
            else:
                body = self._plane.answer_neighbour(self._service, operation, params)
        except Refusal as refusal:
            raise _client_error(refusal, operation) from None
        except ConnectionLost:
            # The caller cannot know whether the request took effect, so both cases raise the same exception.
            raise ReadTimeoutError(endpoint_url=f"https://{self._service}.sandbox") from None
        return {**body, "ResponseMetadata": {"HTTPStatusCode": 200}}


def _copied(value: Any) -> Any:
    """Return a copy that the caller may modify. Only dicts and lists are copied: the remaining types are immutable."""
    if isinstance(value, dict):
        return {name: _copied(one) for name, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list) else value


def _client_error(refusal: Refusal, operation: str) -> ClientError:
    error = {"Code": refusal.code, "Message": refusal.message}
    metadata = {"HTTPStatusCode": refusal.status}
    return ClientError({"Error": error, "ResponseMetadata": metadata, **refusal.members}, operation)
