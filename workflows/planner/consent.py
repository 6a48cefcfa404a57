"""Decides about a resource that waits for the consent of a person. Pure.

The service says little about such a resource, and reports differ (service-notes: consent). After its session has
expired it may fail or go on waiting, and meanwhile the service may take an update, a deletion, both or neither. What
holds in each case:

- A declared resource whose session has expired is updated with the same declaration, which issues a new authorization
  URL: at most TRIES updates for a request, and none after the service refused one.
- A resource that shall not exist is deleted. If the service refuses that, the resource is updated once to a form that
  asks for no consent (`Kind.without_consent`), and then deleted.
- Where the service refuses everything, CONSENT: the request waits until the timeout for consent ends it.
"""

from workflows.kinds.observed import ObservedState, seconds_of
from workflows.planner.decision import TRIES, Action, Decision, State
from workflows.records.operation import OpState, Verb
from workflows.records.resource import ResourceRecord

#: Seconds for which an authorization URL is valid (developer guide: a session lasts ten minutes).
SESSION_SECONDS = 600.0


def expires_at(observed: ObservedState, record: ResourceRecord) -> float | None:
    """Return when the authorization URL of a resource expires, in seconds since the epoch; None where unknown.

    The service does not show it: the session began with the last change of the resource, or with our last call.
    """
    last = record.log.last_update
    began = max(seconds_of(observed.updated), record.created_at, last.accepted_at if last is not None else 0.0)
    return began + SESSION_SECONDS if began else None


def awaited(state: State) -> Decision:
    """Decide about a declared resource that waits for consent."""
    desired, observed, record = state.desired, state.present, state.record
    if not observed.full and not observed.body.get("authorizationData"):
        return Decision(Action.LOOK, "for the authorization URL")
    end = expires_at(observed, record)
    if end is not None and desired.now > max(end, _last_seen_end(record)) and desired.provisions and _may_renew(state):
        if not observed.full:
            return Decision(Action.LOOK, "the authorization URL has expired")
        return Decision(Action.UPDATE, f"{observed.status}: the authorization URL has expired; this issues a new one")
    return Decision(Action.CONSENT, f"{observed.status}: a person must consent")


def _last_seen_end(record: ResourceRecord) -> float:
    """Return until when the URL can be valid at most, by the time at which a run first saw it.

    A person may be about to consent, and an update would void that: the later of two estimates counts.
    """
    return record.object.asked_since + SESSION_SECONDS if record.object is not None else 0.0


def _may_renew(state: State) -> bool:
    record, scope = state.record, state.desired.retry_scope
    last = record.log.last_update
    renewed = last.repeats if last is not None and last.scope == scope else 0
    return renewed < TRIES and Verb.UPDATE not in record.refused_while_pending(scope)


def abandoned(state: State) -> Decision:
    """Decide about a resource that waits for consent and shall not exist."""
    desired, observed, record = state.desired, state.present, state.record
    refused, last = record.refused_while_pending(desired.retry_scope), record.log.last_update
    if Verb.DELETE not in refused:
        return Decision(Action.DELETE, f"{observed.status}: nobody consented, and it shall not exist")
    released = last is not None and last.scope == desired.retry_scope and last.state is not OpState.PENDING
    if Verb.UPDATE in refused or released:
        return Decision(Action.CONSENT, f"{observed.status}: the service refuses to delete it in this status")
    if not observed.full:
        return Decision(Action.LOOK, "for its configuration")
    return Decision(Action.UPDATE, f"{observed.status}: made to ask for no consent, so that it can be deleted")
