"""What the service says of a failure may quote a secret: it is used once redaction knows the secrets of the stack.

The process that sent them may have been another one.
"""

from contextlib import suppress
from dataclasses import replace
from functools import partial

from infra.errors import CallFailed, OutOfTime
from infra.secrets import SecretReference, resolve
from infra.tasks import together
from workflows.reconcile.run import Node, Run


async def without_secrets(run: Run, node: Node) -> None:
    """Blot out, in what is seen of a resource, the secrets that the service's reasons quote."""
    observed = run.observed.get(node.address)
    if observed is None or not observed.reasons:
        return
    await _know_secrets(run, node)
    blotted = {name: run.calls.aws.redaction.value(observed.body.get(name)) for name in node.kind.reason_members}
    run.learn(
        node.address, replace(observed, body={**observed.body, **{n: v for n, v in blotted.items() if v is not None}})
    )


async def _know_secrets(run: Run, node: Node) -> None:
    """Resolve the secrets that a reason may quote, each once; those that cannot be had now cannot be known.

    Those are what the document names, and what was sent for the resource and for what it needs.
    """
    named = {one for other in run.nodes.values() for one in run.secrets_in(other.kind, other.declared).values()}
    texts = {text for address in _needs(run, node.address) for text in run.session.records[address].secrets}
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
        record = run.session.records.get(todo.pop())
        if record is not None and record.address not in found:
            found.add(record.address)
            todo += [*record.depends_on, *([record.parent] if record.parent else [])]
    return found


async def _know(run: Run, reference: SecretReference) -> None:
    with suppress(CallFailed, OutOfTime):
        await resolve(run.calls, reference)
