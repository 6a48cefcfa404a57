"""Planning: what a run would do, decided as a run decides, without a lease, a mark or a change."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.deadline import Deadline
from workflows.book import Book
from workflows.context import Context
from workflows.decide import CHANGES, Action, Decision, Mode, decide
from workflows.memory import Memory, partition_of, stack_key
from workflows.reading import read_stack
from workflows.run import Run, items_of
from workflows.survey import survey
from workflows.waiting import look


@dataclass(frozen=True)
class Planned:
    """What a run would do with one resource first."""

    address: str
    action: str
    reason: str
    paths: tuple[str, ...]
    waits_on: tuple[str, ...]

    @property
    def changes(self) -> bool:
        """Whether it would change something."""
        return self.action in CHANGES

    def shown(self) -> dict[str, Any]:
        """Return it as JSON; paths are those of the document."""
        return {
            "action": self.action,
            "reason": self.reason,
            "paths": [f"{self.address}.{path}" for path in self.paths],
            "waitsOn": list(self.waits_on),
        }


@dataclass(frozen=True)
class Plan:
    """What a run would do."""

    stack: str
    resources: tuple[Planned, ...]
    warnings: tuple[dict[str, str], ...]
    calls: Mapping[str, int]

    @property
    def pending(self) -> list[Planned]:
        """The resources that would be changed, or cannot be."""
        return [one for one in self.resources if one.changes or one.action == Action.FAIL]

    def shown(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "version": 1,
            "stack": self.stack,
            "changes": len(self.pending),
            "resources": {one.address: one.shown() for one in self.resources},
            "warnings": list(self.warnings),
            "calls": dict(self.calls),
        }


async def plan(context: Context, document: Mapping[str, Any], deadline: Deadline, allow: frozenset[str]) -> Plan:
    """Return what an apply of this document would do. Raises Invalid, or CallFailed when AWS cannot be asked."""
    stack = read_stack(document)
    calls = context.aws.within(deadline)
    account = await calls.account()
    partition = partition_of(account, context.aws.region, stack.name)
    item = await context.ledger.get(stack_key(partition)) or {}
    # An apply is a new request, so its tries are counted afresh.
    book = Book(context.ledger, partition, "plan", int(item.get("generation", 0)) + 1)
    for found in (await context.ledger.query(partition, "resource#")).values():
        memory = Memory.read(found)
        book.memories[memory.address] = memory
    run = Run(context, calls, book, Mode.PROVISION, stack.name, account, "plan", allow)
    run.items = items_of(stack, book.memories, Mode.PROVISION)
    await survey(run)
    planned = [await _first_step(run, address) for address in run.items]
    warnings = tuple(problem.shown() for problem in stack.warnings)
    return Plan(stack.name, tuple(planned), warnings, dict(calls.count))


async def _first_step(run: Run, address: str) -> Planned:
    decision = await _decide(run, address)
    return Planned(address, decision.action, decision.reason, decision.paths, tuple(sorted(run.items[address].after)))


async def _decide(run: Run, address: str) -> Decision:
    item = run.items[address]
    obstacle = run.obstacles.get(address) or run.obstacles.get(item.parent or "")
    if obstacle is not None:
        return Decision(Action.FAIL, str(obstacle))
    for reference in item.resource.references if item.resource is not None else ():
        seen = run.seen.get(reference.address)
        if run.value_of(reference) is None and seen is not None and not seen.full:
            await look(run, run.items[reference.address])
    decision = decide(run.wish(address), run.seen.get(address), run.memory(address))
    if decision.action is Action.LOOK:
        await look(run, item)
        decision = decide(run.wish(address), run.seen.get(address), run.memory(address))
    return decision
