"""Fault injection: each fault matches calls by operation, and has an effect and a number of repetitions."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from infra.sandbox.refusals import Refusal


class Effect(StrEnum):
    """The effect of a fault on a matching call."""

    THROTTLE = "THROTTLE"
    ERROR = "ERROR"
    LOST = "LOST"
    LOST_ANSWER = "LOST_ANSWER"
    REFUSE = "REFUSE"
    LATE = "LATE"
    AGAIN = "AGAIN"


#: The meaning of each effect.
EFFECTS: Mapping[Effect, str] = {
    Effect.THROTTLE: "429, without effect",
    Effect.ERROR: "500, without effect",
    Effect.LOST: "the connection breaks before the request arrives",
    Effect.LOST_ANSWER: "the request takes effect, then the connection breaks",
    Effect.REFUSE: "a given code and message, without effect",
    Effect.LATE: "the connection breaks; the request arrives some seconds later",
    Effect.AGAIN: "as LOST_ANSWER, and the request arrives a second time some seconds later",
}


class ConnectionLost(Exception):  # noqa: N818 - the caller's experience, not an error of the sandbox
    """The caller gets no response."""


class AnswerLost(ConnectionLost):
    """The caller gets no response, but the request took effect."""


@dataclass
class Fault:
    """Matches calls whose operation matches a glob: skips the first `skip`, then affects `times` calls (-1: all)."""

    operation: str
    effect: Effect
    times: int = 1
    skip: int = 0
    code: str = ""
    message: str = ""
    #: The delay of a request that arrives late.
    seconds: float = 30.0


@dataclass(frozen=True)
class Late:
    """A request that has not arrived yet."""

    at: float
    service: str
    operation: str
    params: Mapping[str, Any]


class Faults:
    """The active faults, in order, and the requests that they delay."""

    def __init__(self) -> None:
        self.all: list[Fault] = []
        self._late: list[Late] = []

    def add(self, fault: Fault) -> None:
        """Add a fault."""
        self.all.append(fault)

    def hold(self, fault: Fault | None, service: str, operation: str, params: Mapping[str, Any], now: float) -> None:
        """Keep a copy of the request if the fault makes the request arrive later."""
        if fault is not None and fault.effect in (Effect.LATE, Effect.AGAIN):
            self._late.append(Late(now + fault.seconds, service, operation, copy.deepcopy(dict(params))))

    def arrived(self, now: float) -> Iterator[Late]:
        """Yield the delayed requests that have arrived, in the order of arrival."""
        while due := [late for late in self._late if late.at <= now]:
            first = min(due, key=lambda late: late.at)
            self._late.remove(first)
            yield first

    def meet(self, operation: str) -> Fault | None:
        """Return the first fault that matches this call, and count the match."""
        for fault in self.all:
            if fault.times == 0 or not fnmatchcase(operation, fault.operation):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.times -= 1
            return fault
        return None


def before(fault: Fault | None) -> None:
    """Apply the effect that precedes the execution of the call. Raises Refusal or ConnectionLost."""
    if fault is None or fault.effect in (Effect.LOST_ANSWER, Effect.AGAIN):
        return
    match fault.effect:
        case Effect.THROTTLE:
            raise Refusal("ThrottlingException", fault.message or "Rate exceeded")
        case Effect.ERROR:
            raise Refusal("InternalServerException", fault.message or "Internal error")
        case Effect.REFUSE:
            raise Refusal(fault.code, fault.message)
        case _:
            raise ConnectionLost(fault.operation)


def after(fault: Fault | None) -> None:
    """Apply the effect that follows the execution of the call. Raises AnswerLost."""
    if fault is not None and fault.effect in (Effect.LOST_ANSWER, Effect.AGAIN):
        raise AnswerLost(fault.operation)
