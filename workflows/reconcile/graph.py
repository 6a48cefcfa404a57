"""The dependency graph of a run: a node for each resource, declared or recorded, with the nodes that come before."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any

import anyio

from workflows.document import references
from workflows.document.stack import Deletion, Options, Resource, Stack
from workflows.kinds import KINDS, Kind
from workflows.planner.outcome import Result
from workflows.records.request_state import Mode
from workflows.records.resource import ResourceRecord

_KIND_OF = {kind.section: kind for kind in KINDS}


@dataclass
class Node:
    """One resource in a run, declared or only recorded; `done` is set when the work on the resource has ended."""

    address: str
    kind: Kind
    name: str
    resource: Resource | None
    options: Options
    parent: str | None
    #: Nodes that must be done first: dependencies of a resource to create or update, users of a resource to delete.
    after: frozenset[str] = frozenset()
    done: anyio.Event = field(default_factory=anyio.Event)
    result: Result | None = None
    first_action: tuple[str, str] | None = None
    began: float = 0.0
    ended: float = 0.0
    updates: int = 0
    #: Whether the resource was retained on purpose, and is no longer managed.
    released: bool = False
    unanswered: int = 0
    #: Siblings whose deletion the resource waits for after a quota refusal.
    blocked_by: frozenset[str] = frozenset()
    #: Whether a read that showed an unrecognized value was repeated.
    asked_again: bool = False
    #: Whether a resource whose creation has no answer was looked for a second time.
    sought_again: bool = False
    #: The recorded id that no resource has any more, as reads have confirmed.
    gone_id: str | None = None
    #: Held during work on the resource, by the resource's task or the task of a parent that is being replaced.
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    #: Seconds by which a plan moves the resource's clock ahead, in place of waiting for reads that lag.
    ahead: float = 0.0
    #: The declaration in the document, also of a resource that is to be deleted.
    declared: Mapping[str, Any] = field(default_factory=dict)

    @property
    def wanted(self) -> bool:
        """Whether the resource shall exist after this run."""
        return self.resource is not None


def nodes_of(stack: Stack | None, records: Mapping[str, ResourceRecord], mode: Mode) -> dict[str, Node]:
    """Return the nodes of a run: declared resources, then resources that are only recorded. Pure."""
    nodes: dict[str, Node] = {}
    for address, resource in (stack.resources if stack else {}).items():
        if mode is Mode.SYNCHRONIZE and not _concerns_synchronization(resource):
            continue
        keep = None if mode is Mode.REMOVE else resource
        node = Node(address, resource.kind, resource.name, keep, resource.options, resource.parent)
        nodes[address] = node
        node.declared = resource.declared
    if mode is not Mode.SYNCHRONIZE:
        nodes |= _remembered(records, nodes)
    users, known = _users(stack, records, nodes), set(nodes)
    # A stack that may roll back deletes nothing before every declared resource is READY.
    last = {a for a, node in nodes.items() if node.wanted} if stack is not None and stack.goes_back else set()
    successors = _successors(nodes)
    for node in nodes.values():
        first = last | successors.get(node.address, frozenset())
        needs = node.resource.waits_on if node.resource is not None else users.get(node.address, frozenset()) | first
        node.after = frozenset(needs) & known - {node.address}
    _break_cycles(nodes)
    return nodes


def _remembered(records: Mapping[str, ResourceRecord], declared: Mapping[str, Node]) -> dict[str, Node]:
    """Return nodes for recorded resources that are no longer declared, with the parents that are missing."""
    found: dict[str, Node] = {}
    for address, record in records.items():
        if address in declared or not record.exists or not record.was_declared or record.kind not in _KIND_OF:
            continue
        deletion = Deletion.RETAIN if record.on_removal.retain else Deletion.DELETE
        options = Options(deletion=deletion, deleteEndpoints=record.on_removal.delete_endpoints)
        kind = _KIND_OF[record.kind]
        found[address] = Node(address, kind, record.name, None, options, record.parent)
    for node in list(found.values()):
        parent = node.parent
        if parent is not None and parent not in declared and parent not in found and node.kind.parent is not None:
            # The parent was only looked up, and left the document together with the child.
            name = (references.parts(parent) or ("",))[-1]
            found[parent] = Node(parent, _KIND_OF[node.kind.parent], name, None, Options(existing=True), None)
    return found


def predecessor_of(nodes: Mapping[str, Node], node: Node) -> Node | None:
    """Return the node of the resource that a declared resource replaces; None if it replaces none that exists."""
    before = nodes.get(node.resource.predecessor) if node.resource is not None else None
    return before if before is not None and not before.wanted else None


def _successors(nodes: Mapping[str, Node]) -> dict[str, frozenset[str]]:
    """Return by address what must be READY before a replaced resource, or a child of one, is deleted.

    That is its successor with all of its children, so that what the predecessor serves is served without a gap.
    """
    found: dict[str, frozenset[str]] = {}
    for node in nodes.values():
        before = predecessor_of(nodes, node)
        if before is None:
            continue
        new = frozenset(one.address for one in _with_children(nodes, node) if one.wanted)
        found |= {one.address: new for one in _with_children(nodes, before)}
    return found


def _with_children(nodes: Mapping[str, Node], node: Node) -> list[Node]:
    return [one for one in nodes.values() if node.address in (one.address, one.parent)]


def _break_cycles(nodes: Mapping[str, Node]) -> None:
    """Remove the edges of cycles, which the dependencies of two generations together may form."""
    while True:
        try:
            TopologicalSorter({address: node.after for address, node in nodes.items()}).prepare()
        except CycleError as error:
            cycle: list[str] = error.args[1]
            for needed, user in pairwise(cycle):
                nodes[user].after -= {needed}
        else:
            return


def _concerns_synchronization(resource: Resource) -> bool:
    """Return whether a synchronization needs a resource: kinds that synchronize, and their parents."""
    kinds = [resource.kind, *(child for child in KINDS if child.parent == resource.kind.section)]
    return any(kind.synchronization is not None for kind in kinds)


def _users(
    stack: Stack | None, records: Mapping[str, ResourceRecord], nodes: Mapping[str, Node]
) -> dict[str, frozenset[str]]:
    """Return by address the users of each resource: children, and resources applied with a reference to the address."""
    users: dict[str, set[str]] = {}
    for address, node in nodes.items():
        record = records.get(address)
        needs: set[str] = set(record.depends_on) if record is not None and record.depends_on else set()
        if not needs and not node.wanted and stack is not None and address in stack.resources:
            needs = set(stack.resources[address].waits_on)
        for needed in needs | ({node.parent} if node.parent else set()):
            users.setdefault(needed, set()).add(address)
    return {address: frozenset(found) for address, found in users.items()}
