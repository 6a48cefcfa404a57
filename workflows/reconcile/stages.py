"""Stages: one section of a document per run, for state machines that do further work between sections.

Resources outside the stage are only observed. The dependency graph still applies: a resource is BLOCKED by a
dependency that is not READY, or by a user that must be deleted first and still exists; a stage with a resource that
is blocked from outside the stage has failed. A stage never finishes a request, and never rolls a request back.
"""

from functools import partial

from infra.errors import CallFailed, OutOfTime
from infra.tasks import gather_all
from workflows.kinds import KINDS
from workflows.kinds.status import Phase
from workflows.planner.decide import decide
from workflows.planner.decision import Action
from workflows.planner.outcome import ResourceStatus, Result
from workflows.reconcile.graph import Node
from workflows.reconcile.results import of_failed_call, result_of
from workflows.reconcile.run import Run
from workflows.reconcile.waiting import look, look_by_id

#: The stage that is a synchronization.
SYNCHRONIZATION = "synchronization"
STAGES = frozenset({*(kind.section for kind in KINDS), SYNCHRONIZATION})


def in_scope(run: Run, node: Node) -> bool:
    """Return whether a resource belongs to this run's stage."""
    return not run.stage or node.kind.section == run.stage


async def skip_out_of_scope(run: Run) -> list[str]:
    """Set the results of resources outside the stage as observed; return the addresses inside the stage."""
    mine = [node for node in run.nodes.values() if in_scope(run, node)]
    needed = {address for node in mine for address in node.after}
    others = [node for node in run.nodes.values() if not in_scope(run, node)]
    await gather_all([partial(_skip_out_of_scope, run, node, whole=node.address in needed) for node in others])
    return [node.address for node in mine]


async def _skip_out_of_scope(run: Run, node: Node, *, whole: bool) -> None:
    try:
        if run.observed.get(node.address) is None and run.record(node.address).id is not None and not node.wanted:
            await look_by_id(run, node)
        elif whole and run.observed.get(node.address) is not None:
            await look(run, node)
        node.result = _result(run, node)
    except CallFailed as failed:
        node.result = of_failed_call(run, node, failed)
    except OutOfTime as late:
        reason = f"outside this stage: {late}"
        node.result = result_of(run, node, ResourceStatus.BLOCKED, reason, retry_after=late.retry_after)
    node.done.set()


def _result(run: Run, node: Node) -> Result:
    observed = run.observed.get(node.address)
    if observed is None:
        status = ResourceStatus.BLOCKED if node.wanted else ResourceStatus.DELETED
    elif not node.wanted:
        stays = decide(run.desired(node.address), observed, run.record(node.address)).action is Action.KEEP
        status = ResourceStatus.RETAINED if stays else ResourceStatus.BLOCKED
    else:
        status = _STATUS.get(observed.meaning.phase, ResourceStatus.BLOCKED)
    return result_of(run, node, status, "outside this stage")


_STATUS = {Phase.SETTLED: ResourceStatus.READY, Phase.IN_PROGRESS: ResourceStatus.IN_PROGRESS}
