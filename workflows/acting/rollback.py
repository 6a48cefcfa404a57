"""Rolling back: a stack that failed returns to its last READY document, or to what there was before if it has none.

It is another run over the same ledger, under the same lease and generation. What it may undo is what this stack made
since then; what was there before is changed back where it is declared, and otherwise left alone. That it was begun
stands in the stack's item, so that an interrupted rollback goes on as one.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from infra.ledger import Item
from workflows.acting.run import Run, items_of
from workflows.deciding.decision import Action, Mode
from workflows.deciding.outcome import Outcome, ResourceStatus, Result, Status
from workflows.document.problems import Problem
from workflows.document.reading import read_stack
from workflows.document.stack import Stack
from workflows.kinds.kind import Kind

#: Actions after which a resource is another one than before, in a stack that is as it was.
_ANEW = frozenset({Action.CREATE, Action.REPLACE})


def is_under_way(item: Item, generation: int, request_id: str) -> bool:
    """Tell whether this request's rollback was begun; another request for its generation goes forward again."""
    begun = item.get("rollback") or {}
    return begun.get("generation") == generation and begun.get("requestId", request_id) == request_id


def begun(failed: Outcome) -> dict[str, Any]:
    """Return what a stack's item holds while its rollback is under way: what failed, and what was removed before."""
    removed = [result.address for result in failed.results if result.status is ResourceStatus.DELETED]
    of = {"generation": failed.generation, "requestId": failed.request_id}
    return {"rollback": {**of, "failures": failed.shown()["failures"], "removed": removed}}


def prepare(run: Run, item: Item) -> Stack | None:
    """Fill in the items of a rollback's run. Returns the document that it goes back to; None: to nothing."""
    document = item.get("readyDocument")
    # On the way back nothing waits: what can be undone is, also where something else cannot.
    stack = replace(read_stack(document), on_failure="HALT") if document is not None else None
    # A stack that never was READY goes back to what of it was READY before this generation.
    run.back_to = int(item.get("readyGeneration") or 0) if stack is not None else run.book.generation - 1
    run.mode = Mode.PROVISION if stack is not None else Mode.REMOVE
    run.items = items_of(stack, run.book.memories, run.mode)
    return stack


def ended(status: Status) -> Status:
    """Return how a rollback ended, from how its run did."""
    return Status.ROLLED_BACK if status in (Status.READY, Status.DELETED) else status


def made_anew(results: Sequence[Result], item: Item) -> list[str]:
    """Return the addresses of what this rollback made anew, in this run or in one before it."""
    now = {result.address for result in results if result.action in _ANEW}
    return sorted({*item["rollback"].get("anew", ()), *now})


def not_undone(run: Run, results: Sequence[Result], item: Item) -> list[Problem]:
    """Say what is not as it was, and why."""
    lost = set(item["rollback"]["removed"]) - {address for address, one in run.items.items() if one.wanted}
    message = "it was removed by what is undone; the document that is gone back to does not declare it"
    found = [Problem(address, "rollback", message) for address in sorted(lost)]
    anew = set(made_anew(results, item))
    for result in results:
        kind: Kind = run.items[result.address].kind
        if result.status is ResourceStatus.READY and result.address in anew:
            new = [name for name in kind.outputs if name not in kind.stable]
            message = f"it was gone and is made anew: {', '.join(new)} are other ones than before"
            found.append(Problem(result.address, "rollback", message))
    return found
