"""Planning: the decisions of a run, made without a lease, an intent or a change."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from infra.deadline import Deadline
from workflows.document.problems import Invalid, Problem
from workflows.document.reading import read_stack
from workflows.document.stack import Stack
from workflows.planner.decision import CHANGES, DESTRUCTIVE, Action
from workflows.planner.differences import Change
from workflows.planner.outcome import ResourceStatus, Result
from workflows.reconcile.dry import DryExecutor, UnwrittenRecords
from workflows.reconcile.graph import Node, nodes_of, predecessor_of
from workflows.reconcile.left_behind import left_behind
from workflows.reconcile.observation import observe_all, warn_of_elsewhere, warn_of_strangers, warn_of_unsent
from workflows.reconcile.run import Run
from workflows.reconcile.walk import walk
from workflows.records.items import partition_of
from workflows.records.request_state import Mode
from workflows.records.stack import StackRecord
from workflows.requests.context import Context, Progress
from workflows.requests.resources import records_of
from workflows.requests.stacks import stack_record
from workflows.status import unknown_stack


@dataclass(frozen=True)
class Planned:
    """The plan of one resource: its first changing action, or else its first action, and all changing calls."""

    address: str
    action: str
    reason: str
    changes: tuple[Change, ...] = ()
    waits_on: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    advice: str = ""
    #: Declared members that the service does not take yet.
    withheld: tuple[str, ...] = ()
    #: Paths of undeclared members that an update repeats as the service shows them.
    carried: tuple[str, ...] = ()
    #: The declaration that a creation sends, with its secrets masked.
    values: Mapping[str, Any] = field(default_factory=dict)
    #: Whether a run does this only if the request approves the address.
    needs_approval: bool = False
    #: The id of the resource that exists.
    id: str | None = None
    #: What else is to be known: what callers notice, what happens in which order, and what could be declared instead.
    notes: tuple[str, ...] = ()

    @property
    def deletes(self) -> bool:
        """Whether a run would delete the resource, to replace it or for good."""
        return self.action in DESTRUCTIVE

    @property
    def pending(self) -> bool:
        """Whether a run would change the resource, or a later run will."""
        return self.action in CHANGES or bool(self.withheld)

    def shown(self) -> dict[str, Any]:
        """Return the plan of the resource as JSON, with the paths of the document."""
        return {
            "action": self.action,
            "reason": self.reason,
            "replaces": self.action == Action.REPLACE,
            "id": self.id,
            "needsApproval": self.needs_approval,
            "paths": [f"{self.address}.{change.path}" for change in self.changes],
            "changes": [change.shown(self.address) for change in self.changes],
            "values": dict(self.values),
            "carriedOver": [f"{self.address}.{path}" for path in self.carried],
            "waitsOn": list(self.waits_on),
            "calls": list(self.calls),
            "advice": self.advice,
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Plan:
    """The plan of a stack."""

    stack: str
    #: Whether the ledger knows the stack.
    known: bool
    resources: tuple[Planned, ...]
    warnings: tuple[Problem, ...]
    #: The calls that planning itself sent, by operation.
    calls: Mapping[str, int]
    mode: Mode = Mode.PROVISION
    account: str = ""
    region: str = ""
    #: The generation to which the next request raises the stack.
    generation: int = 1
    #: The version ids of secrets by address and path, as far as they were read.
    secret_versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def pending(self) -> list[Planned]:
        """The resources that would be changed."""
        return [one for one in self.resources if one.pending]

    @property
    def deleting(self) -> list[Planned]:
        """The resources that would be deleted, to replace them or for good."""
        return [one for one in self.resources if one.deletes]

    @property
    def failing(self) -> list[Planned]:
        """The resources that would fail."""
        return [one for one in self.resources if one.action == Action.FAIL]

    @property
    def estimate(self) -> Counter[str]:
        """The number of calls of each changing operation that a run would send."""
        return Counter(call for one in self.resources for call in one.calls)

    def shown(self) -> dict[str, Any]:
        """Return the plan as JSON."""
        return {
            "version": 1,
            "mode": str(self.mode),
            "stack": self.stack,
            "account": self.account,
            "region": self.region,
            "knownToLedger": self.known,
            "changes": len(self.pending),
            "failing": len(self.failing),
            "deleting": len(self.deleting),
            "resources": {one.address: one.shown() for one in self.resources},
            "warnings": [warning.shown() for warning in self.warnings],
            "estimatedCalls": dict(self.estimate),
            "calls": dict(self.calls),
        }


async def plan(
    context: Context,
    document: Mapping[str, Any],
    deadline: Deadline,
    allow: frozenset[str] = frozenset(),
    *,
    assume: bool = False,
) -> Plan:
    """Return the plan for applying a document. Raises Invalid, OutOfTime, and CallFailed when AWS cannot be called.

    `assume` plans as if every address were approved, and marks those that `allow` does not approve.
    """
    return await plan_of(context, read_stack(document), deadline, allow, assume=assume)


async def plan_of(
    context: Context,
    stack: Stack,
    deadline: Deadline,
    allow: frozenset[str],
    *,
    adopts_by_tag: bool = True,
    assume: bool = False,
) -> Plan:
    """Return the plan for applying a stack. Raises OutOfTime, and CallFailed when AWS cannot be called."""
    run, is_known = await _run(context, stack.name, Mode.PROVISION, deadline)
    run.adopts_by_tag, run.looks_ahead = adopts_by_tag, True
    run.nodes = nodes_of(stack, run.session.records, Mode.PROVISION)
    run.allow = frozenset(run.nodes) if assume else allow
    await observe_all(run)
    executor = DryExecutor(run, allow)
    await walk(executor)
    warn_of_unsent(run)
    warn_of_elsewhere(run, stack)
    warn_of_strangers(run, allow)
    run.warnings[:0] = stack.warnings
    planned = [_planned(executor, node) for node in run.nodes.values()]
    return _plan(run, tuple(replace(one, notes=tuple(_notes(run, one, planned))) for one in planned), is_known=is_known)


def _notes(run: Run, one: Planned, planned: Sequence[Planned]) -> Iterator[str]:
    """Yield the notes on a resource that is created or replaced."""
    node = run.nodes[one.address]
    if one.action == Action.REPLACE:
        yield node.kind.successor_note
    if one.action != Action.CREATE:
        return
    if (before := predecessor_of(run.nodes, node)) is not None:
        old = before.address
        yield f"{old} is deleted once this is READY; {node.kind.successor_note}"
        yield f"should a quota refuse this, {old} is deleted first, if the request approves that: --allow {old}"
    elif likely := _renamed(run, one, planned):
        option = f"`gatewright: {{replaces: {run.nodes[likely].name}}}`"
        yield f"if this is {likely} under a new name, declare {option}, which keeps that in service until this is READY"
        yield node.kind.successor_note


def _renamed(run: Run, one: Planned, planned: Sequence[Planned]) -> str:
    """Return the address of the resource whose new name this one is likely to be; empty if there is none.

    That is the only one of its kind beside it that leaves the document, while it is the only one that comes.
    """
    node = run.nodes[one.address]
    leaving, coming = (
        [other.address for other in planned if other.action == action and _are_beside(run, other.address, node)]
        for action in (Action.DELETE, Action.CREATE)
    )
    return leaving[0] if len(leaving) == len(coming) == 1 else ""


def _are_beside(run: Run, address: str, node: Node) -> bool:
    return (run.nodes[address].kind, run.nodes[address].parent) == (node.kind, node.parent)


def _plan(run: Run, planned: tuple[Planned, ...], *, is_known: bool) -> Plan:
    versions = {address: run.versions_of(node.resource) for address, node in run.nodes.items()}
    return Plan(
        run.stack,
        is_known,
        planned,
        tuple(run.warnings),
        dict(run.calls.count),
        mode=run.mode,
        account=run.account,
        region=run.context.aws.region,
        generation=run.session.generation,
        secret_versions={address: found for address, found in versions.items() if found},
    )


async def plan_removal(context: Context, name: str, document: Mapping[str, Any] | None, deadline: Deadline) -> Plan:
    """Return the plan for removing a stack, with everything that will stop the removal.

    Raises Invalid, also for a stack that the ledger does not know, with the resources that bear its tag; OutOfTime, and
    CallFailed when AWS cannot be called.
    """
    stack = read_stack(document) if document is not None else None
    run, is_known = await _run(context, name, Mode.REMOVE, deadline)
    run.nodes = nodes_of(stack, run.session.records, Mode.REMOVE)
    await observe_all(run)
    there = {address: observed.id for address, observed in run.observed.items() if observed is not None}
    executor = DryExecutor(run)
    await walk(executor)
    # The plan has deleted nothing: what it tells of already is not told again as left behind.
    run.deleted |= {(run.nodes[address].kind.section, str(identity)) for address, identity in there.items()}
    left = await left_behind(run, [node.result for node in run.nodes.values() if node.result is not None])
    if not is_known:
        bearing = [one.address for one in left if one.failure is not None]
        raise Invalid([await _unknown(context, run, bearing)])
    planned = [_planned(executor, node) for node in run.nodes.values()]
    planned += [Planned(one.address, Action.FAIL, one.reason, advice=_advice(one), id=one.id) for one in left]
    return _plan(run, tuple(planned), is_known=True)


async def _run(context: Context, stack: str, mode: Mode, deadline: Deadline) -> tuple[Run, bool]:
    """Return a run that writes nothing, and whether the ledger knows the stack."""
    calls = context.aws.within(deadline)
    account = await calls.account()
    partition = partition_of(account, context.aws.region, stack)
    known = await stack_record(context.ledger, partition)
    # An apply is a new request, with attempts of its own.
    generation = (known.generation if known is not None else 0) + 1
    records = await records_of(context.ledger, partition)
    session = UnwrittenRecords(context.ledger, partition, "plan", generation, records, known or StackRecord())
    quiet = replace(context, progress=_unseen)
    run = Run(quiet, calls, session, mode, stack, account, "plan")
    return run, known is not None or bool(records)


async def _unknown(context: Context, run: Run, bearing: Sequence[str]) -> Problem:
    """Return the problem with a stack that the ledger does not know.

    Only people at a terminal, who read the ledger with their own rights, are told which other stacks there are: in a
    deployment these are the stacks of other teams.
    """
    if context.grants is not None:
        return Problem("stack", "unknown-stack", f"this ledger knows no stack named {run.stack}")
    return await unknown_stack(context.ledger, run.account, context.aws.region, run.stack, bearing)


def _advice(result: Result) -> str:
    return result.failure.advice if result.failure is not None else ""


def _planned(executor: DryExecutor, node: Node) -> Planned:
    """Return the plan of one resource, made from the projected steps."""
    waits_on, steps = tuple(sorted(node.after)), executor.steps.get(node.address)
    if steps is not None:
        shown = steps.shown
        advice = shown.failure.advice if shown.failure is not None else ""
        withheld = executor.run.withheld(node.address)
        calls = tuple(steps.calls)
        found = (steps.changes, waits_on, calls, advice, withheld, steps.carried)
        more = (steps.values, steps.needs_approval, steps.id)
        return Planned(node.address, shown.action, shown.reason, *found, *more)
    result = node.result
    if result is None:
        raise AssertionError(f"{node.address} was not planned")
    action = Action.KEEP if result.status is ResourceStatus.RETAINED else "BLOCKED"
    return Planned(node.address, action, result.reason, waits_on=waits_on)


def _unseen(progress: Progress) -> None:
    del progress
