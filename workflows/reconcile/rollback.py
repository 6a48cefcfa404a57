"""Rolling back: a stack that failed returns to its last READY document, or to what there was before if it has none.

It is another run over the same ledger, under the same lease and generation. What it may undo is what this stack made
since then; what was there before is changed back where it is declared, and otherwise left alone. That it was begun
is in the stack's record, so that an interrupted rollback goes on as one.
"""

from collections.abc import Sequence
from dataclasses import replace

from workflows.document.problems import Problem
from workflows.document.stack import Stack
from workflows.kinds.kind import Kind
from workflows.planner.decision import Action
from workflows.planner.outcome import Outcome, ResourceStatus, Result, Status
from workflows.reconcile.run import Run, nodes_of
from workflows.records.request_state import Mode
from workflows.records.stack import Rollback

#: Actions after which a resource is another one than before, in a stack that is as it was.
_ANEW = frozenset({Action.CREATE, Action.REPLACE})


def begun(failed: Outcome) -> Rollback:
    """Return the rollback of a failed outcome: the failures, and the resources that were removed before."""
    removed = [result.address for result in failed.results if result.status is ResourceStatus.DELETED]
    return Rollback(int(failed.generation or 0), failed.request_id, failed.shown()["failures"], removed)


def prepare(run: Run, ready: Stack | None, generation: int | None) -> None:
    """Fill in the items of a rollback's run to a document and its generation; without one it goes back to nothing."""
    # On the way back nothing waits: what can be undone is, also where something else cannot.
    stack = replace(ready, on_failure="HALT") if ready is not None else None
    # A stack that never was READY goes back to what of it was READY before this generation.
    run.back_to = generation if generation is not None else run.session.generation - 1
    run.mode = Mode.PROVISION if stack is not None else Mode.REMOVE
    run.nodes = nodes_of(stack, run.session.records, run.mode)


def ended(status: Status) -> Status:
    """Return how a rollback ended, from how its run did."""
    return Status.ROLLED_BACK if status in (Status.READY, Status.DELETED) else status


def made_anew(results: Sequence[Result]) -> set[str]:
    """Return the addresses of what this run of a rollback made anew."""
    return {result.address for result in results if result.action in _ANEW}


def not_undone(run: Run, results: Sequence[Result], rollback: Rollback) -> list[Problem]:
    """Say what is not as it was, and why."""
    lost = set(rollback.removed) - {address for address, one in run.nodes.items() if one.wanted}
    message = "it was removed by what is undone; the document that is gone back to does not declare it"
    found = [Problem(address, "rollback", message) for address in sorted(lost)]
    anew = {*rollback.recreated, *made_anew(results)}
    for result in results:
        kind: Kind = run.nodes[result.address].kind
        if result.status is ResourceStatus.READY and result.address in anew:
            new = [name for name in kind.outputs if name not in kind.stable]
            message = f"it was gone and is made anew: {', '.join(new)} are other ones than before"
            found.append(Problem(result.address, "rollback", message))
    return found
