"""Decides about a resource that waits for the consent of a person. Pure.

The service says little about such a resource, and reports differ (service-notes: consent). After its session has
expired it may fail or go on waiting, and meanwhile the service may take an update, a deletion, both or neither. What
holds in each case:

- A declared resource whose session has expired is updated with the same declaration, which issues a new authorization
  URL: at most TRIES updates for a request, and none after the service refused one.
- A declared resource that needs no consent any more is updated at once, and one of another kind is replaced.
- A resource that shall not exist is deleted. If the service refuses that, or nothing comes of it, the resource is
  updated once to a form that asks for no consent (`Kind.without_consent`), and then deleted.
- Where the service refuses everything, CONSENT: the request waits until the timeout for consent ends it.
"""

from workflows.document.compare import create_only_differences
from workflows.document.problems import path_text
from workflows.kinds.observed import ObservedState, seconds_of
from workflows.planner.comparing import differences
from workflows.planner.decision import TRIES, Action, Decision, State
from workflows.planner.settled import replaced
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
    if desired.provisions and not desired.options.existing:
        if (changed := _declared_otherwise(state)) is not None:
            return changed
        end = expires_at(observed, record)
        if end is not None and desired.now > max(end, _last_seen_end(record)) and _may_renew(state):
            reason = "the authorization URL has expired"
            if not observed.full:
                return Decision(Action.LOOK, reason)
            return Decision(Action.UPDATE, f"{observed.status}: {reason}; this issues a new one")
    return Decision(Action.CONSENT, f"{observed.status}: a person must consent")


def _declared_otherwise(state: State) -> Decision | None:
    """Return the change of a resource whose declaration asks nobody any more, or can only be a new resource.

    Any other change waits until the person has consented or the URL has expired, because an update voids the URL.
    """
    desired, observed, record = state.desired, state.present, state.record
    declared, refused = desired.declared or {}, record.refused_while_pending(desired.retry_scope)
    if not observed.full:
        asks = desired.kind.asks_consent(declared)
        return None if asks else Decision(Action.LOOK, "no consent is declared any more")
    found = differences(desired.kind, declared, observed, record)
    fixed = tuple(create_only_differences(desired.kind, declared, observed.body, found))
    if fixed:
        return replaced(desired, fixed, record) if Verb.DELETE not in refused else None
    if desired.kind.asks_consent(declared) or not found or Verb.UPDATE in refused:
        return None
    paths = tuple(sorted(path_text(path) for path in found))
    return Decision(Action.UPDATE, f"{observed.status}: no consent is declared any more", paths)


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
    if Verb.DELETE not in refused and record.attempts(desired.retry_scope) < TRIES:
        return Decision(Action.DELETE, f"{observed.status}: nobody consented, and it shall not exist")
    released = last is not None and last.scope == desired.retry_scope and last.state is not OpState.PENDING
    if Verb.UPDATE in refused or released:
        return Decision(Action.CONSENT, f"{observed.status}: the service refuses to delete it in this status")
    if not observed.full:
        return Decision(Action.LOOK, "for its configuration")
    return Decision(Action.UPDATE, f"{observed.status}: made to ask for no consent, so that it can be deleted")
