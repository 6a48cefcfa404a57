"""Masking secrets in what the service says of a failure, before that text is used.

A reason or an error message may quote a secret. Redaction masks only secrets that this request has read, and another
process may have sent the secret, or an earlier version of it; so the secrets are read here first: the declared ones at
their current and previous version, and the versions that the ledger records as sent. Where one of them cannot be read,
nobody can tell whether the text quotes it, and the text is withheld.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from infra.errors import CALLER_ERRORS, CallFailed, ErrorClass, OutOfTime
from infra.secrets import SecretReference, resolve
from infra.tasks import gather_all
from workflows.reconcile.graph import Node
from workflows.reconcile.run import Run
from workflows.records.resource import ResourceRecord

#: Failures of which the message is not the service's, or says only that the call comes too early.
_PLAIN = CALLER_ERRORS | {ErrorClass.THROTTLED, ErrorClass.UNKNOWN_OUTCOME}
#: Calls that are given no secret.
_OWN_CALLS = frozenset({"GetSecretValue", "DescribeSecret", "reference"})
_PREVIOUS = "AWSPREVIOUS"
#: Secrets Manager's version ids have 32 to 64 characters (API reference, ClientRequestToken).
_SHORTEST_VERSION = 32


async def without_secrets(run: Run, node: Node) -> None:
    """Mask, in the observed state of a resource, the secrets that the service's reasons quote; or withhold a reason."""
    observed = run.observed.get(node.address)
    if observed is None or not observed.reasons:
        return
    withheld = await _withheld(run, node)
    said = {name: observed.body.get(name) for name in node.kind.reason_members if observed.body.get(name) is not None}
    masked = {name: withheld or run.calls.aws.redaction.value(text) for name, text in said.items()}
    if withheld:
        # Some kinds show a list of reasons.
        masked = {name: [withheld] if isinstance(said[name], list) else withheld for name in said}
    run.learn(node.address, replace(observed, body={**observed.body, **masked}))


async def told(run: Run, node: Node, failed: CallFailed) -> CallFailed:
    """Return a failed call with a message that quotes no secret of the resource, or that is withheld."""
    if failed.error_class in _PLAIN or failed.operation in _OWN_CALLS or not any(_secrets(run, node)):
        return failed
    message = await _withheld(run, node) or run.calls.aws.redaction.text(failed.message)
    masked = CallFailed(failed.operation, failed.error_class, failed.code, message, failed.reasons)
    masked.unanswered = failed.unanswered
    return masked


async def _withheld(run: Run, node: Node) -> str:
    """Read the secrets that a text about a resource may quote; return what to say instead if one cannot be read."""
    wanted = set(_secrets(run, node))
    async with run.secrets_lock:
        unknown = sorted(wanted - run.known_secrets, key=str)
        await gather_all([partial(_know, run, reference) for reference in unknown])
        run.known_secrets |= wanted
        records = [record for record in _records(run, node) if record.address not in run.known_versions]
        await gather_all([partial(_know_sent, run, record) for record in records])
    lost = {one.secret_id for one in wanted & run.unreadable_secrets}
    lost |= {secret for record in _records(run, node) for secret in run.known_versions.get(record.address, ())}
    if not lost:
        return ""
    names = ", ".join(sorted(lost))
    return f"withheld: the text may quote a version of the secret {names} that cannot be read"


def _secrets(run: Run, node: Node) -> Iterator[SecretReference]:
    """Yield the secrets that a text about a resource may quote: its own, and those of all that it depends on.

    Of each secret, these are the version that the document means, and the version before.
    """
    for record in _records(run, node):
        for text in record.secrets:
            yield from _versions(SecretReference.parse(text))
    for address in _needs(run, node.address):
        other = run.nodes.get(address)
        for one in run.secrets_in(other.kind, other.declared).values() if other is not None else ():
            yield from _versions(one)


def _versions(reference: SecretReference | None) -> Iterator[SecretReference]:
    if reference is not None:
        yield reference
        if not reference.version:
            yield replace(reference, stage=_PREVIOUS)


def _records(run: Run, node: Node) -> list[ResourceRecord]:
    """Return the records of a resource and of all that it depends on."""
    known = run.session.records
    return [known[address] for address in sorted(_needs(run, node.address)) if address in known]


def _needs(run: Run, address: str) -> set[str]:
    """Return the addresses of a resource and, transitively, of recorded and declared dependencies and parents."""
    found: set[str] = set()
    todo = [address]
    while todo:
        one = todo.pop()
        if one in found:
            continue
        found.add(one)
        record, node = run.session.records.get(one), run.nodes.get(one)
        if record is not None:
            todo += [*record.depends_on, *([record.parent] if record.parent else [])]
        if node is not None:
            waits = node.resource.waits_on if node.resource is not None else ()
            todo += [*waits, *([node.parent] if node.parent else [])]
    return found


async def _know(run: Run, reference: SecretReference) -> bool:
    """Read a secret, so that redaction knows the value; return whether it could be read."""
    try:
        run.read_versions.add((await resolve(run.calls, reference)).version)
    except CallFailed as failed:
        if failed.code == "SecretMember":
            return True  # redaction knows the whole text, which lacks the member
        never_rotated = failed.error_class is ErrorClass.GONE and reference.stage == _PREVIOUS
        if not never_rotated:
            run.unreadable_secrets.add(reference)
        return False
    except OutOfTime:
        run.unreadable_secrets.add(reference)
        return False
    return True


async def _know_sent(run: Run, record: ResourceRecord) -> None:
    """Read the versions that the ledger records as sent; note the secrets of which one cannot be read."""
    references = [one for one in map(SecretReference.parse, record.secrets) if one is not None]
    known = [record.log.secret_versions, *(op.secret_versions for op in record.unacknowledged)]
    sent = {version for one in known for version in one.values()}
    lost: set[str] = set()
    for version in sorted(filter(_is_version, sent - run.read_versions)):
        # The record does not say which of its secrets the version belongs to.
        tried = [replace(one, stage="", version=version) for one in references]
        if tried and not [one for one in tried if await _know(run, one)]:
            lost |= {one.secret_id for one in tried}
    run.known_versions[record.address] = tuple(sorted(lost))


def _is_version(text: str) -> bool:
    """Return whether a recorded text is a version id, and no mark for several versions."""
    return len(text) >= _SHORTEST_VERSION
