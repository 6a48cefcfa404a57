"""What every workflow is handed: the calls, the ledger, the time, and where to announce and to show progress."""

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
    """One line of progress: what begins, or how it ended, for one resource."""

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
    """The one explicit context, made by the composition root."""

    aws: Aws
    ledger: Ledger
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    settings: Settings = field(default_factory=Settings)
    #: The function, or the host, on which this runs: for people who ask who holds a stack.
    worker: str = ""
    #: Who may ask for what; None at a terminal, whose user acts with their own rights.
    grants: Grants | None = None
    announce: Callable[[str, Mapping[str, Any]], Awaitable[None]] = _unheard
    #: Asks for something as an event on the bus, as a schedule would.
    ask: Callable[[str, Mapping[str, Any]], Awaitable[None]] = _unheard
    #: Told of every run that returned: its outcome and its seconds.
    measure: Callable[[Mapping[str, Any], float], None] = _unmeasured
    progress: Callable[[Progress], None] = field(default=_unseen)
