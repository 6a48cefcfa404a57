"""What a removed stack leaves behind: resources that bear its tag and of which the ledger has no record.

A ledger that was lost, or restored from a backup, does not know everything that its stack made. A tag alone is no proof
of that, since anybody who may tag a resource can plant the tag; so these resources are reported and never deleted. What
the stack retained on purpose is exempt.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from infra.errors import CALLER_ERRORS, TRANSIENT, CallFailed, ErrorClass, OutOfTime
from infra.service_model import CONTROL_PLANE
from infra.tasks import gather_all
from workflows.document.problems import path_text
from workflows.document.stack import OWNER_TAG
from workflows.kinds import KINDS, Kind
from workflows.kinds.observed import ObservedState
from workflows.planner import failures
from workflows.planner.outcome import ResourceStatus, Result
from workflows.reconcile.run import Run

#: Failures after which the look is repeated by the next run.
_AGAIN = TRANSIENT | CALLER_ERRORS
_RETRY_AFTER = 15.0


async def left_behind(run: Run, results: Collection[Result]) -> list[Result]:
    """Return a failed result for every resource that bears the stack's tag; IN_PROGRESS if that is not known yet.

    `results` are those of the resources that the removal knew.
    """
    exempt = {*run.session.stack.retained, *(one.arn for one in results if one.status is ResourceStatus.RETAINED)}
    sections = {node.kind.section for node in run.nodes.values()} | {r.kind for r in run.session.records.values()}
    looks = [
        _Look(run, kind, frozenset(filter(None, exempt)), used=kind.section in sections)
        for kind in KINDS
        if kind.tagged and kind.parent is None and (kind.section in sections or kind.service == CONTROL_PLANE)
    ]
    await gather_all([look.all for look in looks])
    return [result for look in looks for result in look.found]


@dataclass
class _Look:
    """The look for resources of one kind. A failure counts where the stack has `used` the kind only."""

    run: Run
    kind: Kind
    exempt: frozenset[str]
    used: bool
    found: list[Result] = field(default_factory=list)
    _unread: list[CallFailed] = field(default_factory=list)

    async def all(self) -> None:
        """Look at every resource of the kind."""
        try:
            items = [item async for item in self.run.observer.pages(self.kind, {})]
            await gather_all([partial(self._one, item) for item in items])
        except (CallFailed, OutOfTime) as failed:
            self._note(failed)
        if self._unread and self.used:
            first, noun = self._unread[0], self.kind.noun
            message = f"whether other resources of this kind ({noun}) bear the tag of the stack cannot be read: {first}"
            self.run.warn(self.kind.section, "tags-unread", message)

    async def _one(self, item: Mapping[str, Any]) -> None:
        identity = self.kind.id_in(item)
        observed: ObservedState | None = ObservedState(self.kind, identity, item, full=False)
        try:
            if observed is not None and observed.arn is None:
                observed = await self.run.observer.look(self.kind, identity, None)
            if observed is None or observed.status == "DELETING" or observed.arn in self.exempt:
                return
            observed = await self.run.observer.tagged(observed)
        except CallFailed as failed:
            if failed.error_class in _AGAIN:
                raise
            if failed.error_class is not ErrorClass.GONE:
                self._unread.append(failed)
            return
        if (observed.tags or {}).get(OWNER_TAG) == self.run.stack:
            name = self.kind.name_in(item) or identity
            where = observed.arn or identity
            address = f"{path_text((self.kind.section, name))} ({identity})"
            failure = failures.left_behind(address, self.kind.noun, name, where, tagged=True)
            self.found.append(
                Result(address, ResourceStatus.FAILED, reason=failure.message, id=identity, arn=where, failure=failure)
            )

    def _note(self, failed: CallFailed | OutOfTime) -> None:
        """Note why the resources could not be looked at: for the next run, or for good."""
        if not self.used and isinstance(failed, CallFailed):
            return
        if isinstance(failed, OutOfTime) or failed.error_class in _AGAIN:
            reason = f"whether resources of this kind are left behind is not known yet: {failed}"
            waits = Result(self.kind.section, ResourceStatus.IN_PROGRESS, reason=reason, retry_after=_RETRY_AFTER)
            self.found.append(waits)
        else:
            self._unread.append(failed)
