"""What the service says of a failure may quote a secret: it is used once redaction knows the secrets of the stack.

The process that sent them may have been another one.
"""

from contextlib import suppress
from dataclasses import replace
from functools import partial

from infra.errors import CallFailed, OutOfTime
from infra.secrets import SecretReference, resolve
from infra.tasks import together
from workflows.acting.run import Item, Run


async def without_secrets(run: Run, item: Item) -> None:
    """Blot out, in what is seen of a resource, the secrets that the service's reasons quote."""
    seen = run.seen.get(item.address)
    if seen is None or not seen.reasons:
        return
    await _know_secrets(run, item)
    blotted = {name: run.calls.aws.redaction.value(seen.body.get(name)) for name in item.kind.reason_members}
    run.learn(item.address, replace(seen, body={**seen.body, **{n: v for n, v in blotted.items() if v is not None}}))


async def _know_secrets(run: Run, item: Item) -> None:
    """Resolve the secrets that a reason may quote, each once; those that cannot be had now cannot be known.

    Those are what the document names, and what was sent for the resource and for what it needs.
    """
    named = {one for other in run.items.values() for one in run.secrets_in(other.kind, other.declared).values()}
    texts = {text for address in _needs(run, item.address) for text in run.book.memories[address].secrets}
    named |= {one for one in map(SecretReference.parse, texts) if one is not None}
    async with run.secrets_lock:
        unknown = sorted(named - run.known_secrets, key=str)
        await together([partial(_know, run, reference) for reference in unknown])
        run.known_secrets |= named


def _needs(run: Run, address: str) -> set[str]:
    """Return what is remembered of a resource and of all that it was applied with a reference to, by address."""
    found: set[str] = set()
    todo = [address]
    while todo:
        memory = run.book.memories.get(todo.pop())
        if memory is not None and memory.address not in found:
            found.add(memory.address)
            todo += [*memory.depends_on, *([memory.parent] if memory.parent else [])]
    return found


async def _know(run: Run, reference: SecretReference) -> None:
    with suppress(CallFailed, OutOfTime):
        await resolve(run.calls, reference)
