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
    await _know_secrets(run)
    blotted = {name: run.calls.aws.redaction.value(seen.body.get(name)) for name in item.kind.reason_members}
    run.seen[item.address] = replace(seen, body={**seen.body, **{n: v for n, v in blotted.items() if v is not None}})


async def _know_secrets(run: Run) -> None:
    """Resolve every secret that the document names, once; those that cannot be had now cannot be known."""
    if run.knows_secrets:
        return
    run.knows_secrets = True
    named = {one for item in run.items.values() for one in run.secrets_in(item.kind, item.declared).values()}
    await together([partial(_know, run, reference) for reference in sorted(named, key=str)])


async def _know(run: Run, reference: SecretReference) -> None:
    with suppress(CallFailed, OutOfTime):
        await resolve(run.calls, reference)
