"""Single steps: each marks in the ledger what it is about to do, does it, and remembers what came of it."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from infra import service_model
from infra.errors import CallFailed, OutOfTime, Verdict
from infra.secrets import Secret, resolve
from workflows.document.compare import update_body
from workflows.document.fingerprint import client_token, digest
from workflows.document.problems import path_text
from workflows.document.stack import OWNER_TAG
from workflows.kinds import Kind
from workflows.kinds.kind import Phase
from workflows.kinds.observed import ObservedState
from workflows.planner.comparing import accepted, standing_at
from workflows.planner.decision import DesiredState
from workflows.reconcile.observe import address_of, ask
from workflows.reconcile.remembering import declaration_of, declared_of, identified_record, intent_of, mark, present
from workflows.reconcile.run import Run
from workflows.reconcile.survey import look_by_name
from workflows.records.operation import OpState, Verb
from workflows.records.request_state import Mode
from workflows.records.resource import ResourceRecord

#: Refusals of a create that leave no doubt: nothing was made.
_NO_EFFECT = frozenset({
    Verdict.INVALID, Verdict.GONE, Verdict.DENIED, Verdict.CREDENTIALS, Verdict.QUOTA, Verdict.NOT_YET,
})  # fmt: skip
#: Seconds between two looks at endpoints that are being deleted.
_ENDPOINT_SECONDS = 2.0


async def create(run: Run, desired: DesiredState) -> ObservedState | None:
    """Create a resource under a token that any later run derives again, until it has an answer.

    Returns the resource; where its name is taken, the one that bears it.
    """
    record = run.record(desired.address)
    declared = declared_of(desired)
    identity = digest([declared, run.parent_id(desired.address)])
    body, versions = await _with_secrets(
        run, desired, desired.kind.operations.create, _creatable(run, desired, declared)
    )
    doubts, again = record.log.intent, record.repeats_creation(identity)
    recorded = record.pending_creation.tokens[-1:] if again and record.pending_creation is not None else ()
    record = record.before_creation(run.now(), again=again)
    tokens = recorded or _tokens(run, desired, record)
    if tokens:
        body["clientToken"] = tokens[0]
    intent = intent_of(run, desired, Verb.CREATE, tokens=tokens, digest=identity, secret_versions=versions)
    record = await mark(run, desired, record, intent)
    try:
        answer = await _create(run, desired, body)
    except CallFailed as failed:
        if failed.verdict in _NO_EFFECT and doubts is None and not failed.unanswered:
            # It was refused, so nothing of it can turn up later.
            await run.session.remember(run.record(desired.address).refused())
        raise
    if answer is None:
        return run.observed.get(desired.address)
    if "status" in desired.kind.response.required_members:
        # Some answers hold an ARN and nothing else.
        answer.setdefault("status", "CREATING")
    observed = ObservedState(desired.kind, answer[desired.kind.id_member], answer, full=_whole(desired, answer))
    run.learn(desired.address, observed)
    # What was made just now holds nothing yet; what a token repeated or a name adopted is listed before it is used.
    run.listed.add(desired.address)
    declaration, parent = declaration_of(run, desired), run.parent_id(desired.address)
    await run.session.remember(record.creation_accepted(intent, declaration, observed, now=run.now(), parent_id=parent))
    return observed


def _tokens(run: Run, desired: DesiredState, record: ResourceRecord) -> tuple[str, ...]:
    """Return the client token of a new creation; none for kinds that take none."""
    if not desired.kind.token:
        return ()
    # A fresh ledger repeats no token of an earlier life. Where another resource may bear the same name, a lost ledger
    # must repeat it, or the stack would have two.
    life = [run.session.stack.id] if run.session.stack.id and desired.kind.unique_names else []
    place = [run.account, run.calls.aws.region, run.stack, *life, desired.address, run.parent_id(desired.address)]
    return (client_token(*place, record.incarnation, digest(declared_of(desired))),)


async def _create(run: Run, desired: DesiredState, body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Send the create. None: the name is taken or the token worn out, and what is there was looked up instead."""
    try:
        return await ask(run.calls, desired.kind, desired.kind.operations.create, body)
    except CallFailed as failed:
        if failed.verdict not in (Verdict.EXISTS, Verdict.TOKEN_MISMATCH):
            raise
        found = await look_by_name(run, run.nodes[desired.address])
        if found is not None and not found.ours and not desired.kind.tagged:
            await _learn_whose(run, desired, body, found)
        if found is not None:
            return None
        if failed.verdict is Verdict.EXISTS:
            # Taken, and not shown yet: the next look finds it.
            raise CallFailed(failed.operation, Verdict.BUSY, failed.code, failed.message) from None
        # Nothing bears the name, so the token belongs to an earlier life; the next one gets its own.
        await run.session.remember(run.record(desired.address).refused())
        return None


async def _learn_whose(run: Run, desired: DesiredState, body: Mapping[str, Any], found: ObservedState) -> None:
    """Find out whether what bears the name is ours: known before, or made by a creation that had no answer."""
    record = run.record(desired.address)
    if found.id in record.deposed or await _made_it(run, desired, body, record):
        run.learn(desired.address, replace(found, ours=True))
        await run.session.remember(record.claimed(found))
    else:
        await run.session.remember(record.refused())


async def _made_it(run: Run, desired: DesiredState, body: Mapping[str, Any], record: ResourceRecord) -> bool:
    """Tell whether a creation of ours that had no answer took effect.

    A repeat under its token is answered with what it made, or refused because the token was used for other parameters.
    """
    for token in sorted(record.pending_tokens - {body["clientToken"]}):
        try:
            await ask(run.calls, desired.kind, desired.kind.operations.create, {**body, "clientToken": token})
        except CallFailed as failed:
            if failed.verdict is Verdict.EXISTS:
                continue
            if failed.verdict is not Verdict.TOKEN_MISMATCH:
                raise
        return True
    return False


async def update(run: Run, desired: DesiredState) -> ObservedState:
    """Replace a resource's settings: what is declared, with what was never declared and stands there.

    Returns the resource as the answer shows it.
    """
    record, observed = identified_record(run, desired), present(run, desired)
    body = update_body(desired.kind, declared_of(desired), observed.body, record.ever_declared)
    stood = standing_at(desired.kind, declared_of(desired), observed, record)
    last = record.log.last_update
    same = last is not None and last.state is OpState.ACCEPTED and last.scope == run.retry_scope
    again = same and accepted(declared_of(desired), record)
    if "name" in desired.kind.updatable:
        body["name"] = desired.name
    body |= address_of(desired.kind, observed.id, run.parent_id(desired.address))
    body, versions = await _with_secrets(run, desired, desired.kind.operations.update, body)
    intent = intent_of(run, desired, Verb.UPDATE, secret_versions=versions)
    record = await mark(run, desired, record, intent)
    answer = await ask(run.calls, desired.kind, desired.kind.operations.update, body)
    observed = replace(observed, body=answer, full=_whole(desired, answer))
    run.learn(desired.address, observed)
    declaration = declaration_of(run, desired)
    await run.session.remember(record.update_accepted(intent, declaration, observed, stood, now=run.now(), again=again))
    return observed


async def tag(run: Run, desired: DesiredState) -> ObservedState:
    """Set our tag and the declared ones; tags that were declared before and are no more go."""
    record, observed = identified_record(run, desired), present(run, desired)
    imported = record.imported or not observed.ours
    wanted = {**(declared_of(desired).get("tags") or {}), OWNER_TAG: desired.stack}
    before = {*((record.last_applied or {}).get("tags") or {}), *record.tags_in_doubt}
    intent = intent_of(run, desired, Verb.TAG)
    record = await mark(run, desired, record, intent)
    service = desired.kind.service
    await run.calls("TagResource", {"resourceArn": observed.arn, "tags": wanted}, service=service)
    stale = sorted(before - set(wanted))
    if stale:
        await run.calls("UntagResource", {"resourceArn": observed.arn, "tagKeys": stale}, service=service)
    observed = replace(observed, ours=True, tags=wanted)
    run.learn(desired.address, observed)
    await run.session.remember(record.tags_accepted(intent, observed, now=run.now(), imported=imported))
    return observed


async def disown(run: Run, desired: DesiredState) -> None:
    """Take our tag off what a rollback leaves as it is, so that no later document takes it for ours."""
    observed = present(run, desired)
    if not (desired.kind.tagged and observed.ours):
        return
    try:
        params = {"resourceArn": observed.arn, "tagKeys": [OWNER_TAG]}
        await run.calls("UntagResource", params, service=desired.kind.service)
    except CallFailed as failed:
        run.warn(desired.address, "kept", f"our tag could not be taken off: {failed.message}")


async def delete(run: Run, desired: DesiredState) -> ObservedState | None:
    """Delete a resource, and return it as the answer shows it; None: it was gone already, which is no mistake."""
    record, observed = identified_record(run, desired), present(run, desired)
    intent = intent_of(run, desired, Verb.DELETE, error=observed.reasons)
    await mark(run, desired, record.to_be_deleted(observed), intent)
    params = address_of(desired.kind, observed.id, run.parent_id(desired.address)) | dict(desired.ending)
    try:
        answer = await ask(run.calls, desired.kind, desired.kind.operations.delete, params)
    except (CallFailed, OutOfTime) as failed:
        if isinstance(failed, CallFailed) and await _is_gone(run, desired, observed, failed):
            # Where reads go on showing it, that was a try, too.
            await run.session.remember(run.record(desired.address).deletion_accepted(desired.retry_scope))
            return run.learn(desired.address, None)
        if isinstance(failed, OutOfTime) or failed.verdict is not Verdict.UNKNOWN_OUTCOME:
            # It was refused, so it is no deletion that came to nothing.
            await run.session.remember(run.record(desired.address).deletion_refused())
        raise
    observed = observed.showing({**answer, "status": answer.get("status") or "DELETING"})
    run.learn(desired.address, observed)
    if desired.declared is None:
        # A deletion that belongs to a new creation is counted there.
        await run.session.remember(run.record(desired.address).deletion_accepted(desired.retry_scope))
    return observed


async def delete_endpoints(run: Run, desired: DesiredState) -> None:
    """Delete the endpoints of a harness's owner, and wait until they are gone: they must go first (service 2.12)."""
    observed = present(run, desired)
    if not desired.options.delete_endpoints:
        return
    for name in run.unmanaged.get(desired.address, ()):
        await run.calls("DeleteHarnessEndpoint", {"harnessId": observed.id, "endpointName": name})
    while run.unmanaged.get(desired.address):
        run.unmanaged[desired.address] = await run.observer.endpoints(str(observed.id))
        if run.unmanaged[desired.address]:
            await run.deadline.sleep(_ENDPOINT_SECONDS, f"the endpoints of {desired.address} to go")


async def _is_gone(run: Run, desired: DesiredState, observed: ObservedState, failed: CallFailed) -> bool:
    """Tell whether a refused deletion found nothing; a runtime that is gone may be refused as forbidden (1.1)."""
    if failed.verdict is Verdict.DENIED and observed.id is not None:
        return await run.observer.look(desired.kind, observed.id, run.parent_id(desired.address)) is None
    return failed.verdict is Verdict.GONE


async def synchronize(run: Run, desired: DesiredState) -> ObservedState:
    """Have a target's tools read again: one id a call. Returns the target as the answer shows it."""
    kind, known = desired.kind, desired.kind.synchronization
    if known is None:
        raise AssertionError(f"{desired.address} was decided about as if it could be synchronized")
    record, observed = identified_record(run, desired), present(run, desired)
    intent = intent_of(run, desired, Verb.SYNCHRONIZE)
    record = await mark(run, desired, record, intent)
    params = {str(kind.parent_member): run.parent_id(desired.address), known.ids: [observed.id]}
    lacks = partial(_lacks, kind, known.items, observed.id)
    answer = await run.calls(known.operation, params, service=kind.service, lacks=lacks)
    body: dict[str, Any] = next(one for one in answer[known.items] if one.get(kind.id_member) == observed.id)
    counted = desired.mode is Mode.PROVISION and observed.meaning.phase is Phase.FAILED
    observed = observed.showing({"status": "SYNCHRONIZING", **body})
    run.learn(desired.address, observed)
    # Whatever time the service shows for it, it was synchronized since our last change.
    await run.session.remember(record.synchronization_accepted(intent, desired.synchronizations + 1, attempt=counted))
    return observed


def _lacks(kind: Kind, items: str, identity: str | None, answer: Mapping[str, Any]) -> tuple[str, ...]:
    """Tell whether a synchronization's answer says nothing of the resource that it was asked for."""
    told = any(one.get(kind.id_member) == identity for one in answer.get(items) or ())
    return () if told else (f"{items}[{kind.id_member}]",)


def _creatable(run: Run, desired: DesiredState, declared: Mapping[str, Any]) -> dict[str, Any]:
    """Return a create's members: what is declared, the name, the parent, our tag."""
    body = desired.kind.first(declared)
    body[desired.kind.name_member] = desired.name
    if desired.kind.parent is not None:
        body[str(desired.kind.parent_member)] = run.parent_id(desired.address)
    if desired.kind.tagged:
        body["tags"] = {**(declared.get("tags") or {}), OWNER_TAG: desired.stack}
    return body


async def _with_secrets(
    run: Run, desired: DesiredState, operation: str, body: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Put secrets in at the last moment and check the whole request once more. Returns it and their versions."""
    secrets: dict[str, Secret] = {}
    for path, reference in run.secrets_of(run.nodes[desired.address].resource).items():
        secrets[path] = await resolve(run.calls, reference)
        # It may have been rotated since it was compared; what is sent now is what counts from here on.
        run.secret_versions[reference] = secrets[path].version
    filled = _fill(body, {path: secret.value for path, secret in secrets.items()}, ())
    # Ids are the service's own, in whatever form it gives them; only what is declared is checked.
    declared = desired.kind.declarable.members
    faults = service_model.input_type(operation, desired.kind.service).faults(filled)
    wrong = [fault for fault in faults if fault.path[0] in declared]
    if wrong:
        text = "; ".join(f"{path_text(fault.path)}: {fault.message}" for fault in wrong)
        raise CallFailed(operation, Verdict.INVALID, "InvalidAfterResolution", text)
    return filled, {path: secret.version for path, secret in secrets.items()}


def _fill(value: Any, secrets: Mapping[str, str], path: tuple[str | int, ...]) -> Any:
    if isinstance(value, Mapping):
        return {name: _fill(node, secrets, (*path, name)) for name, node in value.items()}
    if isinstance(value, list):
        return [_fill(node, secrets, (*path, index)) for index, node in enumerate(value)]
    return secrets.get(path_text(path), value) if secrets else value


def _whole(desired: DesiredState, answer: Mapping[str, Any]) -> bool:
    """Tell whether an answer shows all that a read would show of what is declared."""
    shown = {desired.kind.shown_as.get(name, name) for name, value in declared_of(desired).items() if value}
    readable = set(getattr(desired.kind.response, "members", {}))
    return set(desired.kind.response.required_members) | (shown & readable) <= set(answer)
