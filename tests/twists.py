"""A world whose service gives answers that it should not give: each twist changes what one call answers or does."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import ClientError

from infra.sandbox.client import operation_of
from tests.clients import ClientAround
from tests.worlds import SandboxWorld
from workflows.requests.context import Context

Answer = dict[str, Any]


@dataclass
class Twist:
    """Changes the answers of the operations that fit a glob: after `skip` of them, `times` times (-1: always)."""

    operation: str
    change: Callable[[Answer, Mapping[str, Any]], Answer]
    times: int = 1
    skip: int = 0
    #: Whether the call has no effect: the change is given an empty answer then.
    instead: bool = False

    def meets(self, operation: str) -> bool:
        if self.times == 0 or not fnmatchcase(operation, self.operation):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


@dataclass
class TwistedWorld(SandboxWorld):
    """A sandbox world with twists, the first that fits a call being used."""

    twists: list[Twist] = field(default_factory=list)
    #: Renews the credentials of the worker.
    renew: Callable[[], Awaitable[Any]] | None = None

    def context(self) -> Context:
        made = super().context()
        return replace(made, aws=replace(made.aws, renew=self.renew))

    async def _open(self, service: str) -> Any:
        return _TwistedClient(await super()._open(service), self.twists)


class _TwistedClient(ClientAround):
    def __init__(self, client: Any, twists: list[Twist]) -> None:
        super().__init__(client)
        self._twists = twists

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Answer]]:
        operation = operation_of(method)

        async def call(**params: Any) -> Answer:
            twist = next((one for one in self._twists if one.meets(operation)), None)
            if twist is None:
                answer: Answer = await getattr(self._client, method)(**params)
                return answer
            answer = {} if twist.instead else await getattr(self._client, method)(**params)
            try:
                return twist.change(answer, params)
            except ClientError as error:
                error.operation_name = error.operation_name or operation
                raise

        return call


def lacks(list_member: str, name: str) -> Callable[[Answer, Mapping[str, Any]], Answer]:
    """Return the change of a list that does not show what bears a name."""
    return lambda answer, _: {**answer, list_member: [one for one in answer[list_member] if one["name"] != name]}


def without(*members: str) -> Callable[[Answer, Mapping[str, Any]], Answer]:
    """Return the change of an answer that has not all of its members."""
    return lambda answer, _: {name: value for name, value in answer.items() if name not in members}


def nothing(answer: Answer, params: Mapping[str, Any]) -> Answer:
    """Answer with nothing, as a page of HTML or an empty body is read."""
    del answer, params
    return {"ResponseMetadata": {"HTTPStatusCode": 200}}


def raising(error: Exception) -> Callable[[Answer, Mapping[str, Any]], Answer]:
    """Return the change of a call that raises an exception of the client library."""

    def fail(answer: Answer, params: Mapping[str, Any]) -> Answer:
        del answer, params
        raise error

    return fail


def refused(code: str, message: str = "refused", by: str = "") -> Callable[[Answer, Mapping[str, Any]], Answer]:
    """Return the change of a call that is refused; `by` names the operation if it is another than the call's own."""

    def refuse(answer: Answer, params: Mapping[str, Any]) -> Answer:
        del answer, params
        metadata = {"HTTPStatusCode": 404 if "NotFound" in code else 403}
        raise ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, by)

    return refuse
