"""The dependencies of every workflow: AWS, ledger, clock, ids, publication of events, metrics and progress."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from infra.aws import Aws
from infra.ledger import Ledger
from infra.settings import Settings
from workflows.requests.authority import Grants


@dataclass(frozen=True)
class Progress:
    """A line of progress: the begin or the end of an event, for one resource."""

    address: str
    event: str
    detail: str = ""


def _unseen(progress: Progress) -> None:
    del progress


def _unmeasured(outcome: Mapping[str, Any], seconds: float) -> None:
    del outcome, seconds


async def _unheard(detail_type: str, detail: Mapping[str, Any]) -> None:
    del detail_type, detail


@dataclass(frozen=True)
class Context:
    """The explicit context, built by the composition root."""

    aws: Aws
    ledger: Ledger
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    settings: Settings = field(default_factory=Settings)
    #: The function or host of this process, shown to people who ask for the holder of a lease.
    worker: str = ""
    #: The grants to check; None at a terminal, where users act with their own IAM permissions.
    grants: Grants | None = None
    announce: Callable[[str, Mapping[str, Any]], Awaitable[None]] = _unheard
    #: Submits a request as an event on the bus, as a schedule would.
    ask: Callable[[str, Mapping[str, Any]], Awaitable[None]] = _unheard
    #: Receives the outcome and the duration in seconds of every run that returned.
    measure: Callable[[Mapping[str, Any], float], None] = _unmeasured
    progress: Callable[[Progress], None] = field(default=_unseen)
