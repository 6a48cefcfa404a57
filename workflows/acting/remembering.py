"""What a run remembers of one resource: what is about to be sent, what came of it, and that it is gone."""

from collections.abc import Mapping
from typing import Any

from infra.aws import CALL_SECONDS
from infra.errors import CallFailed, Verdict
from workflows.acting.run import Item, Run
from workflows.deciding.decision import Wish
from workflows.document.fingerprint import fingerprint
from workflows.document.stack import Deletion
from workflows.kinds.kind import Phase
from workflows.kinds.observed import ObservedState
from workflows.records.operation import Operation, Verb
from workflows.records.request_state import Mode
from workflows.records.resource import Declaration, OnRemoval, ResourceRecord

#: Refusals that pass as a rule, and do not always.
REFUSED = frozenset({Verdict.BUSY, Verdict.IN_USE, Verdict.NOT_YET})


async def note_options(run: Run) -> None:
    """Remember what becomes of each known resource once it leaves the document, however far this run comes."""
    for item in run.items.values():
        memory, options = run.book.memories.get(item.address), item.options
        if run.mode is not Mode.PROVISION or memory is None or not (memory.exists and item.wanted):
            continue
        retain = options.deletion is Deletion.RETAIN
        await _remember(run, memory, memory.with_removal(retain=retain, delete_endpoints=options.delete_endpoints))


async def know(run: Run, wish: Wish) -> None:
    """Remember which resource it is, where its creation had no answer."""
    if run.memory(wish.address).pending_creation is not None and present(run, wish).ours:
        await run.book.remember(memory_of(run, wish))


async def settle(run: Run, wish: Wish, forms: tuple[str, ...]) -> None:
    """Remember that a resource is as declared, and where it shows that in accepted forms."""
    memory, seen = memory_of(run, wish), present(run, wish)
    if memory.last_applied is None and memory.incarnation == 0:
        message = "taken over as it stands: its secrets and members that are not declared are taken as current"
        run.warn(wish.address, "adopted", message)
    known = memory.settled(
        declaration_of(run, wish),
        seen,
        now=run.now(),
        generation=run.belongs_to,
        parent_id=run.parent_id(wish.address),
        versions=wish.secret_versions or {},
        normalized=forms,
    )
    await _remember(run, memory, known)


async def note_unforced(run: Run, wish: Wish) -> None:
    """Note since when reads show otherwise what an accepted update was to set."""
    memory = run.memory(wish.address)
    await _remember(run, memory, memory.update_shown_otherwise(run.now()))


async def note_failure(run: Run, wish: Wish) -> None:
    """Note that the last update failed: that what was there before is there again says nothing then."""
    memory, seen = run.memory(wish.address), run.seen.get(wish.address)
    if seen is not None and seen.meaning.phase is Phase.FAILED:
        await _remember(run, memory, memory.update_failed())


async def note_refusal(run: Run, item: Item, failed: CallFailed) -> None:
    """Record since when a change is refused for a passing reason, so that it does not pass for ever."""
    if run.mode is Mode.SYNCHRONIZE:
        return
    memory = run.memory(item.address)
    why = {"error_class": str(failed.verdict), "error": failed.message}
    await _remember(run, memory, memory.refused_for_now(run.now(), run.counted_for, **why))


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
    run.learn(wish.address, None)


async def mark(run: Run, wish: Wish, memory: ResourceRecord, intent: Operation) -> ResourceRecord:
    """Write down what is about to be sent. After this, a run that finds no answer knows what may be in force."""
    run.deadline.require(CALL_SECONDS, intent.verb)
    begun = memory.begin(intent, declaration_of(run, wish))
    await run.book.remember(begun)
    return begun


def intent_of(run: Run, wish: Wish, verb: Verb, **more: Any) -> Operation:
    """Return the intent of a call for a resource."""
    about = {"scope": wish.counted_for, "generation": run.belongs_to, **more}
    return Operation.intended(verb, run.now(), fingerprint(declared_of(wish)), **about)


def declaration_of(run: Run, wish: Wish) -> Declaration:
    """Return what the document says of a resource, as it is recorded."""
    resource = run.items[wish.address].resource
    return Declaration(
        members=fingerprint(declared_of(wish)),
        depends_on=tuple(sorted(resource.waits_on)) if resource is not None else (),
        secrets=tuple(sorted(str(reference) for reference in run.secrets_of(resource).values())),
        on_removal=OnRemoval(
            retain=wish.options.deletion is Deletion.RETAIN,
            delete_endpoints=wish.options.delete_endpoints,
            parameters=wish.ending,
        ),
    )


def memory_of(run: Run, wish: Wish) -> ResourceRecord:
    """Return what is remembered of a resource that is seen: also which it is, where its creation had no answer."""
    return run.memory(wish.address).identified(present(run, wish), run.parent_id(wish.address))


async def _remember(run: Run, before: ResourceRecord, after: ResourceRecord) -> None:
    """Write a record where it changed."""
    if after != before:
        await run.book.remember(after)


def declared_of(wish: Wish) -> Mapping[str, Any]:
    """Return what is declared; nothing where it is to go."""
    return wish.declared or {}


def present(run: Run, wish: Wish) -> ObservedState:
    """Return what is seen of a resource that was decided about as existing."""
    seen = run.seen.get(wish.address)
    if seen is None:
        raise AssertionError(f"{wish.address} was decided about as if it existed")
    return seen
