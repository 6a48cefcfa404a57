"""What a run remembers of one resource: what is about to be sent, what came of it, and that it is gone."""

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from typing import Any

from infra.aws import CALL_SECONDS
from workflows.acting.run import Run
from workflows.deciding.decision import Action, Mode, Wish
from workflows.deciding.memory import Memory
from workflows.deciding.state import Seen, time_text
from workflows.document.compare import either
from workflows.document.fingerprint import fingerprint
from workflows.document.stack import Deletion
from workflows.kinds.kind import Phase

#: Seconds after which a call without an answer arrives no more.
_LATEST = 3600.0
#: References of secrets that are remembered of one resource.
_MOST_SECRETS = 10
#: Unanswered calls that one mark keeps.
_MOST_DOUBTS = 5


async def note_options(run: Run) -> None:
    """Remember what becomes of each known resource once it leaves the document, however far this run comes."""
    for item in run.items.values():
        memory, options = run.book.memories.get(item.address), item.options
        if run.mode is not Mode.PROVISION or memory is None or not (memory.exists and item.wanted):
            continue
        noted = replace(memory, retain=options.deletion is Deletion.RETAIN, delete_endpoints=options.delete_endpoints)
        if noted != memory:
            await run.book.remember(noted)


async def know(run: Run, wish: Wish) -> None:
    """Remember which resource it is, where its creation had no answer."""
    if run.memory(wish.address).in_doubt_since is not None and present(run, wish).ours:
        await run.book.remember(memory_of(run, wish))


async def settle(run: Run, wish: Wish, forms: tuple[str, ...]) -> None:
    """Remember that a resource is as declared, and where it shows that in accepted forms."""
    memory, seen = lingering_of(run, memory_of(run, wish)), present(run, wish)
    if run.now() > memory.lingers_until:
        memory = replace(memory, lingering=None, lingers_until=0.0)
    item = run.items[wish.address]
    if memory.applied is None and memory.incarnation == 0:
        message = "taken over as it stands: its secrets and members that are not declared are taken as current"
        run.warn(wish.address, "adopted", message)
    known = replace(
        memory,
        id=seen.id,
        arn=seen.arn,
        parent_id=run.parent_id(wish.address),
        pending=None,
        applied=fingerprint(declared_of(wish)),
        sent=None,
        sent_at=0.0,
        unforced_since=0.0,
        sent_for="",
        sent_times=0,
        stood={},
        forms=forms,
        refused_since=0.0,
        former_ids=(),
        created=time_text(seen.body.get(wish.kind.created_member)) if wish.kind.id_member == "name" else "",
        ending=wish.ending,
        waits_on=tuple(sorted(item.resource.waits_on)) if item.resource else (),
        secret_versions={**(wish.secret_versions or {}), **memory.secret_versions},
        secrets=secrets_with(run, wish, memory),
        ever_ready=True,
        ready_in=memory.ready_in if memory.ever_ready else run.belongs_to,
        seen_updated=seen.updated,
        outputs={**memory.outputs, **seen.outputs},
        retain=item.options.deletion is Deletion.RETAIN,
        delete_endpoints=item.options.delete_endpoints,
    )
    if known != memory:
        await run.book.remember(known)


async def note_unforced(run: Run, wish: Wish) -> None:
    """Note since when reads show otherwise what an accepted update was to set."""
    memory = run.memory(wish.address)
    if memory.sent is not None and not memory.unforced_since:
        await run.book.remember(replace(memory, unforced_since=run.now()))


async def note_failure(run: Run, wish: Wish) -> None:
    """Note that the last update failed: that what was there before is there again says nothing then."""
    memory, seen = run.memory(wish.address), run.seen.get(wish.address)
    if memory.sent_for and seen is not None and seen.meaning.phase is Phase.FAILED:
        await run.book.remember(replace(memory, stood={}, sent_for="", sent_times=0))


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
        await run.book.remember(hidden_yet(run, known) if hidden and not known.deletion_begun else known.gone())
    run.seen[wish.address] = None


def hidden_yet(run: Run, memory: Memory) -> Memory:
    """Return what is left of a resource that reads do not show: should it turn up, it is ours, as it was left."""
    ids = {*memory.former_ids, *([memory.id] if memory.id else [])}
    lingering = reduce(either, memory.may_be_in_force, None)
    until = run.now() + _LATEST if lingering is not None else 0.0
    return replace(memory.gone(), lingering=lingering, lingers_until=until, former_ids=tuple(sorted(ids)))


async def mark(
    run: Run, wish: Wish, memory: Memory, noted: Mapping[str, Any], versions: Mapping[str, str] | None = None
) -> None:
    """Write down what is about to be sent. After this, a run that finds no answer knows what may be in force.

    Earlier marks that had no answer are kept in it.
    """
    run.deadline.require(CALL_SECONDS, str(noted["action"]))
    doubt = {"declared": fingerprint(declared_of(wish)), "versions": dict(versions or {})}
    doubt |= {"token": noted["token"]} if "token" in noted else {}
    declares = noted["action"] in (Action.CREATE, Action.UPDATE, Action.TAG)
    doubtful = [one for one in memory.doubtful if one != doubt] + ([doubt] if declares else [])
    pending = {**noted, "at": run.now(), "doubtful": doubtful[-_MOST_DOUBTS:]}
    await run.book.remember(replace(memory, pending=pending, secrets=secrets_with(run, wish, memory)))


def secrets_with(run: Run, wish: Wish, memory: Memory) -> tuple[str, ...]:
    """Return the references of the secrets that were sent for a resource, with those that are declared now."""
    declared = sorted(str(reference) for reference in run.secrets_of(run.items[wish.address].resource).values())
    return tuple(dict.fromkeys((*memory.secrets, *declared)))[-_MOST_SECRETS:]


def lingering_of(run: Run, memory: Memory, *more: Any) -> Memory:
    """Return a memory that keeps what calls without an answer declared: they may arrive later yet."""
    doubtful = [one["declared"] for one in memory.doubtful]
    until = run.now() + _LATEST if doubtful else memory.lingers_until
    return replace(memory, lingering=reduce(either, (memory.lingering, *more, *doubtful)), lingers_until=until)


def memory_of(run: Run, wish: Wish) -> Memory:
    """Return what is remembered of a resource that is seen: also which it is, where its creation had no answer."""
    memory, seen = run.memory(wish.address), present(run, wish)
    known = replace(memory, made_in=memory.born(ours=seen.ours))
    if not seen.ours:
        # What is only about to be taken over is known by its name until our tag is on it.
        return known
    return replace(known, id=seen.id, arn=seen.arn or memory.arn, parent_id=run.parent_id(wish.address))


def taken(memory: Memory, wish: Wish, run: Run, seen: Seen, versions: Mapping[str, str]) -> Memory:
    """Return the memory of a create or update that the service took: one more try for this request."""
    resource = run.items[wish.address].resource
    return replace(
        memory.trying(wish.counted_for),
        pending=None,
        refused_since=0.0,
        # Should it fail, what it needed before it may need yet.
        waits_on=tuple(sorted({*memory.waits_on, *(resource.waits_on if resource else ())})),
        secret_versions={**memory.secret_versions, **versions},
        changed=time_text(seen.body.get(wish.kind.updated_member)),
        seen_updated="",
        retain=wish.options.deletion is Deletion.RETAIN,
        delete_endpoints=wish.options.delete_endpoints,
        ending=wish.ending,
    )


def declared_of(wish: Wish) -> Mapping[str, Any]:
    """Return what is declared; nothing where it is to go."""
    return wish.declared or {}


def present(run: Run, wish: Wish) -> Seen:
    """Return what is seen of a resource that was decided about as existing."""
    seen = run.seen.get(wish.address)
    if seen is None:
        raise AssertionError(f"{wish.address} was decided about as if it existed")
    return seen
