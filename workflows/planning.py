"""Planning: the decisions of a run, made without a lease, an intent or a change."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra.deadline import Deadline
from workflows.document.problems import Problem
from workflows.document.reading import read_stack
from workflows.document.stack import Stack
from workflows.planner.decision import CHANGES, Action
from workflows.planner.differences import Change
from workflows.planner.outcome import ResourceStatus
from workflows.reconcile.dry import DryExecutor, UnwrittenRecords
from workflows.reconcile.graph import Node, nodes_of
from workflows.reconcile.observation import observe_all, warn_of_elsewhere, warn_of_strangers, warn_of_unsent
from workflows.reconcile.run import Run
from workflows.reconcile.walk import walk
from workflows.records.items import partition_of
from workflows.records.request_state import Mode
from workflows.requests.context import Context, Progress
from workflows.requests.resources import records_of
from workflows.requests.stacks import stack_record


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
            "paths": [f"{self.address}.{change.path}" for change in self.changes],
            "changes": [change.shown(self.address) for change in self.changes],
            "carriedOver": [f"{self.address}.{path}" for path in self.carried],
            "waitsOn": list(self.waits_on),
            "calls": list(self.calls),
            "advice": self.advice,
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

    @property
    def pending(self) -> list[Planned]:
        """The resources that would be changed."""
        return [one for one in self.resources if one.pending]

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
            "stack": self.stack,
            "knownToLedger": self.known,
            "changes": len(self.pending),
            "failing": len(self.failing),
            "resources": {one.address: one.shown() for one in self.resources},
            "warnings": [warning.shown() for warning in self.warnings],
            "estimatedCalls": dict(self.estimate),
            "calls": dict(self.calls),
        }


async def plan(context: Context, document: Mapping[str, Any], deadline: Deadline, allow: frozenset[str]) -> Plan:
    """Return the plan for applying a document. Raises Invalid, OutOfTime, and CallFailed when AWS cannot be called."""
    return await plan_of(context, read_stack(document), deadline, allow)


async def plan_of(
    context: Context, stack: Stack, deadline: Deadline, allow: frozenset[str], *, adopts_by_tag: bool = True
) -> Plan:
    """Return the plan for applying a stack. Raises OutOfTime, and CallFailed when AWS cannot be called."""
    calls = context.aws.within(deadline)
    account = await calls.account()
    partition = partition_of(account, context.aws.region, stack.name)
    known = await stack_record(context.ledger, partition)
    # An apply is a new request, with attempts of its own.
    generation = (known.generation if known is not None else 0) + 1
    records = await records_of(context.ledger, partition)
    is_known = known is not None or bool(records)
    session = UnwrittenRecords(context.ledger, partition, "plan", generation, records)
    quiet = replace(context, progress=_unseen)
    run = Run(quiet, calls, session, Mode.PROVISION, stack.name, account, "plan", allow, adopts_by_tag=adopts_by_tag)
    run.nodes = nodes_of(stack, session.records, Mode.PROVISION)
    await observe_all(run)
    executor = DryExecutor(run)
    await walk(executor)
    warn_of_unsent(run)
    warn_of_elsewhere(run, stack)
    warn_of_strangers(run, allow)
    planned = tuple(_planned(executor, node) for node in run.nodes.values())
    return Plan(stack.name, is_known, planned, (*stack.warnings, *run.warnings), dict(calls.count))


def _planned(executor: DryExecutor, node: Node) -> Planned:
    """Return the plan of one resource, made from the projected steps."""
    waits_on, steps = tuple(sorted(node.after)), executor.steps.get(node.address)
    if steps is not None:
        shown = steps.shown
        advice = shown.failure.advice if shown.failure is not None else ""
        withheld = executor.run.withheld(node.address)
        calls = tuple(steps.calls)
        shown_changes = (steps.changes, waits_on, calls, advice, withheld, steps.carried)
        return Planned(node.address, shown.action, shown.reason, *shown_changes)
    result = node.result
    if result is None:
        raise AssertionError(f"{node.address} was not planned")
    action = Action.KEEP if result.status is ResourceStatus.RETAINED else "BLOCKED"
    return Planned(node.address, action, result.reason, waits_on=waits_on)


def _unseen(progress: Progress) -> None:
    del progress
