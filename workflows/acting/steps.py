"""Single steps: each marks in the ledger what it is about to do, does it, and remembers what came of it."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from infra import service_model
from infra.errors import CallFailed, OutOfTime, Verdict
from infra.secrets import Secret, resolve
from workflows.acting.observe import address_of, ask
from workflows.acting.remembering import declaration_of, declared_of, intent_of, mark, memory_of, present
from workflows.acting.run import Run
from workflows.acting.survey import look_by_name
from workflows.deciding.comparing import accepted, standing_at
from workflows.deciding.decision import Wish
from workflows.document.compare import update_body
from workflows.document.fingerprint import client_token, digest
from workflows.document.problems import path_text
from workflows.document.stack import OWNER_TAG
from workflows.kinds import Kind
from workflows.kinds.kind import Phase
from workflows.kinds.observed import ObservedState
from workflows.records.operation import OpState, Verb
from workflows.records.request_state import Mode
from workflows.records.resource import ResourceRecord

#: Earlier lives whose tokens the service still remembers, that one run works its way past.
_MOST_WORN_TOKENS = 30
#: Refusals of a create that leave no doubt: nothing was made.
_NO_EFFECT = frozenset({
    Verdict.INVALID, Verdict.GONE, Verdict.DENIED, Verdict.CREDENTIALS, Verdict.QUOTA, Verdict.NOT_YET,
})  # fmt: skip
#: Seconds between two looks at endpoints that are being deleted.
_ENDPOINT_SECONDS = 2.0


async def create(run: Run, wish: Wish) -> ObservedState | None:
    """Create a resource under a token that any later run derives again, until it has an answer.

    Returns the resource; where its name is taken, the one that bears it.
    """
    memory = run.memory(wish.address)
    declared = declared_of(wish)
    identity = digest([declared, run.parent_id(wish.address)])
    body, versions = await _with_secrets(run, wish, wish.kind.operations.create, _creatable(run, wish, declared))
    doubts, again = memory.log.intent, memory.repeats_creation(identity)
    recorded = memory.pending_creation.tokens[-1:] if again and memory.pending_creation is not None else ()
    memory = memory.before_creation(run.now(), again=again)
    tokens = recorded or _tokens(run, wish, memory)
    if tokens:
        body["clientToken"] = tokens[0]
    intent = intent_of(run, wish, Verb.CREATE, tokens=tokens, digest=identity, secret_versions=versions)
    memory = await mark(run, wish, memory, intent)
    try:
        answer = await _create(run, wish, body)
    except CallFailed as failed:
        if failed.verdict in _NO_EFFECT and doubts is None and not failed.unanswered:
            # It was refused, so nothing of it can turn up later.
            await run.book.remember(run.memory(wish.address).refused())
        raise
    if answer is None:
        return run.seen.get(wish.address)
    if "status" in wish.kind.response.required_members:
        # Some answers hold an ARN and nothing else.
        answer.setdefault("status", "CREATING")
    seen = ObservedState(wish.kind, answer[wish.kind.id_member], answer, full=_whole(wish, answer))
    run.learn(wish.address, seen)
    # What was made just now holds nothing yet; what a token repeated or a name adopted is listed before it is used.
    run.listed.add(wish.address)
    declaration, parent = declaration_of(run, wish), run.parent_id(wish.address)
    await run.book.remember(memory.creation_accepted(intent, declaration, seen, now=run.now(), parent_id=parent))
    return seen


def _tokens(run: Run, wish: Wish, memory: ResourceRecord) -> tuple[str, ...]:
    """Return the client token of a new creation; none for kinds that take none."""
    if not wish.kind.token:
        return ()
    # A fresh ledger repeats no token of an earlier life. Where another resource may bear the same name, a lost ledger
    # must repeat it, or the stack would have two.
    life = [run.book.stack.id] if run.book.stack.id and wish.kind.unique_names else []
    place = [run.account, run.calls.aws.region, run.stack, *life, wish.address, run.parent_id(wish.address)]
    return (client_token(*place, memory.incarnation, digest(declared_of(wish))),)


async def _create(run: Run, wish: Wish, body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Send the create. None: the name is taken or the token worn out, and what is there was looked up instead."""
    try:
        return await ask(run.calls, wish.kind, wish.kind.operations.create, body)
    except CallFailed as failed:
        if failed.verdict not in (Verdict.EXISTS, Verdict.TOKEN_MISMATCH):
            raise
        found = await look_by_name(run, run.items[wish.address])
        if found is not None and not found.ours and not wish.kind.tagged:
            await _learn_whose(run, wish, body, found)
        if found is not None:
            return None
        if failed.verdict is Verdict.EXISTS:
            # Taken, and not shown yet: the next look finds it.
            raise CallFailed(failed.operation, Verdict.BUSY, failed.code, failed.message) from None
        # Nothing bears the name, so the token belongs to an earlier life; the next one gets its own.
        item = run.items[wish.address]
        item.worn_tokens += 1
        if item.worn_tokens > _MOST_WORN_TOKENS:
            raise
        await run.book.remember(run.memory(wish.address).refused())
        return None


async def _learn_whose(run: Run, wish: Wish, body: Mapping[str, Any], found: ObservedState) -> None:
    """Find out whether what bears the name is ours: known before, or made by a creation that had no answer."""
    memory = run.memory(wish.address)
    if found.id in memory.deposed or await _made_it(run, wish, body, memory):
        run.learn(wish.address, replace(found, ours=True))
        await run.book.remember(memory.claimed(found))
    else:
        await run.book.remember(memory.refused())


async def _made_it(run: Run, wish: Wish, body: Mapping[str, Any], memory: ResourceRecord) -> bool:
    """Tell whether a creation of ours that had no answer took effect.

    A repeat under its token is answered with what it made, or refused because the token was used for other parameters.
    """
    for token in sorted(memory.pending_tokens - {body["clientToken"]}):
        try:
            await ask(run.calls, wish.kind, wish.kind.operations.create, {**body, "clientToken": token})
        except CallFailed as failed:
            if failed.verdict is Verdict.EXISTS:
                continue
            if failed.verdict is not Verdict.TOKEN_MISMATCH:
                raise
        return True
    return False


async def update(run: Run, wish: Wish) -> ObservedState:
    """Replace a resource's settings: what is declared, with what was never declared and stands there.

    Returns the resource as the answer shows it.
    """
    memory, seen = memory_of(run, wish), present(run, wish)
    body = update_body(wish.kind, declared_of(wish), seen.body, memory.ever_declared)
    stood = standing_at(wish.kind, declared_of(wish), seen, memory)
    last = memory.log.last_update
    same = last is not None and last.state is OpState.ACCEPTED and last.scope == run.counted_for
    again = same and accepted(declared_of(wish), memory)
    if "name" in wish.kind.updatable:
        body["name"] = wish.name
    body |= address_of(wish.kind, seen.id, run.parent_id(wish.address))
    body, versions = await _with_secrets(run, wish, wish.kind.operations.update, body)
    intent = intent_of(run, wish, Verb.UPDATE, secret_versions=versions)
    memory = await mark(run, wish, memory, intent)
    answer = await ask(run.calls, wish.kind, wish.kind.operations.update, body)
    seen = replace(seen, body=answer, full=_whole(wish, answer))
    run.learn(wish.address, seen)
    declaration = declaration_of(run, wish)
    await run.book.remember(memory.update_accepted(intent, declaration, seen, stood, now=run.now(), again=again))
    return seen


async def tag(run: Run, wish: Wish) -> ObservedState:
    """Set our tag and the declared ones; tags that were declared before and are no more go."""
    memory, seen = memory_of(run, wish), present(run, wish)
    imported = memory.imported or not seen.ours
    wanted = {**(declared_of(wish).get("tags") or {}), OWNER_TAG: wish.stack}
    before = {*((memory.last_applied or {}).get("tags") or {}), *memory.tags_in_doubt}
    intent = intent_of(run, wish, Verb.TAG)
    memory = await mark(run, wish, memory, intent)
    service = wish.kind.service
    await run.calls("TagResource", {"resourceArn": seen.arn, "tags": wanted}, service=service)
    stale = sorted(before - set(wanted))
    if stale:
        await run.calls("UntagResource", {"resourceArn": seen.arn, "tagKeys": stale}, service=service)
    seen = replace(seen, ours=True, tags=wanted)
    run.learn(wish.address, seen)
    await run.book.remember(memory.tags_accepted(intent, seen, now=run.now(), imported=imported))
    return seen


async def disown(run: Run, wish: Wish) -> None:
    """Take our tag off what a rollback leaves as it is, so that no later document takes it for ours."""
    seen = present(run, wish)
    if not (wish.kind.tagged and seen.ours):
        return
    try:
        params = {"resourceArn": seen.arn, "tagKeys": [OWNER_TAG]}
        await run.calls("UntagResource", params, service=wish.kind.service)
    except CallFailed as failed:
        run.warn(wish.address, "kept", f"our tag could not be taken off: {failed.message}")


async def delete(run: Run, wish: Wish) -> ObservedState | None:
    """Delete a resource, and return it as the answer shows it; None: it was gone already, which is no mistake."""
    memory, seen = memory_of(run, wish), present(run, wish)
    intent = intent_of(run, wish, Verb.DELETE, error=seen.reasons)
    await mark(run, wish, memory.to_be_deleted(seen), intent)
    params = address_of(wish.kind, seen.id, run.parent_id(wish.address)) | dict(wish.ending)
    try:
        answer = await ask(run.calls, wish.kind, wish.kind.operations.delete, params)
    except (CallFailed, OutOfTime) as failed:
        if isinstance(failed, CallFailed) and await _is_gone(run, wish, seen, failed):
            # Where reads go on showing it, that was a try, too.
            await run.book.remember(run.memory(wish.address).deletion_accepted(wish.counted_for))
            return run.learn(wish.address, None)
        if isinstance(failed, OutOfTime) or failed.verdict is not Verdict.UNKNOWN_OUTCOME:
            # It was refused, so it is no deletion that came to nothing.
            await run.book.remember(run.memory(wish.address).deletion_refused())
        raise
    seen = seen.showing({**answer, "status": answer.get("status") or "DELETING"})
    run.learn(wish.address, seen)
    if wish.declared is None:
        # A deletion that belongs to a new creation is counted there.
        await run.book.remember(run.memory(wish.address).deletion_accepted(wish.counted_for))
    return seen


async def delete_endpoints(run: Run, wish: Wish) -> None:
    """Delete the endpoints of a harness's owner, and wait until they are gone: they must go first (service 2.12)."""
    seen = present(run, wish)
    if not wish.options.delete_endpoints:
        return
    for name in run.unmanaged.get(wish.address, ()):
        await run.calls("DeleteHarnessEndpoint", {"harnessId": seen.id, "endpointName": name})
    while run.unmanaged.get(wish.address):
        run.unmanaged[wish.address] = await run.observer.endpoints(str(seen.id))
        if run.unmanaged[wish.address]:
            await run.deadline.sleep(_ENDPOINT_SECONDS, f"the endpoints of {wish.address} to go")


async def _is_gone(run: Run, wish: Wish, seen: ObservedState, failed: CallFailed) -> bool:
    """Tell whether a refused deletion found nothing; a runtime that is gone may be refused as forbidden (1.1)."""
    if failed.verdict is Verdict.DENIED and seen.id is not None:
        return await run.observer.look(wish.kind, seen.id, run.parent_id(wish.address)) is None
    return failed.verdict is Verdict.GONE


async def synchronize(run: Run, wish: Wish) -> ObservedState:
    """Have a target's tools read again: one id a call. Returns the target as the answer shows it."""
    memory, seen = memory_of(run, wish), present(run, wish)
    intent = intent_of(run, wish, Verb.SYNCHRONIZE)
    memory = await mark(run, wish, memory, intent)
    params = {"gatewayIdentifier": run.parent_id(wish.address), "targetIdList": [seen.id]}
    named = partial(_lacks_target, wish.kind, seen.id)
    answer = await run.calls(str(wish.kind.operations.synchronize), params, service=wish.kind.service, lacks=named)
    body: dict[str, Any] = next(one for one in answer["targets"] if one.get(wish.kind.id_member) == seen.id)
    counted = wish.mode is Mode.PROVISION and seen.meaning.phase is Phase.FAILED
    seen = seen.showing({"status": "SYNCHRONIZING", **body})
    run.learn(wish.address, seen)
    # Whatever time the service shows for it, it was synchronized since our last change.
    await run.book.remember(memory.synchronization_accepted(intent, wish.synchronizations + 1, attempt=counted))
    return seen


def _lacks_target(kind: Kind, identity: str | None, answer: Mapping[str, Any]) -> tuple[str, ...]:
    """Tell whether a synchronization's answer says nothing of the target that it was asked for."""
    told = any(one.get(kind.id_member) == identity for one in answer.get("targets") or ())
    return () if told else (f"targets[{kind.id_member}]",)


def _creatable(run: Run, wish: Wish, declared: Mapping[str, Any]) -> dict[str, Any]:
    """Return a create's members: what is declared, the name, the parent, our tag."""
    body = wish.kind.first(declared)
    body[wish.kind.name_member] = wish.name
    if wish.kind.parent is not None:
        body["gatewayIdentifier"] = run.parent_id(wish.address)
    if wish.kind.tagged:
        body["tags"] = {**(declared.get("tags") or {}), OWNER_TAG: wish.stack}
    return body


async def _with_secrets(
    run: Run, wish: Wish, operation: str, body: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Put secrets in at the last moment and check the whole request once more. Returns it and their versions."""
    secrets: dict[str, Secret] = {}
    for path, reference in run.secrets_of(run.items[wish.address].resource).items():
        secrets[path] = await resolve(run.calls, reference)
        # It may have been rotated since it was compared; what is sent now is what counts from here on.
        run.secret_versions[reference] = secrets[path].version
    filled = _fill(body, {path: secret.value for path, secret in secrets.items()}, ())
    # Ids are the service's own, in whatever form it gives them; only what is declared is checked.
    declared = wish.kind.declarable.members
    faults = service_model.input_type(operation, wish.kind.service).faults(filled)
    wrong = [fault for fault in faults if fault.path[0] in declared]
    if wrong:
        text = "; ".join(f"{path_text(fault.path)}: {fault.message}" for fault in wrong)
        raise CallFailed(operation, Verdict.INVALID, "InvalidAfterResolution", text)
    return filled, {path: secret.version for path, secret in secrets.items()}


def _fill(value: Any, secrets: Mapping[str, str], path: tuple[str | int, ...]) -> Any:
    if isinstance(value, Mapping):
        return {name: _fill(item, secrets, (*path, name)) for name, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, secrets, (*path, index)) for index, item in enumerate(value)]
    return secrets.get(path_text(path), value) if secrets else value


def _whole(wish: Wish, answer: Mapping[str, Any]) -> bool:
    """Tell whether an answer shows all that a read would show of what is declared."""
    shown = {wish.kind.shown_as.get(name, name) for name, value in declared_of(wish).items() if value}
    readable = set(getattr(wish.kind.response, "members", {}))
    return set(wish.kind.response.required_members) | (shown & readable) <= set(answer)
