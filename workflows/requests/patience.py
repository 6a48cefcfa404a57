"""Patience: when what does not move, and what nobody consents to, is given up. Nothing waits for ever.

It also tells where people must consent, once for each URL. What it knows between runs stands in the stack's item.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from infra.ledger import Item
from workflows.deciding.decide import Mode
from workflows.deciding.failures import consent_overdue, stuck
from workflows.deciding.outcome import Outcome, ResourceStatus, Status
from workflows.document.stack import Stack
from workflows.requests.answers import tell
from workflows.requests.consent import Waiting
from workflows.requests.context import Context
from workflows.requests.request import Request
from workflows.requests.standing import Standing


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
        outcome, left = await self._told(context, outcome)
        return outcome, {**left, self._member: self._standing.item() if self._standing is not None else None}

    async def _told(self, context: Context, outcome: Outcome) -> tuple[Outcome, dict[str, Any]]:
        goes_on = outcome.status is Status.IN_PROGRESS
        moved = goes_on and _moved(outcome, self.item)
        if goes_on and not outcome.asking:
            return replace(outcome, news=moved), {}
        if not goes_on and outcome.status is not Status.AWAITING_CONSENT:
            return outcome, {self._consent: None}
        before = self._waiting(outcome)
        now = before.telling(outcome)
        left = {self._consent: now.item()}
        if now == before:
            return replace(outcome, news=moved), left
        return await tell(context, outcome), left

    def _unless_stuck(self, outcome: Outcome, limit: float) -> Outcome:
        """Give up what has not moved for too long; note since when it stands still."""
        if outcome.status is not Status.IN_PROGRESS:
            return outcome
        what = f"{self.request.request_id} rollback" if self.goes_back else self.request.request_id
        self._standing = Standing.read(self.item.get(self._member), what, self.now).seeing(outcome, self.now)
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
        if self.request.mode is Mode.SYNCHRONIZE:
            of = self.request.request_id
        return Waiting.read(self.item.get(self._consent), of).seeing(outcome, self.now)

    @property
    def _consent(self) -> str:
        """The member of the stack's item that says how people are waited for; a synchronization has its own."""
        return "synchronizationConsent" if self.request.mode is Mode.SYNCHRONIZE else "consent"

    @property
    def _member(self) -> str:
        """The member of the stack's item that says since when nothing moves; a synchronization has its own."""
        return "synchronizationStanding" if self.request.mode is Mode.SYNCHRONIZE else "standing"


def _moved(outcome: Outcome, item: Item) -> bool:
    """Tell whether anything went on since the stack's last outcome: standing still is no news."""
    before = (item.get("outcome") or {}).get("resources") or {}
    return {result.address: str(result.status) for result in outcome.results} != {
        address: one["status"] for address, one in before.items()
    }
