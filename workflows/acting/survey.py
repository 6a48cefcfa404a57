"""Observing everything that a run is about, side by side, before anything is decided."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from infra.errors import PASSING, CallFailed, OutOfTime, Verdict
from infra.secrets import SecretReference, version_of
from infra.tasks import together
from workflows.acting.book import memories_of
from workflows.acting.run import Item, Run
from workflows.document.stack import Deletion, Options
from workflows.kinds import Kind, children
from workflows.kinds.observed import ObservedState
from workflows.records.items import partition_of
from workflows.records.request_state import Mode


async def survey(run: Run) -> None:
    """Fill in what is seen of every item, and the current versions of the secrets of those that exist."""
    top = [address for address, item in run.items.items() if item.parent is None]
    jobs: list[Callable[[], Any]] = [partial(_top, run, address) for address in top]
    await together(jobs)
    await together([partial(_secret_version, run, reference) for reference in _secrets_to_compare(run)])


async def _top(run: Run, address: str) -> None:
    """Look a resource up, and what stands under it. What AWS refuses or is slow with stops this resource alone."""
    item = run.items[address]
    try:
        run.learn(address, await find(run, item))
        if children(item.kind) and run.seen[address] is not None:
            await list_children(run, address)
    except (CallFailed, OutOfTime) as failed:
        run.obstacles[address] = failed


async def find(run: Run, item: Item) -> ObservedState | None:
    """Look up a resource without parent, by its recorded id, else by its name; see whose it is before it goes."""
    memory = run.memory(item.address)
    seen = await run.observer.resource(item.kind, item.name, memory)
    if seen is None or item.wanted:
        return seen
    try:
        return await run.observer.proven(seen, strictly=run.back_to is not None)
    except CallFailed as failed:
        if failed.verdict in PASSING or failed.verdict is Verdict.CREDENTIALS or not memory.identifies(seen):
            raise
        if await _taken_over(run, seen):
            raise
        run.warn(item.address, "tags-unread", f"its tags cannot be read ({failed.code}); it is known by its id")
        return seen


async def look_by_name(run: Run, item: Item) -> ObservedState | None:
    """Find out what bears a resource's name now, and return it."""
    if item.parent is not None:
        await list_children(run, item.parent)
        return run.seen.get(item.address)
    run.observer.forget_lists()
    return run.learn(item.address, await run.observer.named(item.kind, item.name))


async def _taken_over(run: Run, seen: ObservedState) -> bool:
    """Tell whether another stack of this ledger has a resource by now: without tags nothing else would say so."""
    for partition in await run.book.ledger.partitions(partition_of(run.account, run.calls.aws.region, "")):
        if partition == run.book.partition:
            continue
        known = (await memories_of(run.book.ledger, partition)).values()
        if any(memory.exists and memory.arn == seen.arn for memory in known):
            return True
    return False


async def list_children(run: Run, parent: str) -> None:
    """See what stands under a resource: by the watch that will also wait for it, where anything is declared there."""
    if not any(item.parent == parent for item in run.items.values()):
        if not run.items[parent].wanted:
            await list_inside(run, parent)
        return
    take_children(run, parent, dict(await run.own_watch(parent).look()))


async def list_inside(run: Run, address: str) -> None:
    """Find out what stands inside a resource that is to go: targets, or a harness's endpoints beside its own."""
    try:
        await _list_inside(run, address)
    except CallFailed as failed:
        if failed.verdict is not Verdict.GONE:
            raise
        # It was there a moment ago; the next look sees what became of it.
        raise CallFailed(failed.operation, Verdict.BUSY, failed.code, failed.message) from None


async def _list_inside(run: Run, address: str) -> None:
    item, seen = run.items[address], run.seen.get(address)
    if seen is None or seen.id is None:
        run.unmanaged[address] = ()
    elif item.kind.endpoints:
        run.unmanaged[address] = await run.observer.endpoints(seen.id)
    elif any(one.parent == address for one in run.items.values()):
        await list_children(run, address)
    else:
        for kind in children(item.kind):
            run.unmanaged[address] = tuple(sorted(await run.observer.children(kind, seen.id)))


def holds_something(kind: Kind) -> bool:
    """Tell whether things may stand inside resources of a kind that nobody declared."""
    return kind.endpoints or bool(children(kind))


def take_children(run: Run, parent: str, found: dict[str, ObservedState]) -> None:
    """Match what stands under a resource with what is declared or remembered there; the rest is not managed."""
    by_id = {seen.id: seen for seen in found.values()}
    mine = [item for item in run.items.values() if item.parent == parent and not item.released]
    holder, above = run.items[parent], run.seen.get(parent)
    lost = not holder.wanted and not holder.options.existing and above is not None and not above.ours
    ours = not holder.options.existing and not lost
    known = set()
    for item in [*mine, *_turned_up(run, parent, by_id)]:
        memory = run.memory(item.address)
        ids = {memory.id, *memory.deposed}
        seen = next((by_id[one] for one in (memory.id, *memory.deposed) if one in by_id), found.get(item.name))
        if seen is not None:
            known.add(seen.id)
            seen = replace(seen, ours=ours or (seen.id in ids and not lost))
        run.learn(item.address, seen)
    run.listed.add(parent)
    run.unmanaged[parent] = tuple(sorted(name for name, seen in found.items() if seen.id not in known))


def _turned_up(run: Run, parent: str, by_id: Mapping[str | None, ObservedState]) -> list[Item]:
    """Return what reads did not show for so long that it was taken for gone, and what is to go now that it shows."""
    found = []
    for address, memory in run.book.memories.items():
        if memory.parent != parent or address in run.items or not set(memory.deposed) & set(by_id):
            continue
        kind = next(kind for kind in children(run.items[parent].kind) if kind.section == memory.kind)
        options = Options(deletion=Deletion.RETAIN if memory.on_removal.retain else Deletion.DELETE)
        run.items[address] = item = Item(address, kind, memory.name, None, options, parent)
        if not run.items[parent].wanted:
            run.items[parent].after |= {address}
        found.append(item)
    return found


def warn_of_strangers(run: Run, allow: Iterable[str]) -> None:
    """Warn of targets that this stack does not manage, and of allowed addresses at which there is nothing."""
    for address in sorted(set(allow) - set(run.items)):
        run.warn(address, "allow", "allowed, but nothing of that address is declared or known")
    for address, names in run.unmanaged.items():
        if names and not run.items[address].kind.endpoints:
            run.warn(address, "unmanaged", f"targets that this stack does not manage: {', '.join(names)}")


def _secrets_to_compare(run: Run) -> set[SecretReference]:
    """Return the secrets of resources that exist, shown yet or not, and are ours to change."""
    if run.mode is not Mode.PROVISION:
        return set()
    mine = [item for item in run.items.values() if item.wanted and not item.options.existing]
    there = [one for one in mine if run.seen.get(one.address) is not None or run.memory(one.address).exists]
    return {reference for item in there for reference in run.secrets_of(item.resource).values()}


async def _secret_version(run: Run, reference: SecretReference) -> None:
    try:
        run.secret_versions[reference] = await version_of(run.calls, reference)
    except (CallFailed, OutOfTime) as failed:
        users = (item for item in run.items.values() if reference in run.secrets_of(item.resource).values())
        run.obstacles |= {item.address: failed for item in users}
