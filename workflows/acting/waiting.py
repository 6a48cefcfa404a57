"""Waiting for the service: through shared watches, with what a poll shows kept as what is seen."""

from dataclasses import replace

import anyio

from workflows.acting.run import Item, Run
from workflows.acting.survey import find, look_by_name
from workflows.deciding.decision import VISIBLE_WITHIN
from workflows.kinds.kind import Phase
from workflows.kinds.observed import ObservedState, time_text
from workflows.records.resource import ResourceRecord

#: Seconds for which a read after a delete may still show what was there before (agentcore-service 1.1).
_STALE = 10.0
#: Seconds between two reads that must both say that something is gone.
_ASK_BY_ID = 5.0
#: Seconds between two looks for something that may have been created and has no id yet.
_ASK_BY_NAME = 5.0


async def settle_down(
    run: Run, item: Item, seen: ObservedState | None, began: float, sort: str = ""
) -> ObservedState | None:
    """Wait while an operation is under way, so that its place is held until then. Returns the resource at rest."""
    if seen is None or not seen.moving:
        return seen
    run.tell(item.address, str(seen.status))
    return await _wait_for(run, item, sort or str(seen.status), began)


async def wait(run: Run, item: Item, why: str) -> None:
    """Wait for something that this run did not begin, or for reads to show what was made."""
    run.tell(item.address, "WAIT", why)
    seen = run.seen.get(item.address)
    memory = run.memory(item.address)
    if seen is not None:
        await _wait_for(run, item, str(seen.status), anyio.current_time(), since=_since(run, memory))
        return
    if memory.id is None:
        await run.deadline.sleep(_ASK_BY_NAME, f"a creation of {item.address} to show")
        await look_by_name(run, item)
        return
    # Somewhat longer, so that the time is over by every clock when it is asked for again.
    left = VISIBLE_WITHIN - (run.now() - memory.created_at) + 0.01
    with anyio.move_on_after(max(0.0, left)):
        await _wait_for(run, item, "VISIBLE", anyio.current_time(), appears=True)


def _since(run: Run, memory: ResourceRecord) -> float:
    """Return when an earlier run began what goes on, on the loop's clock, so that looks grow rarer over runs too."""
    changed = max(memory.created_at, float(memory.changed or 0))
    return anyio.current_time() - max(0.0, run.now() - changed) if changed else anyio.current_time()


async def _wait_for(
    run: Run, item: Item, sort: str, began: float, *, appears: bool = False, since: float | None = None
) -> ObservedState | None:
    """Wait until a poll shows the end of an operation, and return the resource as it shows it.

    `began` is when this run began to wait, `since` when the operation itself began.
    """
    before = run.seen.get(item.address)
    leaving = before is not None and before.status == "DELETING"

    def done(seen: ObservedState | None) -> bool:
        if seen is None:
            # Just created and not shown yet is not gone.
            fresh = run.now() - run.memory(item.address).created_at < VISIBLE_WITHIN
            return not appears and (leaving or not fresh)
        if appears:
            return True
        if leaving and _another(before, seen):
            return True
        if leaving and anyio.current_time() - began < _STALE:
            return False
        return not seen.moving

    shown = await run.watch(item.address).until(
        item.name, f"{item.kind.section} {sort}", began if since is None else since, done
    )
    if shown is None or before is None:
        return run.learn(item.address, shown)
    if leaving and _another(before, shown):
        # Ours is gone; whose this one is, is asked when it is looked up by its name.
        return run.learn(item.address, None)
    if shown.full:
        return run.learn(item.address, replace(before, body=shown.body, full=True))
    body = {name: value for name, value in before.body.items() if name not in item.kind.reason_members}
    body.pop("authorizationData", None)
    # The answer to a create cannot hold what is made behind a private endpoint later, nor why something failed.
    full = before.full and shown.meaning.phase is Phase.SETTLED and "privateEndpoint" not in before.body
    return run.learn(item.address, replace(before, body={**body, **shown.body}, full=full))


def _another(before: ObservedState | None, seen: ObservedState) -> bool:
    """Tell whether what bears a name that is an id was made after what bore it before."""
    member = seen.kind.created_member
    if before is None or seen.kind.id_member != "name" or not (before.body.get(member) and seen.body.get(member)):
        return False
    return time_text(before.body[member]) != time_text(seen.body[member])


async def look_by_id(run: Run, item: Item, lag: float = 0.0) -> ObservedState | None:
    """Return a resource that the last read did not show; None: it is gone, as two reads by its id say.

    Where the service says that it is gone, reads that still show it may lag: they are asked again for `lag` seconds.
    """
    began, identity, missing = anyio.current_time(), run.memory(item.address).id, 0
    while missing < 2:
        seen = run.learn(item.address, await find(run, item)) if item.parent is None else await look(run, item)
        missing = 0 if seen is not None else missing + 1
        if seen is not None and anyio.current_time() - began >= lag:
            return seen
        if missing < 2:
            await run.deadline.sleep(_ASK_BY_ID, f"another read of {item.address}, to see whether it is gone")
    item.gone_id = identity
    return None


async def until_gone(run: Run, item: Item, began: float) -> ObservedState | None:
    """After a deletion that was accepted: a list lacks the resource, so one read by its id must say that it is gone.

    Reads may lag; a resource that such a read shows at rest for longer than that has not been deleted. It is returned.
    """
    while True:
        seen = await look(run, item)
        if seen is None:
            item.gone_id = run.memory(item.address).id
        if seen is None or (not seen.moving and anyio.current_time() - began >= _STALE):
            return seen
        await run.deadline.sleep(1.0, f"the end of {item.address}")


async def look(run: Run, item: Item) -> ObservedState | None:
    """Read a resource whole, and return it."""
    seen = run.seen.get(item.address)
    identity = seen.id if seen is not None else run.memory(item.address).id
    parent = run.parent_id(item.address)
    found = await run.observer.look(item.kind, identity, parent) if identity else None
    if found is not None and seen is not None:
        found = replace(seen, body=found.body, full=True)
    return run.learn(item.address, found)
