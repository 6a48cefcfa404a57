"""Statuses: the phase of the lifecycle that a status of the service stands for, and the remedy of a failure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """The phase of a resource's lifecycle that a status stands for."""

    SETTLED = "SETTLED"
    IN_PROGRESS = "IN_PROGRESS"
    FAILED = "FAILED"
    AWAITING_CONSENT = "AWAITING_CONSENT"


class Remedy(StrEnum):
    """The operation that repairs a resource in a failed status."""

    NONE = "NONE"
    CREATE_AGAIN = "CREATE_AGAIN"
    UPDATE_AGAIN = "UPDATE_AGAIN"
    SYNCHRONIZE_AGAIN = "SYNCHRONIZE_AGAIN"


@dataclass(frozen=True)
class Status:
    """The phase of a status that the service shows, and the remedy if the phase is FAILED."""

    phase: Phase
    remedy: Remedy = Remedy.NONE


SETTLED = Status(Phase.SETTLED)
IN_PROGRESS = Status(Phase.IN_PROGRESS)
AWAITING_CONSENT = Status(Phase.AWAITING_CONSENT)


def failed(remedy: Remedy) -> Status:
    """Return a Status of phase FAILED with a remedy."""
    return Status(Phase.FAILED, remedy)


#: The seven statuses that OAuth2 providers, runtimes, harnesses and registries have in common.
COMMON_STATUSES: Mapping[str, Status] = {
    "CREATING": IN_PROGRESS,
    "CREATE_FAILED": failed(Remedy.CREATE_AGAIN),
    "UPDATING": IN_PROGRESS,
    "UPDATE_FAILED": failed(Remedy.UPDATE_AGAIN),
    "READY": SETTLED,
    "DELETING": IN_PROGRESS,
    "DELETE_FAILED": failed(Remedy.NONE),
}
