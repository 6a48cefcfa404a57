"""What a run remembers of one resource: what is about to be sent, what came of it, and that it is gone."""

from collections.abc import Mapping
from typing import Any

from infra.aws import CALL_SECONDS
from workflows.acting.run import Run
from workflows.deciding.decision import Action, Mode, Wish
from workflows.deciding.memory import Declaration, Intent, Memory
from workflows.deciding.state import Seen
from workflows.document.fingerprint import fingerprint
from workflows.document.stack import Deletion
from workflows.kinds.kind import Phase


async def note_options(run: Run) -> None:
    """Remember what becomes of each known resource once it leaves the document, however far this run comes."""
    for item in run.items.values():
        memory, options = run.book.memories.get(item.address), item.options
        if run.mode is not Mode.PROVISION or memory is None or not (memory.exists and item.wanted):
            continue
        retain = options.deletion is Deletion.RETAIN
        await _remember(run, memory, memory.to_be_removed(retain=retain, delete_endpoints=options.delete_endpoints))


async def know(run: Run, wish: Wish) -> None:
    """Remember which resource it is, where its creation had no answer."""
    if run.memory(wish.address).in_doubt_since is not None and present(run, wish).ours:
        await run.book.remember(memory_of(run, wish))


async def settle(run: Run, wish: Wish, forms: tuple[str, ...]) -> None:
    """Remember that a resource is as declared, and where it shows that in accepted forms."""
    memory, seen = memory_of(run, wish), present(run, wish)
    if memory.applied is None and memory.incarnation == 0:
        message = "taken over as it stands: its secrets and members that are not declared are taken as current"
        run.warn(wish.address, "adopted", message)
    known = memory.settled(
        declaration_of(run, wish),
        seen,
        now=run.now(),
        generation=run.belongs_to,
        parent_id=run.parent_id(wish.address),
        versions=wish.secret_versions or {},
        forms=forms,
    )
    await _remember(run, memory, known)


async def note_unforced(run: Run, wish: Wish) -> None:
    """Note since when reads show otherwise what an accepted update was to set."""
    memory = run.memory(wish.address)
    await _remember(run, memory, memory.shown_otherwise(run.now()))


async def note_failure(run: Run, wish: Wish) -> None:
    """Note that the last update failed: that what was there before is there again says nothing then."""
    memory, seen = run.memory(wish.address), run.seen.get(wish.address)
    if seen is not None and seen.meaning.phase is Phase.FAILED:
        await _remember(run, memory, memory.update_failed())


async def let_go(run: Run, wish: Wish) -> None:
    """Remember nothing of a resource that is only looked up from now on: it is nobody's to remove."""
    known = run.book.memories.get(wish.address)
    if known is not None and known.exists:
        await run.book.remember(known.gone())


async def forget(run: Run, wish: Wish, *, hidden: bool = False) -> None:
    """Remember that a resource is gone: its lives are kept, so that the next one gets a token of its own.

    `hidden` says that nobody saw it go: only time, by a clock that may be wrong, tells that it does not exist.
    """
    known = run.book.memories.get(wish.address)
    if known is not None and known.exists:
        await run.book.remember(known.vanished(run.now()) if hidden and not known.deletion_begun else known.gone())
    run.seen[wish.address] = None


async def mark(run: Run, wish: Wish, memory: Memory, intent: Intent) -> Memory:
    """Write down what is about to be sent. After this, a run that finds no answer knows what may be in force."""
    run.deadline.require(CALL_SECONDS, intent.action)
    begun = memory.begun(intent, declaration_of(run, wish))
    await run.book.remember(begun)
    return begun


def intent_of(run: Run, wish: Wish, action: Action, **more: Any) -> Intent:
    """Return the intent of a call for a resource."""
    return Intent(str(action), run.now(), wish.counted_for, run.belongs_to, **more)


def declaration_of(run: Run, wish: Wish) -> Declaration:
    """Return what the document says of a resource, as it is recorded."""
    resource = run.items[wish.address].resource
    return Declaration(
        members=fingerprint(declared_of(wish)),
        waits_on=tuple(sorted(resource.waits_on)) if resource is not None else (),
        secrets=tuple(sorted(str(reference) for reference in run.secrets_of(resource).values())),
        retain=wish.options.deletion is Deletion.RETAIN,
        delete_endpoints=wish.options.delete_endpoints,
        ending=wish.ending,
    )


def memory_of(run: Run, wish: Wish) -> Memory:
    """Return what is remembered of a resource that is seen: also which it is, where its creation had no answer."""
    return run.memory(wish.address).identified(present(run, wish), run.parent_id(wish.address))


async def _remember(run: Run, before: Memory, after: Memory) -> None:
    """Write a record where it changed."""
    if after != before:
        await run.book.remember(after)


def declared_of(wish: Wish) -> Mapping[str, Any]:
    """Return what is declared; nothing where it is to go."""
    return wish.declared or {}


def present(run: Run, wish: Wish) -> Seen:
    """Return what is seen of a resource that was decided about as existing."""
    seen = run.seen.get(wish.address)
    if seen is None:
        raise AssertionError(f"{wish.address} was decided about as if it existed")
    return seen
