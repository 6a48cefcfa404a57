"""Restrains unattended runs, which a schedule or an event started: synchronizations, repairs, rotations. Pure.

Such a run acts for whoever made the last accepted request, who may not be there to see it. So it replaces no resource
that a request would have to approve, and it does nothing that ends the consent of a person; it says what it would have
had to do.
"""

from workflows.kinds.status import Phase
from workflows.planner import failures
from workflows.planner.decision import Action, Decision, State

_ASKS_AGAIN = frozenset({Action.UPDATE, Action.REPLACE})


def restrained(state: State, decision: Decision) -> Decision:
    """Return the decision, or what an unattended run does in its place."""
    desired, observed = state.desired, state.observed
    if decision.action is Action.REPLACE and desired.needs_allow:
        return _failed(state, f"replacing this {desired.kind.noun} ({decision.reason})")
    consented = observed is not None and observed.meaning.phase is not Phase.AWAITING_CONSENT
    if not consented or not desired.kind.asks_consent(desired.declared or {}):
        return decision
    if decision.action is Action.SYNCHRONIZE:
        return Decision(Action.NONE, "skipped: a synchronization would ask a person for consent again")
    if decision.action in _ASKS_AGAIN:
        what = ", ".join(decision.paths) or decision.reason
        return _failed(state, f"a change that asks a person for consent again ({what})")
    return decision


def _failed(state: State, what: str) -> Decision:
    failure = failures.unattended(state.desired.address, what)
    return Decision(Action.FAIL, failure.message, failure=failure)
