"""Patience: when what does not move, and what nobody consents to, is given up. Nothing waits for ever.

It also tells where people must consent, once for each URL. What it knows between runs stands in the stack's item.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from infra.ledger import Item
from workflows.deciding.decision import Mode
from workflows.deciding.failures import CREDENTIALS, consent_overdue, stuck
from workflows.deciding.outcome import Outcome, ResourceStatus, Status
from workflows.document.stack import Stack
from workflows.requests.answers import tell
from workflows.requests.consent import Waiting
from workflows.requests.context import Context
from workflows.requests.request import Request
from workflows.requests.standing import Standing

#: Members of the stack's item: how people are waited for, and since when nothing moves.
WAITS, STANDING = "consentWaits", "standing"
#: Synchronizations of which the item holds that.
_MOST = 20


@dataclass
class Patience:
    """How a request waits, as of a run that began at `now` (seconds since the epoch) and found the stack's `item`."""

    request: Request
    generation: int
    item: Item
    now: float
    #: Whether a rollback is under way; it has a time of its own.
    goes_back: bool = False
    _standing: Standing | None = field(default=None, init=False)

    def judge(self, outcome: Outcome, stack: Stack | None, limit: float) -> Outcome:
        """Return an outcome with what waited for too long given up.

        `limit` is in seconds without movement; for consent the document says how long.
        """
        return self._unless_overdue(self._unless_stuck(outcome, limit), stack)

    async def told(self, context: Context, outcome: Outcome) -> tuple[Outcome, dict[str, Any]]:
        """Announce where people must consent, once for each URL; return with it what the stack's item holds of waiting.

        It is told before it is remembered as told, so that a crash in between tells it twice and not never.
        """
        outcome, waiting = await self._told(context, outcome)
        standing = self._standing.item() if self._standing is not None else None
        return outcome, {**self._left(WAITS, waiting), **self._left(STANDING, standing)}

    async def _told(self, context: Context, outcome: Outcome) -> tuple[Outcome, dict[str, Any] | None]:
        goes_on = outcome.status is Status.IN_PROGRESS
        moved = goes_on and _moved(outcome, self.item)
        if not outcome.asking and goes_on:
            waiting = self._held(WAITS)
            return replace(outcome, news=moved), dict(waiting) if waiting is not None else None
        if not goes_on and outcome.status is not Status.AWAITING_CONSENT:
            return outcome, None
        before = self._waiting(outcome)
        now = before.telling(outcome)
        if now == before:
            return replace(outcome, news=moved), now.item()
        return await tell(context, outcome), now.item()

    def _unless_stuck(self, outcome: Outcome, limit: float) -> Outcome:
        """Give up what has not moved for too long; note since when it stands still."""
        if outcome.status is not Status.IN_PROGRESS:
            return outcome
        if any(warning.rule == CREDENTIALS for warning in outcome.warnings):
            return outcome  # nothing can be learned, so nothing can be judged
        what = f"{self.request.request_id} rollback" if self.goes_back else self.request.request_id
        self._standing = Standing.read(self._held(STANDING), what, self.now).seeing(outcome, self.now)
        if not self._standing.overdue(limit, self.now):
            return outcome
        still = {one.address for one in outcome.results if one.status is ResourceStatus.IN_PROGRESS}
        return outcome.given_up(still, lambda one: stuck(one.address, one.reason, limit))

    def _unless_overdue(self, outcome: Outcome, stack: Stack | None) -> Outcome:
        """Give up what nobody consented to in time; else say when to look again."""
        if outcome.status is not Status.AWAITING_CONSENT or stack is None:
            return outcome
        waiting, timeout = self._waiting(outcome), float(stack.consent_timeout)
        late = {address for address in outcome.asking if waiting.overdue(address, timeout, self.now)}
        if late:
            return outcome.given_up(late, lambda one: consent_overdue(one.address, timeout))
        return replace(outcome, retry_after=waiting.look_again(self.now))

    def _waiting(self, outcome: Outcome) -> Waiting:
        of: int | str = f"{self.generation} rollback" if self.goes_back else self.generation
        if self._synchronizes:
            of = self.request.request_id
        others = self._of_others(WAITS).values()
        return Waiting.read(self._held(WAITS), of).knowing(others).seeing(outcome, self.now)

    def _held(self, member: str) -> dict[str, Any] | None:
        """Return what the stack's item holds of this request: of several synchronizations each has its own."""
        held: dict[str, Any] | None = self.item.get(self._name(member))
        return (held or {}).get(self.request.request_id) if self._synchronizes else held

    def _left(self, member: str, mine: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return what the stack's item is to hold of it."""
        if not self._synchronizes:
            return {member: mine}
        kept = {**self._of_others(member), **({self.request.request_id: mine} if mine is not None else {})}
        return {self._name(member): dict(list(kept.items())[-_MOST:]) or None}

    def _of_others(self, member: str) -> dict[str, Any]:
        """Return what the stack's item holds of other synchronizations than this one."""
        held = self.item.get(self._name(member)) or {} if self._synchronizes else {}
        return {request_id: one for request_id, one in held.items() if request_id != self.request.request_id}

    def _name(self, member: str) -> str:
        return f"synchronizations:{member}" if self._synchronizes else member

    @property
    def _synchronizes(self) -> bool:
        return self.request.mode is Mode.SYNCHRONIZE


def _moved(outcome: Outcome, item: Item) -> bool:
    """Tell whether anything went on since the stack's last outcome: standing still is no news."""
    before = (item.get("outcome") or {}).get("resources") or {}
    return {result.address: str(result.status) for result in outcome.results} != {
        address: one["status"] for address, one in before.items()
    }
