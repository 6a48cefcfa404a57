"""Faults that the sandbox plays on request: each says which call it meets, what it does, and how often."""

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from infra.sandbox.refusals import Refusal


class Effect(StrEnum):
    """What a fault does to the call that it meets."""

    THROTTLE = "THROTTLE"  # 429, without effect
    ERROR = "ERROR"  # 500, without effect
    LOST = "LOST"  # the connection breaks before the request arrives
    LOST_ANSWER = "LOST_ANSWER"  # the request takes effect, then the connection breaks
    REFUSE = "REFUSE"  # a given code and message, without effect


class ConnectionLost(Exception):  # noqa: N818 - it is what the caller meets, not an error of the sandbox
    """The caller gets no answer."""


@dataclass
class Fault:
    """Meets calls whose operation matches a glob, after letting `skip` of them pass, `times` times (-1: always)."""

    operation: str
    effect: Effect
    times: int = 1
    skip: int = 0
    code: str = ""
    message: str = ""


class Faults:
    """The faults that are set, in order."""

    def __init__(self) -> None:
        self.all: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Set a fault."""
        self.all.append(fault)

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
    if fault is None or fault.effect is Effect.LOST_ANSWER:
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
