"""Masking secrets in the service's reasons for a failure, before a reason is used.

A reason may quote a secret. Redaction masks only secrets that this process has read, and another process may have sent
the secret; so the secrets are read here first.
"""

from contextlib import suppress
from dataclasses import replace
from functools import partial

from infra.errors import CallFailed, OutOfTime
from infra.secrets import SecretReference, resolve
from infra.tasks import gather_all
from workflows.reconcile.graph import Node
from workflows.reconcile.run import Run


async def without_secrets(run: Run, node: Node) -> None:
    """Mask, in the observed state of a resource, the secrets that the service's reasons quote."""
    observed = run.observed.get(node.address)
    if observed is None or not observed.reasons:
        return
    await _know_secrets(run, node)
    blotted = {name: run.calls.aws.redaction.value(observed.body.get(name)) for name in node.kind.reason_members}
    run.learn(
        node.address, replace(observed, body={**observed.body, **{n: v for n, v in blotted.items() if v is not None}})
    )


async def _know_secrets(run: Run, node: Node) -> None:
    """Resolve the secrets that a reason may quote, each once; a secret that cannot be read now stays unknown.

    These are the secrets in the document, and those sent for the resource and for everything the resource depends on.
    """
    named = {one for other in run.nodes.values() for one in run.secrets_in(other.kind, other.declared).values()}
    texts = {text for address in _needs(run, node.address) for text in run.session.records[address].secrets}
    named |= {one for one in map(SecretReference.parse, texts) if one is not None}
    async with run.secrets_lock:
        unknown = sorted(named - run.known_secrets, key=str)
        await gather_all([partial(_know, run, reference) for reference in unknown])
        run.known_secrets |= named


def _needs(run: Run, address: str) -> set[str]:
    """Return the addresses of a recorded resource and, transitively, of recorded dependencies and parents."""
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
