"""Faults that the sandbox plays on request: each says which call it meets, what it does, and how often."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from infra.sandbox.refusals import Refusal


class Effect(StrEnum):
    """What a fault does to the call that it meets."""

    THROTTLE = "THROTTLE"  # 429, without effect
    ERROR = "ERROR"  # 500, without effect
    LOST = "LOST"  # the connection breaks before the request arrives
    LOST_ANSWER = "LOST_ANSWER"  # the request takes effect, then the connection breaks
    REFUSE = "REFUSE"  # a given code and message, without effect
    LATE = "LATE"  # the connection breaks; the request arrives some seconds later
    AGAIN = "AGAIN"  # it takes effect, the connection breaks, and it arrives once more some seconds later


class ConnectionLost(Exception):  # noqa: N818 - it is what the caller meets, not an error of the sandbox
    """The caller gets no answer."""


class AnswerLost(ConnectionLost):
    """The caller gets no answer, and the request took effect."""


@dataclass
class Fault:
    """Meets calls whose operation matches a glob, after letting `skip` of them pass, `times` times (-1: always)."""

    operation: str
    effect: Effect
    times: int = 1
    skip: int = 0
    code: str = ""
    message: str = ""
    #: For what comes late: how much later.
    seconds: float = 30.0


@dataclass(frozen=True)
class Late:
    """A request under way."""

    at: float
    service: str
    operation: str
    params: Mapping[str, Any]


class Faults:
    """The faults that are set, in order, and the requests that they hold back."""

    def __init__(self) -> None:
        self.all: list[Fault] = []
        self._late: list[Late] = []

    def add(self, fault: Fault) -> None:
        """Set a fault."""
        self.all.append(fault)

    def hold(self, fault: Fault | None, service: str, operation: str, params: Mapping[str, Any], now: float) -> None:
        """Keep a request that the fault lets arrive later."""
        if fault is not None and fault.effect in (Effect.LATE, Effect.AGAIN):
            self._late.append(Late(now + fault.seconds, service, operation, copy.deepcopy(dict(params))))

    def arrived(self, now: float) -> Iterator[Late]:
        """Yield what was held back and has arrived, in the order of arrival."""
        while due := [late for late in self._late if late.at <= now]:
            first = min(due, key=lambda late: late.at)
            self._late.remove(first)
            yield first

    def meet(self, operation: str) -> Fault | None:
        """Return the fault that this call meets, using it up."""
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
    """Play the part of a fault that comes before the call takes effect."""
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
    """Play the part of a fault that comes after the call took effect."""
    if fault is not None and fault.effect in (Effect.LOST_ANSWER, Effect.AGAIN):
        raise AnswerLost(fault.operation)
