"""Patience: when a request that does not move, and a consent that nobody gives, is given up. Nothing waits for ever.

It also publishes where people must consent, once for each URL. What it knows between runs is in the state of the
request.
"""

from dataclasses import dataclass, field, replace

from workflows.document.fingerprint import digest
from workflows.document.stack import Stack
from workflows.planner.failures import CREDENTIALS, consent_overdue, stuck
from workflows.planner.outcome import Outcome, ResourceStatus, Status
from workflows.records.request_state import ConsentWait, Mode, RequestState, Stall
from workflows.records.stack import StackRecord
from workflows.requests.answers import tell
from workflows.requests.context import Context
from workflows.requests.request import Request

#: Seconds between two looks at whether a person has consented: a tenth of the wait so far, within these.
_SOONEST, _LATEST = 30.0, 300.0


@dataclass
class Patience:
    """How a request waits, as of a run that began at `now` (seconds since the epoch) and found the stack's `record`."""

    request: Request
    record: StackRecord
    now: float
    #: Whether a rollback is under way; it has a time of its own.
    goes_back: bool = False
    _stall: Stall | None = field(default=None, init=False)

    def judge(self, outcome: Outcome, stack: Stack | None, limit: float) -> Outcome:
        """Return an outcome with what waited for too long given up.

        `limit` is in seconds without movement; for consent the document says how long.
        """
        return self._unless_overdue(self._unless_stuck(outcome, limit), stack)

    async def told(self, context: Context, outcome: Outcome) -> tuple[Outcome, ConsentWait | None]:
        """Announce where people must consent, once for each URL; return with it how people are waited for.

        It is told before it is remembered as told, so that a crash in between tells it twice and not never.
        """
        goes_on = outcome.status is Status.IN_PROGRESS
        moved = goes_on and _moved(outcome, self.record)
        if not outcome.asking and goes_on:
            return replace(outcome, news=moved), self._state.consent
        if not goes_on and outcome.status is not Status.AWAITING_CONSENT:
            return outcome, None
        before = self._waiting(outcome)
        now = before.publishing(_said(outcome))
        if now == before:
            return replace(outcome, news=moved), now
        return await tell(context, outcome), now

    @property
    def stall(self) -> Stall | None:
        """Since when nothing moves; None where the request does not wait for the service."""
        return self._stall

    def _unless_stuck(self, outcome: Outcome, limit: float) -> Outcome:
        """Give up what has not moved for too long; note since when it stands still."""
        if outcome.status is not Status.IN_PROGRESS:
            return outcome
        if any(warning.rule == CREDENTIALS for warning in outcome.warnings):
            return outcome  # nothing can be learned, so nothing can be judged
        before = self._state.stall
        if before is None or before.rollback != self.goes_back:
            before = Stall(self.now, rollback=self.goes_back)
        state = digest([[one.address, str(one.status), one.id, one.state] for one in outcome.results])
        self._stall = before.at(state, self.now)
        if not self._stall.overdue(limit, self.now):
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
        look_again = min(_LATEST, max(_SOONEST, round(waiting.waited(self.now) / 10)))
        return replace(outcome, retry_after=look_again)

    def _waiting(self, outcome: Outcome) -> ConsentWait:
        """Return how people are waited for as of an outcome."""
        before = self._state.consent
        if before is None or before.rollback != self.goes_back:
            before = ConsentWait(rollback=self.goes_back)
        synchronizes = self.request.mode is Mode.SYNCHRONIZE
        others = self.record.others_waiting(self.request.request_id) if synchronizes else []
        ready = [one.address for one in outcome.results if one.status is ResourceStatus.READY]
        return before.knowing(others).asking(outcome.asking, ready, self.now)

    @property
    def _state(self) -> RequestState:
        known = self.record.requests.get(self.request.request_id)
        return known or RequestState(self.request.request_id, self.request.mode)


def _said(outcome: Outcome) -> dict[str, str]:
    """Return digests of what an outcome publishes about consent, by address."""
    return {
        address: digest([str(outcome.status), str(asked.get("authorizationUrl", ""))])
        for address, asked in outcome.asking.items()
    }


def _moved(outcome: Outcome, record: StackRecord) -> bool:
    """Tell whether anything went on since the stack's last outcome: standing still is no news."""
    before = (record.outcome or {}).get("resources") or {}
    return {result.address: str(result.status) for result in outcome.results} != {
        address: one["status"] for address, one in before.items()
    }
