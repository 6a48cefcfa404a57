"""Observing all resources of a run concurrently, before the first decision."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from infra.errors import CALLER_ERRORS, TRANSIENT, CallFailed, ErrorClass, OutOfTime
from infra.secrets import SecretReference, version_of
from infra.tasks import gather_all
from workflows.document.naming import Place, elsewhere
from workflows.document.stack import Deletion, Options, Stack
from workflows.kinds import Kind, children
from workflows.kinds.observed import ObservedState
from workflows.reconcile.graph import Node
from workflows.reconcile.run import Run
from workflows.reconcile.session import known_to_others, owners_of
from workflows.records.identity import identifies, recognizes
from workflows.records.items import partition_of
from workflows.records.request_state import Mode


async def observe_all(run: Run) -> None:
    """Observe the resource of every node, and read the current secret versions of existing resources."""
    top = [address for address, node in run.nodes.items() if node.parent is None]
    jobs: list[Callable[[], Any]] = [partial(_top, run, address) for address in top]
    await gather_all(jobs)
    if any(run.desired(address).unrecorded for address, node in run.nodes.items() if node.parent is not None):
        # Another stack of this ledger may have made a target that this one does not know.
        here = partition_of(run.account, run.calls.aws.region, "")
        run.elsewhere = await known_to_others(run.session.ledger, here, but=run.session.partition)
    await gather_all([partial(_secret_version, run, reference) for reference in _secrets_to_compare(run)])


async def _top(run: Run, address: str) -> None:
    """Observe a resource and the children; a refused or late call stops this resource alone."""
    node = run.nodes[address]
    try:
        run.learn(address, await find(run, node))
        if children(node.kind) and run.observed[address] is not None:
            await list_children(run, address)
    except (CallFailed, OutOfTime) as failed:
        run.observation_errors[address] = failed


async def find(run: Run, node: Node) -> ObservedState | None:
    """Return a resource without parent, found by id, else by name; verify the ownership before a deletion."""
    record = run.record(node.address)
    observed = await run.observer.resource(node.kind, node.name, record)
    observed = _recognized(run, node, observed)
    if observed is None or node.wanted:
        return observed
    try:
        return await run.observer.proven(observed, strictly=run.rollback_generation is not None)
    except CallFailed as failed:
        if failed.error_class in TRANSIENT | CALLER_ERRORS or not identifies(record, observed):
            raise
        if await _has_another_owner(run, observed):
            raise
        unread = f"its tags cannot be read ({failed.code}); it is identified by its recorded id"
        run.warn(node.address, "tags-unread", unread)
        return observed


async def look_by_name(run: Run, node: Node) -> ObservedState | None:
    """Return the resource that has a node's name now."""
    if node.parent is not None:
        await list_children(run, node.parent)
        return run.observed.get(node.address)
    run.observer.forget_lists()
    return run.learn(node.address, _recognized(run, node, await run.observer.named(node.kind, node.name)))


def _recognized(run: Run, node: Node, observed: ObservedState | None) -> ObservedState | None:
    """Return a resource without parent, with the note whether its tag alone says that this stack owns it.

    Where the grants forbid adoption by tag, such a resource is another's until the document says `adopt: true`.
    """
    if observed is None or not (observed.ours and node.kind.tagged) or node.options.existing:
        return observed
    by_tag = not recognizes(run.session.of(node.address, node.kind.section, node.name, node.parent), observed)
    forbidden = by_tag and node.wanted and not run.adopts_by_tag
    return replace(observed, by_tag=by_tag, ours=not forbidden)


async def _has_another_owner(run: Run, observed: ObservedState) -> bool:
    """Return whether another stack of this ledger owns a resource by now; without tags only the ledger shows that."""
    here = partition_of(run.account, run.calls.aws.region, "")
    owners = await owners_of(run.session.ledger, here, but=run.session.partition)
    return observed.arn in owners


async def list_children(run: Run, parent: str) -> None:
    """Observe the children of a resource, through the watches that will poll them if any child is declared."""
    if any(node.parent == parent for node in run.nodes.values()):
        await _list_kinds(run, parent)
    elif not run.nodes[parent].wanted:
        await list_inside(run, parent)


async def _list_kinds(run: Run, parent: str) -> None:
    """List every kind of children; children that are neither declared nor recorded are unmanaged."""
    unmanaged: list[str] = []
    for kind in children(run.nodes[parent].kind):
        node = next((one for one in run.nodes.values() if (one.parent, one.kind) == (parent, kind)), None)
        observed = run.observed.get(parent)
        if node is not None:
            unmanaged += match_children(run, parent, kind, dict(await run.watch(node.address).look()))
        elif observed is not None and observed.id:
            unmanaged += await run.observer.children(kind, observed.id)
    run.listed.add(parent)
    run.unmanaged[parent] = tuple(sorted(unmanaged))


async def list_inside(run: Run, address: str) -> None:
    """List the children of a resource that is to be deleted: targets, or a harness's endpoints beside the default."""
    try:
        await _list_inside(run, address)
    except CallFailed as failed:
        if failed.error_class is not ErrorClass.GONE:
            raise
        # The resource existed a moment ago; the next read shows the new state.
        raise CallFailed(failed.operation, ErrorClass.BUSY, failed.code, failed.message) from None


async def _list_inside(run: Run, address: str) -> None:
    node, observed = run.nodes[address], run.observed.get(address)
    if observed is None or observed.id is None:
        run.unmanaged[address] = ()
    elif node.kind.endpoints:
        run.unmanaged[address] = await run.observer.endpoints(observed.id)
    else:
        await _list_kinds(run, address)


def may_hold_others(kind: Kind) -> bool:
    """Return whether resources of a kind may have children that nobody declared."""
    return kind.endpoints or bool(children(kind))


def match_children(run: Run, parent: str, kind: Kind, found: dict[str, ObservedState]) -> list[str]:
    """Match listed children with declared and recorded resources; return the names of unmanaged children."""
    by_id = {observed.id: observed for observed in found.values()}
    mine = [node for node in run.nodes.values() if (node.parent, node.kind) == (parent, kind) and not node.released]
    holder, above = run.nodes[parent], run.observed.get(parent)
    lost = not holder.wanted and not holder.options.existing and above is not None and not above.ours
    ours = not holder.options.existing and not lost
    known = set()
    for node in [*mine, *_turned_up(run, parent, kind, by_id)]:
        record = run.record(node.address)
        ids = {record.id, *record.deposed}
        observed = next((by_id[one] for one in (record.id, *record.deposed) if one in by_id), found.get(node.name))
        if observed is not None:
            known.add(observed.id)
            observed = replace(observed, ours=ours or (observed.id in ids and not lost))
        run.learn(node.address, observed)
    return [name for name, observed in found.items() if observed.id not in known]


def _turned_up(run: Run, parent: str, kind: Kind, by_id: Mapping[str | None, ObservedState]) -> list[Node]:
    """Return nodes for deposed children that a list shows again, and that are to be deleted now."""
    found = []
    for address, record in run.session.records.items():
        known = record.parent == parent and record.kind == kind.section and address not in run.nodes
        if not known or not set(record.deposed) & set(by_id):
            continue
        options = Options(deletion=Deletion.RETAIN if record.on_removal.retain else Deletion.DELETE)
        run.nodes[address] = node = Node(address, kind, record.name, None, options, parent)
        if not run.nodes[parent].wanted:
            run.nodes[parent].after |= {address}
        found.append(node)
    return found


def warn_of_strangers(run: Run, allow: Iterable[str]) -> None:
    """Warn of targets that this stack does not manage, and of approvals for addresses without a resource."""
    for address in sorted(set(allow) - set(run.nodes)):
        run.warn(address, "allow", "allowed, but no resource has this address")
    for address, names in run.unmanaged.items():
        if names and not run.nodes[address].kind.endpoints:
            run.warn(address, "unmanaged", f"targets that this stack does not manage: {', '.join(names)}")


def warn_of_unsent(run: Run) -> None:
    """Warn of members that updates leave out: declared ones that the service does not take yet, and refused ones."""
    for address, node in run.nodes.items():
        for name in run.withheld(address):
            needed, advice = node.kind.prerequisites[name]
            message = f"{name} is not set: the service takes the member only while it shows {needed}. {advice}"
            run.warn(address, "withheld", message)
        for path in run.record(address).refused_members:
            message = f"{path} is newer than the service models in force, and the service refuses it in updates"
            run.warn(address, "unmodeled", f"{message}, so updates leave it out; renew Gatewright")


def warn_of_elsewhere(run: Run, stack: Stack | None) -> None:
    """Warn of external resources in another account or Region, which AgentCore can seldom use."""
    if stack is None:
        return
    here = Place(run.account, run.calls.aws.region, run.calls.aws.partition)
    for path, arn in elsewhere(stack, here):
        run.warn(path, "elsewhere", f"{arn} is not in account {here.account} and Region {here.region}")


def _secrets_to_compare(run: Run) -> set[SecretReference]:
    """Return the secrets of managed resources that exist, even if no read shows them yet; if it looks ahead, of all."""
    if run.mode is not Mode.PROVISION:
        return set()
    mine = [node for node in run.nodes.values() if node.wanted and not node.options.existing]
    there = [one for one in mine if run.looks_ahead or _is_there(run, one)]
    return {reference for node in there for reference in run.secrets_of(node.resource).values()}


def _is_there(run: Run, node: Node) -> bool:
    return run.observed.get(node.address) is not None or run.record(node.address).exists


async def _secret_version(run: Run, reference: SecretReference) -> None:
    """Read the version of a secret; a failure stops the resources that use it.

    A creation reads the secret itself, which other permissions let it do. For such a resource, only that there is no
    such secret is a failure.
    """
    users = [node for node in run.nodes.values() if reference in run.secrets_of(node.resource).values()]
    try:
        run.secret_versions[reference] = await version_of(run.calls, reference, required=run.looks_ahead)
    except (CallFailed, OutOfTime) as failed:
        gone = isinstance(failed, CallFailed) and failed.error_class is ErrorClass.GONE
        stopped = [node for node in users if gone or _is_there(run, node)]
        run.observation_errors |= {node.address: failed for node in stopped}
        for node in users:
            if node not in stopped:
                run.warn(node.address, "secret-unread", f"whether the secret can be read is not known: {failed}")
