"""Stages: one section of a document at a time, for state machines that want to do other things in between.

What is outside the stage is only looked at. The dependency graph still decides what is possible: what needs a
resource that is not READY, or one that is to go after another that still stands, is BLOCKED by it, and the stage has
failed by its name. A part of a request finishes none, and undoes none.
"""

from functools import partial

from infra.errors import CallFailed, OutOfTime
from infra.tasks import together
from workflows.acting.results import of_failed_call, result_of
from workflows.acting.run import Item, Run
from workflows.acting.waiting import look, look_by_id
from workflows.deciding.decide import decide
from workflows.deciding.decision import Action
from workflows.deciding.outcome import ResourceStatus, Result
from workflows.kinds import KINDS
from workflows.kinds.kind import Phase

#: The stage that is a synchronization.
SYNCHRONIZATION = "synchronization"
STAGES = frozenset({*(kind.section for kind in KINDS), SYNCHRONIZATION})


def inside(run: Run, item: Item) -> bool:
    """Tell whether a resource is to be worked on in this run's stage."""
    return not run.stage or item.kind.section == run.stage


async def set_aside(run: Run) -> list[str]:
    """Settle what is outside the stage as it is seen; return the addresses that are to be worked on."""
    mine = [item for item in run.items.values() if inside(run, item)]
    needed = {address for item in mine for address in item.after}
    others = [item for item in run.items.values() if not inside(run, item)]
    await together([partial(_as_seen, run, item, whole=item.address in needed) for item in others])
    return [item.address for item in mine]


async def _as_seen(run: Run, item: Item, *, whole: bool) -> None:
    try:
        if run.seen.get(item.address) is None and run.memory(item.address).id is not None and not item.wanted:
            await look_by_id(run, item)
        elif whole and run.seen.get(item.address) is not None:
            await look(run, item)
        item.result = _result(run, item)
    except CallFailed as failed:
        item.result = of_failed_call(run, item, failed)
    except OutOfTime as late:
        reason = f"outside this stage: {late}"
        item.result = result_of(run, item, ResourceStatus.BLOCKED, reason, retry_after=late.retry_after)
    item.done.set()


def _result(run: Run, item: Item) -> Result:
    seen = run.seen.get(item.address)
    if seen is None:
        status = ResourceStatus.BLOCKED if item.wanted else ResourceStatus.DELETED
    elif not item.wanted:
        stays = decide(run.wish(item.address), seen, run.memory(item.address)).action is Action.KEEP
        status = ResourceStatus.RETAINED if stays else ResourceStatus.BLOCKED
    else:
        status = _STATUS.get(seen.meaning.phase, ResourceStatus.BLOCKED)
    return result_of(run, item, status, "outside this stage")


_STATUS = {Phase.SETTLED: ResourceStatus.READY, Phase.IN_PROGRESS: ResourceStatus.IN_PROGRESS}
