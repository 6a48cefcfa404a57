"""Planning: what a run would do, decided as a run decides, without a lease, a mark or a change."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from typing import Any

from infra.deadline import Deadline
from infra.errors import CallFailed, Verdict
from workflows.acting import act
from workflows.acting.book import Book, memories_of
from workflows.acting.reasons import without_secrets
from workflows.acting.run import Item, Run, items_of
from workflows.acting.survey import holds_something, list_inside, survey, warn_of_strangers
from workflows.acting.waiting import look
from workflows.deciding.comparing import forms
from workflows.deciding.decide import decide
from workflows.deciding.decision import CHANGES, VISIBLE_WITHIN, Action, Decision, Wish
from workflows.deciding.differences import Change, changes
from workflows.deciding.outcome import ResourceStatus, Result
from workflows.deciding.projection import project
from workflows.document.problems import Problem
from workflows.document.reading import read_stack
from workflows.kinds.observed import ObservedState
from workflows.records.items import partition_of
from workflows.records.request_state import Mode
from workflows.records.resource import ResourceRecord
from workflows.requests.context import Context
from workflows.requests.stacks import stack_record

#: More steps than any resource takes.
_MOST_STEPS = 12
#: Where a decision that ends the work on a resource leaves it.
_LEAVES = {
    Action.NONE: ResourceStatus.READY,
    Action.FAIL: ResourceStatus.FAILED,
    Action.CONSENT: ResourceStatus.AWAITING_CONSENT,
    Action.KEEP: ResourceStatus.RETAINED,
    Action.GONE: ResourceStatus.DELETED,
}


@dataclass(frozen=True)
class Planned:
    """What a run would do with one resource: its first action, and all the changing calls that follow from it."""

    address: str
    action: str
    reason: str
    changes: tuple[Change, ...] = ()
    waits_on: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    advice: str = ""

    @property
    def pending(self) -> bool:
        """Whether it would change something."""
        return self.action in CHANGES

    def shown(self) -> dict[str, Any]:
        """Return it as JSON; paths are those of the document."""
        return {
            "action": self.action,
            "reason": self.reason,
            "replaces": self.action == Action.REPLACE,
            "paths": [f"{self.address}.{change.path}" for change in self.changes],
            "changes": [change.shown(self.address) for change in self.changes],
            "waitsOn": list(self.waits_on),
            "calls": list(self.calls),
            "advice": self.advice,
        }


@dataclass(frozen=True)
class Plan:
    """What a run would do."""

    stack: str
    #: Whether the ledger knows the stack.
    known: bool
    resources: tuple[Planned, ...]
    warnings: tuple[Problem, ...]
    #: The calls that planning itself took.
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
        """How often each operation that changes something would be called."""
        return Counter(call for one in self.resources for call in one.calls)

    def shown(self) -> dict[str, Any]:
        """Return it as JSON."""
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
    """Return what an apply of this document would do. Raises Invalid, or CallFailed when AWS cannot be asked."""
    stack = read_stack(document)
    calls = context.aws.within(deadline)
    account = await calls.account()
    partition = partition_of(account, context.aws.region, stack.name)
    known = await stack_record(context.ledger, partition)
    # An apply is a new request, so its tries are counted afresh.
    generation = (known.generation if known is not None else 0) + 1
    memories = await memories_of(context.ledger, partition)
    book = Book(context.ledger, partition, "plan", generation, memories)
    run = Run(context, calls, book, Mode.PROVISION, stack.name, account, "plan", allow)
    run.items = items_of(stack, book.memories, Mode.PROVISION)
    await survey(run)
    planned = {address: await _planned(run, address) for address in _in_order(run)}
    warn_of_strangers(run, allow)
    ordered = tuple(planned[address] for address in run.items)
    return Plan(
        stack.name, known is not None or bool(memories), ordered, (*stack.warnings, *run.warnings), dict(calls.count)
    )


def _in_order(run: Run) -> list[str]:
    """Return the addresses in an order in which each comes after what it waits for."""
    return list(TopologicalSorter({address: item.after for address, item in run.items.items()}).static_order())


async def _planned(run: Run, address: str) -> Planned:
    item = run.items[address]
    waits_on = tuple(sorted(item.after))
    try:
        await _know_references(run, item)
        blocked = act.blocked(run, item)
        if blocked is not None:
            item.result = blocked
            action = Action.KEEP if blocked.status is ResourceStatus.RETAINED else "BLOCKED"
            return Planned(address, action, blocked.reason, waits_on=waits_on)
        steps = await _steps(run, item)
    except CallFailed as failed:
        if failed.verdict is Verdict.CREDENTIALS:
            raise
        steps = _Steps(Decision(Action.FAIL, str(failed)), ResourceStatus.FAILED)
    item.result = Result(address, steps.leaves)
    first = steps.first
    advice = first.failure.advice if first.failure is not None else ""
    return Planned(address, first.action, first.reason, steps.changes, waits_on, steps.calls, advice)


@dataclass(frozen=True)
class _Steps:
    """The first decision about a resource, and what all of them together come to."""

    first: Decision
    leaves: ResourceStatus
    changes: tuple[Change, ...] = ()
    calls: tuple[str, ...] = ()


async def _steps(run: Run, item: Item) -> _Steps:
    """Ask the planner for step after step, each on what the one before would leave."""
    obstacle = run.obstacles.get(item.address) or run.obstacles.get(item.parent or "")
    if obstacle is not None:
        raise obstacle
    memory, seen = run.memory(item.address), run.seen.get(item.address)
    found: _Steps | None = None
    for _ in range(_MOST_STEPS):
        wish, seen = run.wish(item.address), run.seen.get(item.address)
        decision = await _next(run, item, wish, memory)
        seen = run.seen.get(item.address)
        if found is None:
            found = _Steps(decision, ResourceStatus.READY, changes(wish, seen, memory, decision.paths))
        if decision.action is Action.NONE and seen is not None and seen.id and not item.options.existing:
            run.warn_of_forms(item.address, forms(wish.kind, wish.declared or {}, seen, memory))
        if decision.action in _LEAVES:
            return replace(found, leaves=_LEAVES[decision.action])
        endpoints = run.unmanaged.get(item.address, ()) if item.kind.endpoints else ()
        after = project(decision.action, wish, seen, memory)
        run.seen[item.address], memory = after.seen, after.memory
        calls = (*("DeleteHarnessEndpoint" for _ in endpoints), *after.calls)
        found = replace(found, calls=(*found.calls, *calls))
    return found if found is not None else _Steps(Decision(Action.NONE, ""), ResourceStatus.READY)


async def _next(run: Run, item: Item, wish: Wish, memory: ResourceRecord) -> Decision:
    """Return the planner's answer, looking closely where it asks for that."""
    await without_secrets(run, item)
    seen = run.seen.get(item.address)
    parent = run.items.get(item.parent or "")
    if parent is not None and parent.made_anew and item.wanted and seen is not None and seen.id:
        return Decision(Action.REPLACE, f"{parent.address} is made anew")
    decision = decide(wish, seen, memory)
    if decision.action is Action.LOOK:
        await look(run, item)
        if run.seen.get(item.address) is None:
            # A plan deletes nothing: one read by the id is enough to show what would be made again.
            item.gone_id = memory.id
            wish = run.wish(item.address)
        else:
            # Nor does it wait for reads that lag: what they show by now is what it goes by.
            wish = replace(wish, now=wish.now + VISIBLE_WITHIN)
        await without_secrets(run, item)
        decision = decide(wish, run.seen.get(item.address), memory)
    going = decision.action in (Action.DELETE, Action.REPLACE)
    if going and holds_something(item.kind) and item.address not in run.unmanaged:
        await list_inside(run, item.address)
        decision = decide(run.wish(item.address), run.seen.get(item.address), memory)
    item.made_anew = item.made_anew or decision.action is Action.REPLACE
    return decision


async def _know_references(run: Run, item: Item) -> None:
    for reference in item.resource.references if item.resource is not None else ():
        seen: ObservedState | None = run.seen.get(reference.address)
        if run.value_of(reference) is None and seen is not None and not seen.full and seen.id:
            await look(run, run.items[reference.address])
