"""Failures of resources, with the actor who must act and an advice: a single table for runs, outcomes and docs."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from infra.error_table import propagates, row_of
from infra.errors import STUCK, CallFailed, ErrorClass
from workflows.document.problems import Problem


class Actor(StrEnum):
    """The party that must act."""

    APP_TEAM = "APP_TEAM"
    PLATFORM = "PLATFORM"
    END_USER = "END_USER"
    AWS = "AWS"


@dataclass(frozen=True)
class Failure:
    """A failure of one resource, as an outcome shows it."""

    resource: str
    code: str
    message: str
    actor: Actor
    advice: str

    def shown(self) -> dict[str, str]:
        """Return the failure as JSON."""
        return {
            "resource": self.resource,
            "code": self.code,
            "message": self.message,
            "actor": str(self.actor),
            "advice": self.advice,
        }


#: Actor and advice for each class of call that AWS refused.
OF_ERROR_CLASSES: Mapping[ErrorClass, tuple[Actor, str]] = {
    ErrorClass.THROTTLED: (
        Actor.PLATFORM,
        "Lower the deployment's concurrency or ask AWS for a higher rate, then resend.",
    ),
    ErrorClass.UNKNOWN_OUTCOME: (Actor.AWS, "The service did not answer; resend the request later."),
    ErrorClass.BUSY: (Actor.AWS, "Another operation holds the resource; resend the request later."),
    ErrorClass.AWAITING_CONSENT: (
        Actor.END_USER,
        "A person must consent first: open the authorization URL, then resend the request.",
    ),
    ErrorClass.NOT_YET: (
        Actor.PLATFORM,
        "A permission was missing for longer than IAM takes to show a new one. Grant it as the message says.",
    ),
    ErrorClass.EXISTS: (Actor.APP_TEAM, "The name is taken; choose another, or import the resource (`adopt: true`)."),
    ErrorClass.GONE: (
        Actor.APP_TEAM,
        "A resource that the declaration refers to does not exist; create it or correct the reference.",
    ),
    ErrorClass.TOKEN_MISMATCH: (
        Actor.AWS,
        "The service recorded another create under this client token; resend the request.",
    ),
    ErrorClass.IN_USE: (Actor.APP_TEAM, "Another resource still uses it; remove or detach that one first."),
    ErrorClass.DENIED: (
        Actor.PLATFORM,
        "Grant the worker's role this action, or correct the role that the declaration names.",
    ),
    ErrorClass.CREDENTIALS: (
        Actor.PLATFORM,
        "Renew or change the AWS credentials, or set the clock. Nothing is rolled back; the same request continues.",
    ),
    ErrorClass.UNREACHABLE: (
        Actor.PLATFORM,
        "Check the Region, the endpoint settings and the network. Nothing is rolled back; the same request continues.",
    ),
    ErrorClass.QUOTA: (Actor.PLATFORM, "Remove what is no longer used or have the quota raised, then resend."),
    ErrorClass.UNSUPPORTED: (
        Actor.PLATFORM,
        "Use an account, a Region and an endpoint that offer this operation, or have AWS enable it for the account.",
    ),
    ErrorClass.INVALID: (Actor.APP_TEAM, "Correct the declaration and resend."),
    ErrorClass.UNKNOWN: (
        Actor.AWS,
        "Gatewright has no entry for this error; follow the message of the service.",
    ),
}


#: Path and rule of the warning that no call gets through, by the class of error.
CALLER_RULES: Mapping[ErrorClass, str] = {
    ErrorClass.CREDENTIALS: "credentials",
    ErrorClass.UNREACHABLE: "network",
}
#: The code of the failure of a resource that the service shows in a form unknown to this version.
UNRECOGNIZED = "Unrecognized"
_TAGGING = frozenset({"ListTagsForResource", "TagResource", "UntagResource"})
OF_TAGS = (
    Actor.PLATFORM,
    "Tags identify the owner of a resource: let the worker's role list and set the tags of this resource.",
)


def of_call(address: str, failed: CallFailed, instead: str = "", resource: str | None = None) -> Failure:
    """Return the failure of a resource whose call was refused; `instead` is additional advice of the kind.

    `resource` is the ARN of the resource, if known, for the advice about a missing permission.
    """
    actor, advice = OF_TAGS if failed.operation in _TAGGING else OF_ERROR_CLASSES[failed.error_class]
    row = row_of(failed.operation, failed.code, failed.message)
    advice = row.advice if row is not None and row.advice else advice
    if failed.error_class is ErrorClass.DENIED and failed.operation.startswith(("Get", "List")):
        advice = f"{advice} {unconditional(failed.operation, resource)}"
    text = f"{failed.operation}: {failed.message}"
    return Failure(address, failed.code, text, actor, f"{advice} {instead}".strip())


def caller_warning(failed: CallFailed) -> Problem:
    """Return the warning that no call of this caller gets through. `failed` is of a class in CALLER_RULES."""
    rule = CALLER_RULES[failed.error_class]
    return Problem(rule, rule, f"{failed}. {OF_ERROR_CLASSES[failed.error_class][1]}")


def unconditional(operation: str, resource: str | None) -> str:
    """Return the advice about a read that a policy refuses: what does not exist bears no tags.

    The name of the service in policies is that of its ARNs.
    """
    service = resource.split(":")[2] if resource else "bedrock-agentcore"
    statement = {"Effect": "Allow", "Action": f"{service}:{operation}", "Resource": resource or "*"}
    return (
        "Where a policy has a condition on tags, it refuses to read what does not exist (any more), so that nobody can "
        f"tell whether it is gone: add a statement without that condition, {json.dumps(statement)}."
    )


def not_in_force(address: str, noun: str, paths: Iterable[str], seconds: float) -> Failure:
    """Return the failure of an update that the service accepted and that reads do not show after `seconds`."""
    what = ", ".join(paths)
    message = f"{what} of this {noun}: the service accepted an update and {seconds:.0f} s later shows another value"
    advice = (
        "The declared value is not in force. Check the resource in AWS, and whether something else changes it; a new "
        "request updates it again."
    )
    return Failure(address, "NotInForce", message, Actor.PLATFORM, advice)


def unrecognized(address: str, noun: str, paths: Iterable[str]) -> Failure:
    """Return the failure of a resource that the service shows in a form unknown to this version."""
    message = f"the service shows {', '.join(paths)} of this {noun} in a form that this version does not know"
    advice = "Nothing was changed. Install a newer Gatewright, whose botocore knows that form; then resend."
    return Failure(address, UNRECOGNIZED, message, Actor.PLATFORM, advice)


def of_status(address: str, status: str, reasons: str, tries: int) -> Failure:
    """Return the failure of a resource with a failed status after `tries` attempts."""
    message = f"{status} after {tries} tries: {reasons or 'the service gives no reason'}"
    if propagates(reasons):
        return Failure(address, status, message, *OF_ERROR_CLASSES[ErrorClass.NOT_YET])
    advice = "Correct what the service's reason names, then resend; a new request tries three times again."
    return Failure(address, status, message, Actor.APP_TEAM, advice)


def name_taken(address: str, noun: str, name: str, identity: str, owner: str = "") -> Failure:
    """Return the failure of a resource whose name belongs to another owner: a stack, where that is known."""
    whose = f"which belongs to the stack {owner}" if owner else "which is not this stack's"
    message = f"the name {name} is taken by another {noun} ({identity}), {whose}"
    advice = "Choose another name, or declare `gatewright: {adopt: true}` on the resource to import it."
    return Failure(address, "NameTaken", message, Actor.APP_TEAM, advice)


def fixed(address: str, member: str, noun: str) -> Failure:
    """Return the failure of a change to a create-only member of an existing resource."""
    message = f"{member} of an existing {noun} cannot be changed in place"
    advice = (
        f"Declare the previous value, or resend with its address in `allow` (at a terminal: --allow {address}): it is "
        "then replaced under a new id, and its dependents are updated."
    )
    return Failure(address, "Immutable", message, Actor.APP_TEAM, advice)


def unmanaged(address: str, names: tuple[str, ...], *, endpoints: bool) -> Failure:
    """Return the failure of a deletion because of targets, or endpoints of a harness, that are unmanaged."""
    what, more = ("endpoints", " or declare `gatewright: {deleteEndpoints: true}`,") if endpoints else ("targets", "")
    message = f"{what} that this stack does not manage belong to it: {', '.join(names)}"
    advice = f"Remove or move these {what},{more} then resend."
    return Failure(address, f"Unmanaged{what.capitalize()}", message, Actor.APP_TEAM, advice)


def in_doubt(address: str, noun: str, name: str) -> Failure:
    """Return the failure of a deletion where an unanswered creation leaves the owner of the named object unknown."""
    message = f"the response to a create was lost, and whether it created the {noun} named {name} is not known"
    advice = "Apply the stack once more, which settles this; then remove it."
    return Failure(address, "CreationInDoubt", message, Actor.APP_TEAM, advice)


def left_behind(address: str, noun: str, name: str, identity: str, *, tagged: bool) -> Failure:
    """Return the failure of a removal that leaves a resource of which the ledger has no record."""
    if tagged:
        message = f"the {noun} {name} ({identity}) bears the tag of this stack, and the ledger has no record of it"
        declares, keep = "declares it", "delete it in AWS; to keep it, remove its tag gatewright:stack"
    else:
        message = f"the {noun} {name} ({identity}) exists, and the ledger does not say whether this stack made it"
        declares = "declares it with `gatewright: {adopt: true}`"
        keep = "delete it in AWS; to keep it, leave it out of the document"
    advice = f"It was not deleted. Apply a document that {declares}, then remove the stack again; or {keep}."
    return Failure(address, "LeftBehind", message, Actor.APP_TEAM, advice)


def unattended(address: str, what: str) -> Failure:
    """Return the failure of a resource that a run without a new request does not bring to its declaration."""
    message = f"this run, which a schedule or an event started, does not do this by itself: {what}"
    advice = "Send the document again as a request: that run makes the change."
    return Failure(address, "NeedsRequest", message, Actor.APP_TEAM, advice)


def out_of_order(address: str, other: str) -> Failure:
    """Return the failure of a resource whose dependency `other` belongs to a stage that has not run yet."""
    message = f"it depends on {other}, which is outside this stage and not provisioned"
    return Failure(address, "OutOfTurn", message, Actor.APP_TEAM, f"Run the stage of {other} before this one.")


def missing(address: str, noun: str, name: str) -> Failure:
    """Return the failure of a resource that is declared as `existing` and does not exist."""
    message = f"no {noun} named {name} exists"
    return Failure(address, "NotFound", message, Actor.APP_TEAM, "Create it, or drop `existing: true`.")


_APPLY_FIRST = "Apply the stack, which repairs it; then synchronize again."


def not_provisioned(address: str, noun: str, name: str) -> Failure:
    """Return the failure of a synchronization of a resource that does not exist."""
    return Failure(address, "NotFound", f"no {noun} named {name} exists", Actor.APP_TEAM, _APPLY_FIRST)


def bad_status(address: str, noun: str, status: str, reasons: str) -> Failure:
    """Return the failure of a synchronization of a resource whose failed status no synchronization can repair."""
    message = f"this {noun} is {status}: {reasons or 'the service gives no reason'}"
    return Failure(address, status, message, Actor.APP_TEAM, _APPLY_FIRST)


def not_ours_to_delete(address: str, noun: str, status: str, reasons: str) -> Failure:
    """Return the failure of a failed resource that may be in use, and so is not replaced without an approval."""
    message = f"this {noun} is {status}: {reasons or 'the service gives no reason'}"
    advice = (
        f"Repair it in AWS, or resend with its address in `allow` (at a terminal: --allow {address}): it is then "
        "deleted and created again."
    )
    return Failure(address, status, message, Actor.PLATFORM, advice)


def consent_overdue(address: str, timeout: float) -> Failure:
    """Return the failure of a resource to which nobody consented within `timeout` seconds."""
    message = f"nobody consented within {timeout:.0f} s"
    advice = "Resend the request and open the new authorization URL in time, or raise consentTimeoutSeconds."
    return Failure(address, "ConsentTimeout", message, Actor.END_USER, advice)


def consent_stuck(address: str, reason: str, timeout: float) -> Failure:
    """Return the failure of a resource that waits for consent and that the service does not let go of."""
    message = f"it could not be deleted within {timeout:.0f} s: {reason}"
    advice = (
        "Ask AWS to end the pending authorization, or have somebody consent to it; then resend the request, which "
        "deletes the resource."
    )
    return Failure(address, "ConsentStuck", message, Actor.AWS, advice)


def stuck(address: str, reason: str, seconds: float) -> Failure:
    """Return the failure of a resource that made no progress for `seconds`, after which waiting ends."""
    message = f"no progress for {seconds:.0f} s: {reason}"
    advice = (
        "Ask AWS about a resource that does not leave its status. A new request goes on from there, and waits as long "
        "again."
    )
    return Failure(address, STUCK, message, Actor.AWS, advice)


def never_converges(address: str, paths: str) -> Failure:
    """Return the failure of a resource that differs again after every change and so never converges."""
    message = f"it differs again after every change, last at {paths or 'no path'}"
    return Failure(address, "Restless", message, Actor.AWS, "Look for others who change it; then resend.")
