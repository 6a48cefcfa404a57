"""Single steps: the changing calls of one resource, each recorded in the ledger before the call is sent.

A step has a fixed order:

1. Build the request. Secret values are put in at the last moment, and the declared members are checked again.
2. Record the intent (`record_intent`): the operation, the declaration and, for a creation, the client token. The
   intent is not recorded unless enough time is left for a call.
3. Send the call.
4. Record that the service accepted the call, and store the answer as the observed state.

When a run dies or an answer is lost between 2 and 4, the intent stays in the record; its declaration may be in force.

A creation is repeated under the same client token, which is recorded with the intent, until there is an answer. A
refusal listed in `_NO_EFFECT` proves that nothing was created, unless an earlier try or intent has no answer yet. If
the name is taken or the token was used with other parameters, the step looks up the resource with that name, whose
owner tag says whose it is. For a kind without tags, pending creations are repeated, and the answers show whether one of
them created the resource (`_made_it`).

Steps raise CallFailed, OutOfTime and LeaseLost. `disown` and `delete_endpoints` record no intent; `disown` only warns.
"""

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

from infra.errors import CALLER_ERRORS, TRANSIENT, CallFailed, ErrorClass, OutOfTime
from infra.unmodeled import put, split
from workflows.document.fingerprint import client_token, digest
from workflows.document.merge import update_body
from workflows.document.problems import path_text
from workflows.document.stack import OWNER_TAG
from workflows.kinds import Kind
from workflows.kinds.observed import ObservedState
from workflows.kinds.status import Phase
from workflows.planner.comparing import accepted, standing_at
from workflows.planner.decision import DesiredState
from workflows.reconcile.filled import with_secrets
from workflows.reconcile.observation import look_by_name
from workflows.reconcile.observe import address_of, ask
from workflows.reconcile.recording import (
    declaration_of,
    declared_of,
    identified_record,
    intent_of,
    present,
    record_intent,
)
from workflows.reconcile.run import Run
from workflows.records.operation import OpState, Verb
from workflows.records.request_state import Mode
from workflows.records.resource import ResourceRecord

#: Refusals of a creation which prove that nothing was created.
_NO_EFFECT = frozenset({
    ErrorClass.INVALID, ErrorClass.GONE, ErrorClass.DENIED, *CALLER_ERRORS, ErrorClass.QUOTA, ErrorClass.NOT_YET,
    ErrorClass.UNSUPPORTED,
})  # fmt: skip
#: Seconds between two reads of endpoints that are being deleted.
_ENDPOINT_SECONDS = 2.0
#: Unknown members that are left out of an update one by one.
_MOST_LEFT_OUT = 5


async def create(run: Run, desired: DesiredState) -> ObservedState | None:
    """Create a resource under a client token that later runs use again until the creation has an answer.

    Returns the created resource; if the name is taken, the resource with that name.
    """
    record = run.record(desired.address)
    declared = declared_of(desired)
    identity = digest([declared, run.parent_id(desired.address)])
    body, versions = await with_secrets(
        run, desired, desired.kind.operations.create, _creatable(run, desired, declared)
    )
    open_intent, again = record.log.intent, record.repeats_creation(identity)
    recorded = record.pending_creation.tokens[-1:] if again and record.pending_creation is not None else ()
    record = record.before_creation(run.now(), again=again)
    tokens = recorded or _tokens(run, desired, record)
    if tokens:
        body["clientToken"] = tokens[0]
    intent = intent_of(run, desired, Verb.CREATE, tokens=tokens, digest=identity, secret_versions=versions)
    record = await record_intent(run, desired, record, intent)
    try:
        answer = await _create(run, desired, body, first=open_intent is None)
    except CallFailed as failed:
        if failed.error_class in _NO_EFFECT and open_intent is None and not failed.unanswered:
            # The creation was refused, so no resource can appear later.
            await run.session.store(run.record(desired.address).refused())
        raise
    if answer is None:
        return run.observed.get(desired.address)
    if "status" in desired.kind.response.required_members:
        # Some answers contain an ARN and nothing else.
        answer.setdefault("status", "CREATING")
    observed = ObservedState(desired.kind, answer[desired.kind.id_member], answer, full=_whole(desired, answer))
    run.learn(desired.address, observed)
    # A new resource has no children yet; the children of a resource found by token or name are listed before use.
    run.listed.add(desired.address)
    declaration, parent = declaration_of(run, desired), run.parent_id(desired.address)
    await run.session.store(record.creation_accepted(intent, declaration, observed, now=run.now(), parent_id=parent))
    return observed


def _tokens(run: Run, desired: DesiredState, record: ResourceRecord) -> tuple[str, ...]:
    """Return the client token of a new creation; empty for kinds without client tokens."""
    if not desired.kind.token:
        return ()
    # A new ledger repeats no earlier token, except where a new token would create a second resource of one name.
    life = [run.session.stack.id] if run.session.stack.id and desired.kind.unique_names else []
    place = [run.account, run.calls.aws.region, run.stack, *life, desired.address, run.parent_id(desired.address)]
    return (client_token(*place, record.incarnation, digest(declared_of(desired))),)


async def _create(run: Run, desired: DesiredState, body: Mapping[str, Any], *, first: bool) -> dict[str, Any] | None:
    """Send the creation. None: the name or the token was used before, and the resource of that name was looked up.

    `first`: no earlier creation is without an answer.
    """
    try:
        return await ask(run.calls, desired.kind, desired.kind.operations.create, body)
    except CallFailed as failed:
        if failed.error_class not in (ErrorClass.EXISTS, ErrorClass.TOKEN_MISMATCH):
            raise
        record = run.record(desired.address)
        if first and not failed.unanswered and desired.kind.tagged and not record.deposed:
            # The name was taken before this creation, so that the resource is not one that it made.
            await run.session.store(record.refused())
        found = await look_by_name(run, run.nodes[desired.address])
        if found is not None and not found.ours and not desired.kind.tagged:
            await _learn_whose(run, desired, body, found)
        if found is not None:
            return None
        if failed.error_class is ErrorClass.EXISTS:
            # The name is taken and no read shows the resource yet: the next read finds the resource.
            raise CallFailed(failed.operation, ErrorClass.BUSY, failed.code, failed.message) from None
        # No resource has the name, so the token belongs to an earlier incarnation; the next creation gets a new token.
        await run.session.store(run.record(desired.address).refused())
        return None


async def _learn_whose(run: Run, desired: DesiredState, body: Mapping[str, Any], found: ObservedState) -> None:
    """Claim a resource with our name if the id is deposed or a creation of ours without an answer created it."""
    record = run.record(desired.address)
    if found.id in record.deposed or await _made_it(run, desired, body, record):
        run.learn(desired.address, replace(found, ours=True))
        await run.session.store(record.claimed(found))
    else:
        await run.session.store(record.refused())


async def _made_it(run: Run, desired: DesiredState, body: Mapping[str, Any], record: ResourceRecord) -> bool:
    """Return whether a creation of ours that had no answer took effect.

    The service answers a repetition under the same token with the created resource, or refuses the repetition because
    the token was used with other parameters.
    """
    for token in sorted(record.pending_tokens - {body["clientToken"]}):
        try:
            await ask(run.calls, desired.kind, desired.kind.operations.create, {**body, "clientToken": token})
        except CallFailed as failed:
            if failed.error_class is ErrorClass.EXISTS:
                continue
            if failed.error_class is not ErrorClass.TOKEN_MISMATCH:
                raise
        return True
    return False


async def update(run: Run, desired: DesiredState) -> ObservedState:
    """Replace the settings of a resource by the declared members and the observed members that were never declared.

    Returns the resource as shown in the answer.
    """
    record, observed = identified_record(run, desired), present(run, desired)
    body = update_body(desired.kind, declared_of(desired), observed.body, record.ever_declared, record.refused_members)
    stood = standing_at(desired.kind, declared_of(desired), observed, record)
    last = record.log.last_update
    same = last is not None and last.state is OpState.ACCEPTED and last.scope == run.retry_scope
    again = same and accepted(declared_of(desired), record)
    if "name" in desired.kind.updatable:
        body["name"] = desired.name
    body = desired.kind.as_update(body)
    body |= address_of(desired.kind, observed.id, run.parent_id(desired.address))
    body, versions = await with_secrets(run, desired, desired.kind.operations.update, body)
    intent = intent_of(run, desired, Verb.UPDATE, secret_versions=versions)
    record = await record_intent(run, desired, record, intent)
    answer, refused = await _update(run, desired, body)
    record = record.refused_in_update(refused) if refused else record
    # The answer may repeat the request; only a read shows what is in force.
    observed = replace(observed, body=answer, full=False)
    run.learn(desired.address, observed)
    declaration = declaration_of(run, desired)
    await run.session.store(record.update_accepted(intent, declaration, observed, stood, now=run.now(), again=again))
    return observed


async def ask_no_consent(run: Run, desired: DesiredState) -> ObservedState:
    """Update a resource that shall not exist to a form that asks for no consent, so that it can be deleted."""
    record, observed = identified_record(run, desired), present(run, desired)
    body = desired.kind.as_update(desired.kind.without_consent(update_body(desired.kind, {}, observed.body, {})))
    if "name" in desired.kind.updatable:
        body["name"] = observed.body.get("name", desired.name)
    body |= address_of(desired.kind, observed.id, run.parent_id(desired.address))
    intent = intent_of(run, desired, Verb.UPDATE)
    record = await record_intent(run, desired, record, intent)
    answer, _ = await _update(run, desired, body)
    observed = replace(observed, body=answer, full=True)
    run.learn(desired.address, observed)
    declaration = declaration_of(run, desired)
    await run.session.store(record.update_accepted(intent, declaration, observed, {}, now=run.now(), again=False))
    return observed


async def _update(run: Run, desired: DesiredState, body: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Send an update, without the members that no service model knows where the service refuses them.

    Returns the answer, and the paths of the refused members. A refusal may have another reason, so members are left out
    one by one: those that the message names first, all of them last, and none before the same update was refused twice.
    """
    operation = desired.kind.operations.update
    known, extra = split(desired.kind.operations.model(operation).input_shape, body)
    tried = [extra, extra, *([one for one in extra if one != left] for left in extra[:_MOST_LEFT_OUT]), []]
    while True:
        sent, kept = deepcopy(known), tried.pop(0)
        for path, value in kept:
            put(sent, path, value)
        try:
            answer = await ask(run.calls, desired.kind, operation, sent)
        except CallFailed as failed:
            if failed.error_class is not ErrorClass.INVALID or failed.unanswered or not kept or not tried:
                raise
            named = [one for one in kept if re.search(rf"\b{re.escape(str(one[0][-1]))}\b", failed.message)]
            tried = [[one for one in kept if one not in named], *tried] if named else tried
        else:
            left = (path for path, value in extra if (path, value) not in kept)
            return answer, tuple(path_text(tuple(p for p in path if p != "optionalValue")) for path in left)


async def tag(run: Run, desired: DesiredState) -> ObservedState:
    """Set the owner tag and the declared tags; remove tags that were declared before and are no longer."""
    record, observed = identified_record(run, desired), present(run, desired)
    imported = record.imported or not observed.ours
    wanted = {**(declared_of(desired).get("tags") or {}), OWNER_TAG: desired.stack}
    before = {*((record.last_applied or {}).get("tags") or {}), *record.tags_in_doubt}
    intent = intent_of(run, desired, Verb.TAG)
    record = await record_intent(run, desired, record, intent)
    service = desired.kind.service
    await run.calls("TagResource", {"resourceArn": observed.arn, "tags": wanted}, service=service)
    stale = sorted(before - set(wanted))
    if stale:
        await run.calls("UntagResource", {"resourceArn": observed.arn, "tagKeys": stale}, service=service)
    if (former := (observed.tags or {}).get(OWNER_TAG, desired.stack)) != desired.stack:
        run.warn(desired.address, "adopted", f"taken over from the stack {former}: remove it from that one's document")
    await _require_tags(run, observed, wanted)
    observed = replace(observed, ours=True, tags=wanted)
    run.learn(desired.address, observed)
    await run.session.store(record.tags_accepted(intent, observed, now=run.now(), imported=imported))
    return observed


async def _require_tags(run: Run, observed: ObservedState, wanted: Mapping[str, str]) -> None:
    """Raise CallFailed if reads do not show tags that were set; tags that nobody may read are believed."""
    try:
        shown = (await run.observer.tagged(observed)).tags or {}
    except CallFailed as failed:
        if failed.error_class in TRANSIENT | CALLER_ERRORS:
            raise
        return
    if missing := sorted(name for name, value in wanted.items() if shown.get(name) != value):
        message = f"the service accepted the tags and does not show them: {', '.join(missing)}"
        raise CallFailed("TagResource", ErrorClass.BUSY, "TagsNotInForce", message)


async def disown(run: Run, desired: DesiredState) -> None:
    """Remove the owner tag from a resource that is no longer managed, so that no later document claims ownership."""
    observed = present(run, desired)
    if not (desired.kind.tagged and observed.ours):
        return
    try:
        params = {"resourceArn": observed.arn, "tagKeys": [OWNER_TAG]}
        await run.calls("UntagResource", params, service=desired.kind.service)
    except CallFailed as failed:
        run.warn(desired.address, "kept", f"the ownership tag could not be removed: {failed.message}")


async def delete(run: Run, desired: DesiredState) -> ObservedState | None:
    """Delete a resource, and return the resource as shown in the answer. None: already gone, which is no error."""
    record, observed = identified_record(run, desired), present(run, desired)
    intent = intent_of(run, desired, Verb.DELETE, error=observed.reasons)
    await record_intent(run, desired, record.to_be_deleted(observed), intent)
    params = address_of(desired.kind, observed.id, run.parent_id(desired.address)) | dict(desired.delete_parameters)
    try:
        answer = await ask(run.calls, desired.kind, desired.kind.operations.delete, params)
    except (CallFailed, OutOfTime) as failed:
        if isinstance(failed, CallFailed) and await _is_gone(run, desired, observed, failed):
            # If reads go on showing the resource, this call counts as an attempt too.
            await run.session.store(run.record(desired.address).deletion_accepted(desired.retry_scope))
            return run.learn(desired.address, None)
        if isinstance(failed, OutOfTime) or failed.error_class is not ErrorClass.UNKNOWN_OUTCOME:
            # A refused deletion is not a deletion without effect.
            await run.session.store(run.record(desired.address).deletion_refused())
        raise
    observed = observed.showing({**answer, "status": answer.get("status") or "DELETING"})
    run.learn(desired.address, observed)
    if desired.declared is None:
        # A deletion that is part of a replacement is counted with the creation.
        await run.session.store(run.record(desired.address).deletion_accepted(desired.retry_scope))
    return observed


async def delete_endpoints(run: Run, desired: DesiredState) -> None:
    """Delete the endpoints of a harness, which must go first, and wait for it (service-notes: harness endpoints)."""
    observed = present(run, desired)
    if not desired.options.delete_endpoints:
        return
    for name in run.unmanaged.get(desired.address, ()):
        await run.calls("DeleteHarnessEndpoint", {"harnessId": observed.id, "endpointName": name})
    while run.unmanaged.get(desired.address):
        run.unmanaged[desired.address] = await run.observer.endpoints(str(observed.id))
        if run.unmanaged[desired.address]:
            await run.deadline.sleep(_ENDPOINT_SECONDS, f"the endpoints of {desired.address} to be deleted")


async def _is_gone(run: Run, desired: DesiredState, observed: ObservedState, failed: CallFailed) -> bool:
    """Return whether a refused deletion found no resource; a deleted runtime may answer as forbidden."""
    if failed.error_class is ErrorClass.DENIED and observed.id is not None:
        return await run.observer.look(desired.kind, observed.id, run.parent_id(desired.address)) is None
    return failed.error_class is ErrorClass.GONE


async def synchronize(run: Run, desired: DesiredState) -> ObservedState:
    """Synchronize a target's tools, one id per call. Returns the target as shown in the answer."""
    kind, known = desired.kind, desired.kind.synchronization
    if known is None:
        raise AssertionError(f"{desired.address} has no synchronize operation")
    record, observed = identified_record(run, desired), present(run, desired)
    intent = intent_of(run, desired, Verb.SYNCHRONIZE)
    record = await record_intent(run, desired, record, intent)
    params = {str(kind.parent_member): run.parent_id(desired.address), known.ids: [observed.id]}
    check = partial(_lacks, kind, known.items, observed.id)
    answer = await run.calls(known.operation, params, service=kind.service, check=check)
    body: dict[str, Any] = next(one for one in answer[known.items] if one.get(kind.id_member) == observed.id)
    counted = desired.mode is Mode.PROVISION and observed.meaning.phase is Phase.FAILED
    observed = observed.showing({"status": "SYNCHRONIZING", **body})
    run.learn(desired.address, observed)
    # Whatever time the service shows, the target was synchronized after our last change.
    await run.session.store(record.synchronization_accepted(intent, desired.synchronizations + 1, attempt=counted))
    return observed


def _lacks(kind: Kind, items: str, identity: str | None, answer: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the missing path if a synchronization's answer does not contain the requested resource, else nothing."""
    told = any(one.get(kind.id_member) == identity for one in answer.get(items) or ())
    return () if told else (f"{items}[{kind.id_member}]",)


def _creatable(run: Run, desired: DesiredState, declared: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a creation: the declared members, the name, the parent, the owner tag."""
    body = desired.kind.create_members(declared)
    body[desired.kind.name_member] = desired.name
    if desired.kind.parent is not None:
        body[str(desired.kind.parent_member)] = run.parent_id(desired.address)
    if desired.kind.tagged:
        body["tags"] = {**(declared.get("tags") or {}), OWNER_TAG: desired.stack}
    return body


def _whole(desired: DesiredState, answer: Mapping[str, Any]) -> bool:
    """Return whether a creation's answer contains all declared members that a read would contain."""
    shown = {desired.kind.shown_as.get(name, name) for name, value in declared_of(desired).items() if value}
    readable = set(getattr(desired.kind.response, "members", {}))
    return set(desired.kind.response.required_members) | (shown & readable) <= set(answer)
