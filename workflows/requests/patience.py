"""Timeouts of requests: a request without progress, or without consent, fails in the end. Nothing waits forever.

Also publishes the consent URLs, each URL once. The state between runs is stored in the `RequestState`.
"""

from dataclasses import dataclass, field, replace

from workflows.document.fingerprint import digest
from workflows.document.stack import CONSENT_TIMEOUT, Stack
from workflows.planner.failures import consent_overdue, consent_stuck, stuck
from workflows.planner.outcome import Outcome, ResourceStatus, Status
from workflows.records.request_state import ConsentWait, Mode, RequestState, Stall
from workflows.records.stack import StackRecord
from workflows.requests.answers import tell
from workflows.requests.context import Context
from workflows.requests.request import Request

#: Minimum and maximum of the seconds between two polls for consent, which are a tenth of the wait so far.
_SOONEST, _LATEST = 30.0, 300.0


@dataclass
class Patience:
    """The timers of a request, in a run that began at `now` (seconds since the epoch) with the stack's `record`."""

    request: Request
    record: StackRecord
    now: float
    #: Whether a rollback is in progress, which has separate timers.
    goes_back: bool = False
    #: When this run ended without any call that got through (seconds since the epoch); 0 for any other run.
    no_calls_until: float = field(default=0.0, init=False)
    _stall: Stall | None = field(default=None, init=False)

    def judge(self, outcome: Outcome, stack: Stack | None, limit: float) -> Outcome:
        """Return an outcome in which resources that waited for too long have failed.

        `limit` is in seconds without progress; the timeout for consent is in the document.
        """
        return self._unless_overdue(self._unless_stuck(outcome, limit), stack)

    async def told(self, context: Context, outcome: Outcome) -> tuple[Outcome, ConsentWait | None]:
        """Publish new consent URLs; return the outcome and the consent wait to record. Raises CallFailed.

        The outcome is published before the record says so: a crash in between publishes twice, and not never.
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
        """The stall timer; None where the request does not wait for the service."""
        return self._stall

    def _unless_stuck(self, outcome: Outcome, limit: float) -> Outcome:
        """Fail resources in progress after `limit` seconds without any change; otherwise keep the stall timer."""
        # A resource that is to be deleted and waits for consent ends at the timeout for consent, with all that waits
        # for its deletion.
        if outcome.status is not Status.IN_PROGRESS or _going(outcome):
            return outcome
        if outcome.without_calls:
            # No state was read, so that a stall cannot be detected; the timer starts again once calls get through.
            self.no_calls_until = self.now
            return outcome
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
        """Fail resources that nobody consented to in time; otherwise set the time of the next poll."""
        if outcome.status not in (Status.AWAITING_CONSENT, Status.IN_PROGRESS) or not outcome.asking:
            return outcome
        timeout = float(stack.consent_timeout if stack is not None else CONSENT_TIMEOUT)
        waiting, going = self._waiting(outcome), _going(outcome)
        late = {address for address in outcome.asking if waiting.overdue(address, timeout, self.now)}
        if outcome.status is Status.IN_PROGRESS:
            stuck_ones = late & going
            given_up = outcome.given_up(stuck_ones, lambda one: consent_stuck(one.address, one.reason, timeout))
            return given_up if stuck_ones else outcome
        if late:
            return outcome.given_up(late, lambda one: consent_overdue(one.address, timeout))
        look_again = min(_LATEST, max(_SOONEST, round(waiting.waited(self.now) / 10)))
        return replace(outcome, retry_after=look_again)

    def _waiting(self, outcome: Outcome) -> ConsentWait:
        """Return the consent wait as of an outcome."""
        before = self._state.consent
        if before is None or before.rollback != self.goes_back:
            before = ConsentWait(rollback=self.goes_back)
        others = self.record.others_waiting(self.request.request_id, self.request.mode)
        if self.request.mode is not Mode.SYNCHRONIZE:
            before = before.sharing(others)
        ready = [one.address for one in outcome.results if one.status is ResourceStatus.READY]
        return before.knowing(others).asking(outcome.asking, ready, self.now)

    @property
    def _state(self) -> RequestState:
        known = self.record.state_of(self.request.request_id, self.request.mode)
        return known or RequestState(self.request.request_id, self.request.mode)


def _going(outcome: Outcome) -> set[str]:
    """Return the addresses that shall not exist and that the service does not let go of before a person consents."""
    return {one.address for one in outcome.results if one.consent and one.status is ResourceStatus.IN_PROGRESS}


def _said(outcome: Outcome) -> dict[str, str]:
    """Return digests of the status and consent URL that an outcome publishes, by address."""
    return {
        address: digest([str(outcome.status), str(asked.get("authorizationUrl", ""))])
        for address, asked in outcome.asking.items()
    }


def _moved(outcome: Outcome, record: StackRecord) -> bool:
    """Return whether the status of any resource changed since the last outcome; without a change none is published."""
    before = (record.outcome or {}).get("resources") or {}
    return {result.address: str(result.status) for result in outcome.results} != {
        address: one["status"] for address, one in before.items()
    }
