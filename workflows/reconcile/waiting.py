"""Waiting for the service through shared watches; the result of a poll becomes the observed state."""

from dataclasses import replace

import anyio

from workflows.kinds.observed import ObservedState, time_text
from workflows.kinds.status import Phase
from workflows.planner.decision import VISIBLE_WITHIN
from workflows.reconcile.graph import Node
from workflows.reconcile.observation import find, look_by_name
from workflows.reconcile.run import Run
from workflows.records.resource import ResourceRecord

#: Seconds for which a read after a deletion may still show the deleted resource (service-notes: consistency).
_STALE = 10.0
#: Seconds between the two reads that must both show a resource to be gone.
_ASK_BY_ID = 5.0
#: Seconds between two lookups by name of a resource that may have been created and has no recorded id.
_ASK_BY_NAME = 5.0


async def wait_until_stable(
    run: Run, node: Node, observed: ObservedState | None, began: float, sort: str = ""
) -> ObservedState | None:
    """Wait until an operation has ended, so that the place is held until then. Returns the resource at rest."""
    if observed is None or not observed.moving:
        return observed
    run.tell(node.address, str(observed.status))
    return await _wait_for(run, node, sort or str(observed.status), began)


async def wait(run: Run, node: Node, why: str) -> None:
    """Wait for an operation that this run did not begin, or until reads show a created resource."""
    run.tell(node.address, "WAIT", why)
    observed = run.observed.get(node.address)
    record = run.record(node.address)
    if observed is not None:
        await _wait_for(run, node, str(observed.status), anyio.current_time(), since=_since(run, record))
        return
    if record.id is None:
        await run.deadline.sleep(_ASK_BY_NAME, f"{node.address} to appear after its create")
        await look_by_name(run, node)
        return
    # Slightly longer, so that the time has passed by every clock at the next decision.
    left = VISIBLE_WITHIN - (run.now() - record.created_at) + 0.01
    with anyio.move_on_after(max(0.0, left)):
        await _wait_for(run, node, "VISIBLE", anyio.current_time(), appears=True)


def _since(run: Run, record: ResourceRecord) -> float:
    """Return when an earlier run began the operation, on the loop's clock, so that polls grow rarer over runs too."""
    changed = max(record.created_at, float(record.changed or 0))
    return anyio.current_time() - max(0.0, run.now() - changed) if changed else anyio.current_time()


async def _wait_for(
    run: Run, node: Node, sort: str, began: float, *, appears: bool = False, since: float | None = None
) -> ObservedState | None:
    """Wait until a poll shows the end of an operation, and return the resource as polled.

    `began` is when this run began to wait, `since` when the operation itself began, both on the loop's clock.
    """
    before = run.observed.get(node.address)
    leaving = before is not None and before.status == "DELETING"

    def done(observed: ObservedState | None) -> bool:
        if observed is None:
            # A new resource that reads do not show yet is not gone.
            fresh = run.now() - run.record(node.address).created_at < VISIBLE_WITHIN
            return not appears and (leaving or not fresh)
        if appears:
            return True
        if leaving and _another(before, observed):
            return True
        if leaving and anyio.current_time() - began < _STALE:
            return False
        return not observed.moving

    shown = await run.watch(node.address).until(
        node.name, f"{node.kind.section} {sort}", began if since is None else since, done
    )
    if shown is None or before is None:
        return run.learn(node.address, shown)
    if leaving and _another(before, shown):
        # Our resource is gone; a lookup by name will determine who owns the new resource.
        return run.learn(node.address, None)
    if shown.full:
        return run.learn(node.address, replace(before, body=shown.body, full=True))
    body = {name: value for name, value in before.body.items() if name not in node.kind.reason_members}
    body.pop("authorizationData", None)
    # A creation's answer lacks resources made later behind a private endpoint, and the reason of a failure.
    full = before.full and shown.meaning.phase is Phase.SETTLED and "privateEndpoint" not in before.body
    return run.learn(node.address, replace(before, body={**body, **shown.body}, full=full))


def _another(before: ObservedState | None, observed: ObservedState) -> bool:
    """Return whether a resource whose id is the name was created at another time than the resource read before."""
    member = observed.kind.created_member
    if (
        before is None
        or observed.kind.id_member != "name"
        or not (before.body.get(member) and observed.body.get(member))
    ):
        return False
    return time_text(before.body[member]) != time_text(observed.body[member])


async def look_by_id(run: Run, node: Node, lag: float = 0.0) -> ObservedState | None:
    """Read a resource that the last read did not show. None: two reads by the id agree that the resource is gone.

    After a deletion, reads that still show the resource may lag, and are repeated for `lag` seconds.
    """
    began, identity, missing = anyio.current_time(), run.record(node.address).id, 0
    while missing < 2:
        observed = run.learn(node.address, await find(run, node)) if node.parent is None else await look(run, node)
        missing = 0 if observed is not None else missing + 1
        if observed is not None and anyio.current_time() - began >= lag:
            return observed
        if missing < 2:
            await run.deadline.sleep(_ASK_BY_ID, f"another read of {node.address}, to confirm that it is gone")
    node.gone_id = identity
    return None


async def until_gone(run: Run, node: Node, began: float) -> ObservedState | None:
    """Confirm an accepted deletion by one read by the id, since a list that lacks a resource proves nothing.

    Reads may lag. A resource still at rest after `_STALE` seconds was not deleted, and is returned. None: gone.
    """
    while True:
        observed = await look(run, node)
        if observed is None:
            node.gone_id = run.record(node.address).id
        if observed is None or (not observed.moving and anyio.current_time() - began >= _STALE):
            return observed
        await run.deadline.sleep(1.0, f"{node.address} to become stable")


async def look(run: Run, node: Node) -> ObservedState | None:
    """Read a resource in full, and return the observed state."""
    observed = run.observed.get(node.address)
    identity = observed.id if observed is not None else run.record(node.address).id
    parent = run.parent_id(node.address)
    found = await run.observer.look(node.kind, identity, parent) if identity else None
    if found is not None and observed is not None:
        found = replace(observed, body=found.body, full=True)
    return run.learn(node.address, found)
