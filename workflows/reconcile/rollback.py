"""Rolling back: a failed stack returns to the last READY document, or without one to the resources READY before.

A rollback is another run over the same ledger, under the same lease and generation. The rollback may delete resources
that this stack created since the restored generation. Older resources are updated (targets also replaced) to the
restored document if the document declares them, and otherwise left alone. The stack's record says that a rollback was
begun, so that the next run resumes an interrupted rollback.
"""

from collections.abc import Sequence
from dataclasses import replace

from workflows.document.problems import Problem
from workflows.document.stack import Stack
from workflows.kinds.kind import Kind
from workflows.planner.outcome import Outcome, ResourceStatus, Result, Status
from workflows.reconcile.graph import nodes_of
from workflows.reconcile.run import Run
from workflows.records.request_state import Mode
from workflows.records.stack import Rollback


def begun(failed: Outcome) -> Rollback:
    """Return the rollback for a failed outcome: the failures, and the resources that the failed generation deleted."""
    removed = [result.address for result in failed.results if result.status is ResourceStatus.DELETED]
    return Rollback(int(failed.generation or 0), failed.request_id, failed.shown()["failures"], removed)


def prepare(run: Run, ready: Stack | None, generation: int | None) -> None:
    """Prepare a run to roll back to a READY document of a generation; without a document, to delete the stack."""
    # No deletion waits for the rest of the rollback: each change is undone, even if another cannot be.
    stack = replace(ready, on_failure="HALT") if ready is not None else None
    # A stack that was never READY keeps the resources that were READY before this generation.
    run.rollback_generation = generation if generation is not None else run.session.generation - 1
    run.mode = Mode.PROVISION if stack is not None else Mode.REMOVE
    run.nodes = nodes_of(stack, run.session.records, run.mode)


def ended(status: Status) -> Status:
    """Return the status of a rollback, derived from the status of the rollback's run."""
    return Status.ROLLED_BACK if status in (Status.READY, Status.DELETED) else status


def recreated(run: Run) -> set[str]:
    """Return the addresses of resources that a rollback created or replaced, in this run or an earlier one."""
    creations = {address: record.log.creation for address, record in run.session.records.items()}
    return {address for address, one in creations.items() if one is not None and one.scope == run.retry_scope}


def not_undone(run: Run, results: Sequence[Result], rollback: Rollback) -> list[Problem]:
    """Return the resources that the rollback did not restore exactly, with the reasons."""
    lost = set(rollback.removed) - {address for address, one in run.nodes.items() if one.wanted}
    message = "it was deleted by the failed generation and is not part of the restored document"
    found = [Problem(address, "rollback", message) for address in sorted(lost)]
    anew = {*rollback.recreated, *recreated(run)}
    for result in results:
        kind: Kind = run.nodes[result.address].kind
        if result.status is ResourceStatus.READY and result.address in anew:
            new = [name for name in kind.outputs if name not in kind.follows_name]
            message = f"it had been deleted and was created again: {', '.join(new)} have new values"
            found.append(Problem(result.address, "rollback", message))
    return found
