"""Building the result of one resource when the work of a run on the resource has ended."""

from dataclasses import replace
from datetime import UTC, datetime

import anyio

from infra.errors import CALLER_ERRORS, TRANSIENT, CallFailed
from infra.retry import BUDGETS
from workflows.planner import failures
from workflows.planner.consent import expires_at
from workflows.planner.decision import Action
from workflows.planner.outcome import ResourceStatus, Result
from workflows.reconcile.graph import Node
from workflows.reconcile.run import Run

#: Seconds after which to retry when AWS refuses a call for a passing reason.
_LATER = 15.0
#: Seconds after which to retry when no call of the caller gets through.
_RENEWED = 60.0
#: Seconds after which a refusal for a passing reason counts as final.
REFUSED_FOR = 600.0


def result_of(run: Run, node: Node, status: ResourceStatus, reason: str, *, retry_after: float | None = None) -> Result:
    """Return a result with the observed state and the recorded outputs of a resource."""
    observed = run.observed.get(node.address)
    if observed is not None and not (observed.ours or node.options.existing or node.options.adopt):
        # The id and URL of a resource that this stack does not own are not published.
        observed = None
    action, why = node.first_action or (Action.NONE, reason)
    seconds = anyio.current_time() - node.began if node.began else 0.0
    return Result(
        address=node.address,
        status=status,
        action=str(action),
        reason=why if status is ResourceStatus.READY else reason,
        id=observed.id if observed is not None else None,
        arn=observed.arn if observed is not None else None,
        outputs={**run.record(node.address).outputs, **observed.outputs} if observed is not None else {},
        retry_after=retry_after,
        state=observed.status if observed is not None else None,
        seconds=seconds,
    )


def of_failed_call(run: Run, node: Node, failed: CallFailed, *, cut_short: bool = False) -> Result:
    """Return the result of a resource after a refused call: IN_PROGRESS to retry later, or FAILED.

    `cut_short` says that the run's time ended before the retry budget of the call; the next run goes on with retries.
    """
    if failed.error_class in CALLER_ERRORS:
        return _of_caller(run, node, failed)
    record = run.record(node.address)
    since = record.refused_since(run.retry_scope, str(failed.error_class))
    # While no call got through, the service had no occasion to accept the change.
    since = max(since, run.session.no_calls_until(run.request_id, run.mode)) if since else since
    passing = failed.error_class in TRANSIENT
    allowed = REFUSED_FOR if passing else BUDGETS[failed.error_class].seconds if cut_short else 0.0
    if (passing or cut_short) and not (since and run.now() - since > allowed):
        reason = f"{failed.operation} was refused for now: {failed.code}: {failed.message}"
        return result_of(run, node, ResourceStatus.IN_PROGRESS, reason, retry_after=_LATER)
    failure = failures.of_call(node.address, failed, node.kind.advice, record.arn)
    return replace(result_of(run, node, ResourceStatus.FAILED, failure.message), failure=failure)


def _of_caller(run: Run, node: Node, failed: CallFailed) -> Result:
    """Return IN_PROGRESS for a resource about which nothing is known, because no call of this caller gets through."""
    warning = failures.caller_warning(failed)
    run.warnings.append(warning)
    return result_of(run, node, ResourceStatus.IN_PROGRESS, str(failed), retry_after=_RENEWED)


def _expiry(run: Run, node: Node) -> str | None:
    """Return when the authorization URL expires, as ISO 8601 in UTC; None where unknown."""
    observed = run.observed.get(node.address)
    end = expires_at(observed, run.record(node.address)) if observed is not None else None
    return datetime.fromtimestamp(end, UTC).isoformat(timespec="seconds") if end is not None else None


def awaiting_consent(run: Run, node: Node, reason: str) -> Result:
    """Return the result of a resource that waits for a person, with the URL at which that person must consent."""
    observed = run.observed.get(node.address)
    oauth = (observed.body.get("authorizationData") or {}).get("oauth2", {}) if observed is not None else {}
    consent = {
        "resource": node.address,
        "authorizationUrl": oauth.get("authorizationUrl", ""),
        "userId": oauth.get("userId", ""),
        "expiresAt": _expiry(run, node),
    }
    if node.wanted:
        return replace(result_of(run, node, ResourceStatus.AWAITING_CONSENT, reason), consent=consent)
    # A resource that is to be deleted needs no consent; a service that refuses the deletion may end the session.
    reason = f"{reason}; it is deleted once the session ends, or somebody consents"
    return replace(result_of(run, node, ResourceStatus.IN_PROGRESS, reason, retry_after=60.0), consent=consent)
