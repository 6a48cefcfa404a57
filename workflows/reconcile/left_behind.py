"""What a removed stack leaves behind: resources that bear its tag and of which the ledger has no record.

A ledger that was lost, or restored from a backup, does not know everything that its stack made. A tag alone is no proof
of that, since anybody who may tag a resource can plant the tag; so these resources are reported and never deleted. What
the stack retained on purpose is exempt.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from infra.errors import CALLER_ERRORS, TRANSIENT, CallFailed, ErrorClass, OutOfTime
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
#: Failures of a list, of a kind that the stack is not known to have, that do not hold its removal up: a service that
#: this Region does not have, or that does not answer.
_WITHOUT = frozenset({ErrorClass.UNKNOWN_OUTCOME, ErrorClass.UNREACHABLE})
#: Resources that are looked at together, and the seconds that must be left for them.
_CHUNK, _CHUNK_SECONDS = 20, 5.0


async def left_behind(run: Run, results: Collection[Result]) -> list[Result]:
    """Return a failed result for every resource that bears the stack's tag; IN_PROGRESS if that is not known yet.

    `results` are those of the resources that the removal knew. The stack's record keeps how far a look came that the
    deadline of a run ended, so that an account with many resources is looked at in several runs.
    """
    exempt = {*run.session.stack.retained, *(one.arn for one in results if one.status is ResourceStatus.RETAINED)}
    sections = {node.kind.section for node in run.nodes.values()} | {r.kind for r in run.session.records.values()}
    after = dict(run.session.stack.looked_up_to)
    # All kinds: which of them the stack has used is what a ledger that was restored does not know.
    looks = [
        _Look(run, kind, frozenset(exempt), used=kind.section in sections, cursor=after.get(kind.section, ""))
        for kind in KINDS
        if kind.tagged and kind.parent is None
    ]
    await gather_all([look.all for look in looks])
    _warn(run, [look for look in looks if look.unread])
    found = [result for look in looks for result in look.found]
    # Once something is left behind, the removal has failed, however much there is still to look at.
    found = [result for result in found if result.failure is not None] or found
    waits = any(result.status is ResourceStatus.IN_PROGRESS for result in found)
    cursors = {look.kind.section: look.cursor for look in looks if look.cursor} if waits else {}
    if cursors != after:
        await run.session.change(lambda record: replace(record, looked_up_to=cursors))
    return found


def _warn(run: Run, unread: Collection["_Look"]) -> None:
    """Warn of kinds whose resources or tags cannot be read: of each that the stack has used, and of all others at once.

    Of those, the stack of a ledger that was restored may have had some.
    """
    for looks in ([one for one in unread if not one.used], *([one] for one in unread if one.used)):
        if looks:
            path = looks[0].kind.section if len(looks) == 1 else "stack"
            kinds = ", ".join(one.kind.section for one in looks)
            message = f"whether others of the {kinds} bear the tag of the stack cannot be read: {looks[0].unread[0]}"
            run.warn(path, "tags-unread", message)


@dataclass
class _Look:
    """The look for resources of one kind. `used` says that the ledger has records of the kind."""

    run: Run
    kind: Kind
    exempt: frozenset[str | None]
    used: bool
    #: The id up to which earlier runs have looked, in the order of ids.
    cursor: str = ""
    found: list[Result] = field(default_factory=list)
    #: An ARN of the kind without the id.
    _like: str = ""
    unread: list[CallFailed] = field(default_factory=list)

    async def all(self) -> None:
        """Look at every resource of the kind, in the order of ids, as far as the deadline of the run allows."""
        try:
            items = {self.kind.id_in(item): item async for item in self.run.observer.pages(self.kind, {})}
            waiting = sorted(identity for identity in items if identity > self.cursor)
            while waiting:
                self.run.deadline.require(_CHUNK_SECONDS, f"a look at {self.kind.section}")
                size = _CHUNK if self._like or self.kind.arn_member in items[waiting[0]] else 1
                chunk, waiting = waiting[:size], waiting[size:]
                await gather_all([partial(self._one, identity, items[identity]) for identity in chunk])
                self.cursor = chunk[-1]
        except (CallFailed, OutOfTime) as failed:
            self._note(failed)

    async def _one(self, identity: str, item: Mapping[str, Any]) -> None:
        if (self.kind.section, identity) in self.run.deleted:
            return  # a list may show it still
        observed: ObservedState | None = ObservedState(
            self.kind, identity, {**item, **self._arn(item, identity)}, full=False
        )
        try:
            if observed is not None and observed.arn is None:
                observed = await self.run.observer.look(self.kind, identity, None)
                self._like = str(observed.arn).rpartition("/")[0] if observed is not None and observed.arn else ""
            if observed is None or observed.status == "DELETING" or (observed.arn and observed.arn in self.exempt):
                return
            observed = await self.run.observer.tagged(observed)
        except CallFailed as failed:
            if failed.error_class in _AGAIN:
                raise
            if failed.error_class is not ErrorClass.GONE:
                self.unread.append(failed)
            return
        if (observed.tags or {}).get(OWNER_TAG) == self.run.stack:
            name = self.kind.name_in(item) or identity
            where = observed.arn or identity
            address = f"{path_text((self.kind.section, name))} ({identity})"
            failure = failures.left_behind(address, self.kind.noun, name, where, tagged=True)
            self.found.append(
                Result(address, ResourceStatus.FAILED, reason=failure.message, id=identity, arn=where, failure=failure)
            )

    def _arn(self, item: Mapping[str, Any], identity: str) -> Mapping[str, str]:
        """Return the ARN member of a resource that a list shows without one, made like the first ARN that was read.

        Reading every resource of an account for its ARN would cost as many calls as reading its tags.
        """
        member = self.kind.arn_member
        return {} if member is None or item.get(member) or not self._like else {member: f"{self._like}/{identity}"}

    def _note(self, failed: CallFailed | OutOfTime) -> None:
        """Note why the resources could not be looked at: for the next run, or for good."""
        lost = isinstance(failed, CallFailed) and failed.error_class in _WITHOUT and not self.used
        if isinstance(failed, OutOfTime) or (failed.error_class in _AGAIN and not lost):
            reason = f"whether resources of this kind are left behind is not known yet: {failed}"
            waits = Result(self.kind.section, ResourceStatus.IN_PROGRESS, reason=reason, retry_after=_RETRY_AFTER)
            # The cursor is part of the state, so that a look that takes many runs counts as progress.
            self.found.append(replace(waits, state=self.cursor))
        elif self.used or failed.error_class is not ErrorClass.UNSUPPORTED:
            self.unread.append(failed)
