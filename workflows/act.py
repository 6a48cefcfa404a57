"""Acting: one task per resource, each waiting for exactly what it needs, so that a run takes its critical path.

A task asks the planner for the next step, takes it, and asks again, until the resource is as wanted or cannot be
brought there in this run.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial

import anyio
import structlog

from infra.errors import PASSING, CallFailed, OutOfTime, Verdict
from infra.tasks import together
from workflows import failures, steps
from workflows.decide import VISIBLE_WITHIN, Action, Decision, Mode, Wish, decide
from workflows.kinds.kind import Phase
from workflows.outcome import ResourceStatus, Result
from workflows.run import Item, Run
from workflows.state import Seen
from workflows.survey import list_children

log = structlog.get_logger()

#: More steps than any resource takes; reaching it means that steps undo each other, which is ours to mend.
_MOST_STEPS = 60
#: Calls without an answer that one resource may meet in a run before it is left to the next.
_MOST_UNANSWERED = 5
#: Seconds after which to come back when AWS refuses for a passing reason.
_LATER = 15.0
#: Seconds for which a read after a delete may still show what was there before (agentcore-service 1.1).
_STALE = 10.0

Step = Callable[[Run, Wish], Awaitable[None]]
_STEPS: Mapping[Action, Step] = {
    Action.UPDATE: steps.update,
    Action.TAG: steps.tag,
    Action.SYNCHRONIZE: steps.synchronize,
}


async def act(run: Run) -> list[Result]:
    """Bring every item to where it is wanted, then look once more that it stays there."""
    todo = list(run.items)
    while todo:
        await together([partial(_task, run, address) for address in todo])
        todo = await _unsteady(run)
    return [item.result for item in run.items.values() if item.result is not None]


async def _task(run: Run, address: str) -> None:
    """Work on one resource once all that comes first is done. Whatever happens, who waits for it is told."""
    item = run.items[address]
    try:
        item.result = await _after_others(run, item) or await _reach(run, item)
    except OutOfTime as late:
        item.result = _result(run, item, ResourceStatus.IN_PROGRESS, str(late), retry_after=late.retry_after)
    except CallFailed as failed:
        item.result = _of_failed_call(run, item, failed)
    finally:
        item.done.set()
    result = item.result
    run.tell(address, str(result.status), f"{result.seconds:.1f} s" if result.failure is None else result.reason)


async def _after_others(run: Run, item: Item) -> Result | None:
    """Wait for what comes first; return the result of this resource when that cannot be had now."""
    for address in sorted(item.after):
        other = run.items[address]
        await other.done.wait()
        result = other.result
        if result is None or _serves(item, other, result):
            continue
        if result.status is ResourceStatus.IN_PROGRESS:
            reason = f"waits for {address}, which is in progress"
            return _result(run, item, ResourceStatus.IN_PROGRESS, reason, retry_after=result.retry_after)
        return _result(run, item, ResourceStatus.BLOCKED, f"waits for {address}, which is {result.status}")
    return None


def _serves(item: Item, other: Item, result: Result) -> bool:
    """Tell whether another's result lets this one begin."""
    if other.wanted:
        return result.status is ResourceStatus.READY
    kept = result.status is ResourceStatus.RETAINED and not item.wanted
    return result.status is ResourceStatus.DELETED or kept


async def _reach(run: Run, item: Item) -> Result:
    """Take step after step until there is none left."""
    item.began = item.began or anyio.current_time()
    if item.address in run.obstacles:
        raise run.obstacles[item.address]
    if item.parent is not None and item.parent not in run.listed and run.parent_id(item.address) is not None:
        await list_children(run, item.parent)
    if run.mode is Mode.PROVISION:
        await _know_references(run, item)
    for _ in range(_MOST_STEPS):
        wish = run.wish(item.address)
        decision = decide(wish, run.seen.get(item.address), run.memory(item.address))
        result = await _take(run, item, wish, decision)
        if result is not None:
            return result
    raise AssertionError(f"{item.address} took {_MOST_STEPS} steps without coming to rest")


async def _know_references(run: Run, item: Item) -> None:
    """See that every reference can be resolved, reading whole what a list showed in part."""
    for reference in item.resource.references if item.resource is not None else ():
        other = run.items[reference.address]
        seen = run.seen.get(other.address)
        if run.value_of(reference) is None and seen is not None and not seen.full:
            await look(run, other)
        if run.value_of(reference) is None:
            message = f"${{{reference.text}}} has no value: {other.address} does not show that member"
            raise CallFailed("reference", Verdict.INVALID, "UnresolvedReference", message)


async def _take(run: Run, item: Item, wish: Wish, decision: Decision) -> Result | None:
    """Take one step. Returns the result when it was the last."""
    match decision.action:
        case Action.NONE:
            if run.mode is Mode.PROVISION and not item.options.existing:
                await steps.settle(run, wish)
            return _result(run, item, ResourceStatus.READY, decision.reason)
        case Action.GONE:
            await steps.forget(run, wish)
            return _result(run, item, ResourceStatus.DELETED, decision.reason)
        case Action.KEEP:
            return await _keep(run, item, wish, decision)
        case Action.FAIL:
            return replace(_result(run, item, ResourceStatus.FAILED, decision.reason), failure=decision.failure)
        case Action.CONSENT:
            return _awaiting_consent(run, item, decision)
        case Action.LOOK:
            await look(run, item)
        case Action.WAIT:
            await _wait(run, item, decision.reason)
        case _:
            await _change(run, item, wish, decision)
    return None


async def _change(run: Run, item: Item, wish: Wish, decision: Decision) -> None:
    """Take a step that changes something, holding one of the gateway's places until it has ended."""
    item.first_action = item.first_action or (decision.action, decision.reason)
    if item.parent is None or decision.action is Action.TAG:
        await _send(run, item, wish, decision)
        return
    slots, watch = run.slots(item.parent), run.watch(item.address)

    async def wait_for_others() -> None:
        await run.deadline.sleep(1.0, f"a place among the operations of {item.parent}")
        await watch.look()

    await slots.take(item.name, wait_for_others)
    try:
        await _send(run, item, wish, decision)
    finally:
        slots.free(item.name)


async def _send(run: Run, item: Item, wish: Wish, decision: Decision) -> None:
    """Send what a decision says and wait for the end of it."""
    run.tell(item.address, decision.action, ", ".join(decision.paths) or decision.reason)
    log.info("step", resource=item.address, action=decision.action, paths=list(decision.paths))
    try:
        await _carry_out(run, item, wish, decision)
    except CallFailed as failed:
        if failed.verdict is not Verdict.UNKNOWN_OUTCOME or run.seen.get(item.address) is None:
            raise
        item.unanswered += 1
        if item.unanswered > _MOST_UNANSWERED:
            raise
        # It may have taken effect: look, and decide again.
        await run.deadline.sleep(1.0, f"an answer of {failed.operation}")
        await look(run, item)


async def _carry_out(run: Run, item: Item, wish: Wish, decision: Decision) -> None:
    """Do what a decision says."""
    if decision.action is Action.REPLACE:
        await _delete(run, item, wish)
        if run.seen.get(item.address) is not None:
            await run.book.remember(run.memory(item.address).trying(wish.generation))
            return
        wish = run.wish(item.address)
    if decision.action is Action.DELETE:
        await _delete(run, item, wish)
        return
    before = run.seen.get(item.address)
    began = anyio.current_time()
    step = _STEPS.get(decision.action, steps.create)
    try:
        await step(run, wish)
    except CallFailed as failed:
        if failed.verdict is not Verdict.GONE or before is None:
            raise
        await look(run, item)
        if run.seen.get(item.address) is not None:
            raise
    await _settle_down(run, item, began)
    if decision.action is Action.UPDATE:
        _tolerate(run, item, decision)


async def _delete(run: Run, item: Item, wish: Wish) -> None:
    began = anyio.current_time()
    await steps.delete(run, wish)
    await _settle_down(run, item, began, sort="DELETE")
    if run.seen.get(item.address) is None:
        await steps.forget(run, wish)


async def _settle_down(run: Run, item: Item, began: float, sort: str = "") -> None:
    """Wait while an operation is under way, so that its place is held until then."""
    seen = run.seen.get(item.address)
    if seen is not None and seen.moving:
        run.tell(item.address, str(seen.status))
        await _wait_for(run, item, sort or str(seen.status), began)


async def _wait(run: Run, item: Item, why: str) -> None:
    """Wait for something that this run did not begin, or for reads to show what was made."""
    run.tell(item.address, "WAIT", why)
    seen = run.seen.get(item.address)
    if seen is not None:
        await _wait_for(run, item, str(seen.status), anyio.current_time())
        return
    left = VISIBLE_WITHIN - (run.now() - run.memory(item.address).created_at)
    give_up = anyio.current_time() + left
    with anyio.move_on_at(give_up):
        await _wait_for(run, item, "VISIBLE", anyio.current_time(), appears=True)
    if run.seen.get(item.address) is None:
        await steps.forget(run, run.wish(item.address))


async def _wait_for(run: Run, item: Item, sort: str, began: float, *, appears: bool = False) -> None:
    """Wait until a poll shows the end of an operation, and keep what it shows."""
    before = run.seen.get(item.address)
    leaving = before is not None and before.status == "DELETING"

    def done(seen: Seen | None) -> bool:
        if seen is None:
            # Just created and not shown yet is not gone.
            fresh = run.now() - run.memory(item.address).created_at < VISIBLE_WITHIN
            return not appears and (leaving or not fresh)
        if leaving and anyio.current_time() - began < _STALE:
            return False
        stale = before is not None and bool(seen.updated) and seen.updated < before.updated
        return not seen.moving and not stale

    shown = await run.watch(item.address).until(item.name, f"{item.kind.section} {sort}", began, done)
    if shown is None or before is None:
        run.seen[item.address] = shown
    elif shown.full:
        run.seen[item.address] = replace(before, body=shown.body, full=True)
    else:
        body = {name: value for name, value in before.body.items() if name not in item.kind.reason_members}
        body.pop("authorizationData", None)
        # The answer to a create cannot hold what is made behind a private endpoint later, nor why something failed.
        full = before.full and shown.meaning.phase is Phase.SETTLED and "privateEndpoint" not in before.body
        run.seen[item.address] = replace(before, body={**body, **shown.body}, full=full)


async def look(run: Run, item: Item) -> None:
    """Read a resource whole."""
    seen = run.seen.get(item.address)
    identity = seen.id if seen is not None else run.memory(item.address).id
    parent = run.parent_id(item.address)
    found = await run.observer.look(item.kind, identity, parent) if identity else None
    if found is not None and seen is not None:
        found = replace(seen, body=found.body, full=True)
    run.seen[item.address] = found


def _tolerate(run: Run, item: Item, decision: Decision) -> None:
    """What an update left as it was is the service's own form of it: said once, and not sent again."""
    wish, seen = run.wish(item.address), run.seen.get(item.address)
    again = decide(wish, seen, run.memory(item.address))
    if again.action is Action.UPDATE and again.paths and again.paths == decision.paths:
        item.tolerated = again.paths
        message = f"the service shows {', '.join(again.paths)} otherwise than declared, also after an update"
        run.warn(item.address, "shown-otherwise", message)


async def _keep(run: Run, item: Item, wish: Wish, decision: Decision) -> Result:
    """Leave a resource as it is; one that is retained on purpose is ours no longer."""
    run.warn(item.address, "kept", decision.reason)
    if not (wish.needs_allow and not wish.allowed and run.mode is Mode.PROVISION):
        await steps.forget(run, wish)
    return _result(run, item, ResourceStatus.RETAINED, decision.reason)


def _awaiting_consent(run: Run, item: Item, decision: Decision) -> Result:
    seen = run.seen.get(item.address)
    oauth = (seen.body.get("authorizationData") or {}).get("oauth2", {}) if seen is not None else {}
    consent = {
        "resource": item.address,
        "authorizationUrl": oauth.get("authorizationUrl", ""),
        "userId": oauth.get("userId", ""),
        "expiresAt": None,
    }
    return replace(_result(run, item, ResourceStatus.AWAITING_CONSENT, decision.reason), consent=consent)


def _of_failed_call(run: Run, item: Item, failed: CallFailed) -> Result:
    if failed.verdict in PASSING:
        reason = f"{failed.operation} was refused for now: {failed.code}: {failed.message}"
        return _result(run, item, ResourceStatus.IN_PROGRESS, reason, retry_after=_LATER)
    failure = failures.of_call(item.address, failed)
    return replace(_result(run, item, ResourceStatus.FAILED, failure.message), failure=failure)


def _result(run: Run, item: Item, status: ResourceStatus, reason: str, *, retry_after: float | None = None) -> Result:
    seen = run.seen.get(item.address)
    action, why = item.first_action or (Action.NONE, reason)
    seconds = anyio.current_time() - item.began if item.began else 0.0
    return Result(
        address=item.address,
        status=status,
        action=str(action),
        reason=why if status is ResourceStatus.READY else reason,
        id=seen.id if seen is not None else None,
        arn=seen.arn if seen is not None else None,
        outputs={**run.memory(item.address).outputs, **seen.outputs} if seen is not None else {},
        retry_after=retry_after,
        seconds=seconds,
    )


async def _unsteady(run: Run) -> list[str]:
    """Look once more at what was changed: READY can flicker. Returns what must be worked on again."""
    changed = [
        item
        for item in run.items.values()
        if item.first_action is not None and item.result is not None and item.result.status is ResourceStatus.READY
    ]
    places = {item.parent or item.address: item.address for item in changed}
    try:
        await together([run.watch(address).look for address in places.values()])
    except (CallFailed, OutOfTime):
        return []
    unsteady = []
    for item in changed:
        shown = run.watch(item.address).last.get(item.name)
        if shown is None or shown.meaning.phase is not Phase.SETTLED:
            before = run.seen.get(item.address)
            run.seen[item.address] = replace(shown, ours=before.ours) if shown and before else shown
            item.done, item.result, item.after = anyio.Event(), None, frozenset()
            unsteady.append(item.address)
    return unsteady
