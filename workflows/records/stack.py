"""The record of a stack: the request in force, the document that a rollback restores, and the accepted requests.

Theory of operation. Only the events in this module change a record; each returns a new record. Every write is
conditional on `version`, so that concurrent writers retry. Writes of a run are conditional on the lease, too:
`lease_id` is the fencing token of the run that holds the stack, and a run that lost the lease can commit nothing.

The life of a request:

- `accepted`: a provision or a removal is in force from now on. `generation`, `request_id`, `mode`, `digest` and
  `document` describe the request in force, and `outcome` is cleared unless the same request is delivered again.
  `noted`: a request that raises no generation (a synchronization, or a scheduled convergence) is known; the request in
  force stays.
- `leased`: a run took the lease, and publishes the acceptance once. `waiting` stores the stall timer and the wait for
  consent between runs. `released`: the run returned the lease.
- `ended` stores the outcome of a run of the request in force, `synchronized` that of a synchronization.
- `ready_now`: the document in force is READY, and becomes `ready`, the target of later rollbacks. `rolling_back`: a
  rollback is in progress, so that an interrupted rollback is continued and not the failed request. `rolled_back`:
  that rollback has ended; the document in force is still the failed document.

Queries: `is_outcome_of` compares request ids, because several requests may ask for the same generation;
`generation_of` lets a late delivery keep the generation of the request; `approvals_of` is empty for a request that has
ended, or whose generation is no longer in force; `rolls_back` tells a run to continue a rollback; `others_waiting`
helps to publish a consent URL only once.

At most MOST_REQUESTS requests of each sort are kept (with and without a generation), the last ones.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from workflows.records.request_state import ConsentWait, Mode, RequestState, Stall, key_of

#: How many requests of a stack are kept, so that a late delivery keeps the generation of the request. Requests that
#: raise no generation are counted separately, so that schedules do not evict the rest.
MOST_REQUESTS = 100
#: How many waiting synchronizations keep stall timer and consent wait.
_MOST_WAITING = 20
#: How many retained resources are kept.
_MOST_RETAINED = 1000


@dataclass(frozen=True)
class ReadyDocument:
    """The last document that was READY, which a rollback restores."""

    document: Mapping[str, Any]
    generation: int


@dataclass(frozen=True)
class Rollback:
    """A rollback in progress."""

    #: The failed generation and the failed request.
    generation: int
    request_id: str
    #: The failures that caused the rollback, as JSON.
    failures: Sequence[Mapping[str, Any]] = ()
    #: The addresses of resources that the failed generation deleted.
    removed: Sequence[str] = ()
    #: The addresses of resources that a rollback of an earlier version created or replaced; newer ones are in the logs.
    recreated: Sequence[str] = ()


@dataclass(frozen=True)
class StackRecord:
    """The record of a stack of an account and a Region. Times are seconds since the epoch."""

    #: Random; part of client tokens, so that a new ledger repeats no token of a lost ledger. Empty in records that an
    #: earlier version created.
    id: str = ""
    version: int = 0
    #: The run that holds the lease of the stack.
    lease_id: str | None = None
    generation: int = 0
    #: The request in force.
    request_id: str = ""
    mode: Mode = Mode.PROVISION
    #: The digest of the document in force, or of the removal.
    digest: str = ""
    document: Mapping[str, Any] | None = None
    #: The outcome of the last run of a provision or a removal, as JSON; None when a new request is accepted.
    outcome: Mapping[str, Any] | None = None
    ready: ReadyDocument | None = None
    rollback: Rollback | None = None
    requests: Mapping[str, RequestState] = field(default_factory=dict)
    #: Until when a run of an earlier version holds the lease.
    older_lease_until: float = 0.0
    #: The ARNs of resources that were retained on purpose and bear the stack's tag still.
    retained: tuple[str, ...] = ()
    #: By section, up to which id a removal has looked for resources that bear the stack's tag.
    looked_up_to: Mapping[str, str] = field(default_factory=dict)
    #: Members of the stored item that this version does not know.
    unknown: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def new(cls, record_id: str) -> "StackRecord":
        """Return the record of a stack without accepted requests."""
        return cls(id=record_id)

    # --- queries ----------------------------------------------------------------------------------------------------

    @property
    def status(self) -> str | None:
        """The status of the last run of a provision or a removal."""
        return (self.outcome or {}).get("status")

    def knows(self, request_id: str) -> bool:
        """Return whether a request of any mode was accepted."""
        return any(key_of(request_id, mode) in self.requests for mode in Mode)

    def is_outcome_of(self, request_id: str) -> bool:
        """Return whether the last outcome belongs to this request: several requests may ask for the same generation."""
        return (self.outcome or {}).get("requestId") == request_id

    def generation_of(self, request_id: str) -> int | None:
        """Return the generation to which a request raised the stack; None for an unknown request, or if none."""
        found = self.requests.get(request_id)
        return found.generation if found is not None else None

    def approvals_of(self, request_id: str) -> frozenset[str]:
        """Return the addresses that a request for the generation in force approves for deletion or replacement."""
        found = self.requests.get(request_id)
        counts = found is not None and (request_id == self.request_id or found.generation == self.generation)
        return frozenset(found.allow) if found is not None and counts else frozenset()

    def is_bound(self, request_id: str) -> bool:
        """Return whether a request deletes and replaces only what it approves."""
        found = self.requests.get(request_id)
        return found is not None and found.only_approved

    def rolls_back(self, generation: int, request_id: str) -> bool:
        """Return whether this request is being rolled back; any different request goes forward."""
        found = self.rollback
        return found is not None and (found.generation, found.request_id) == (generation, request_id)

    def state_of(self, request_id: str, mode: Mode) -> RequestState | None:
        """Return the state of a request; None if the request is not known."""
        return self.requests.get(key_of(request_id, mode))

    @property
    def open_synchronizations(self) -> list[RequestState]:
        """The synchronizations that have not ended."""
        return [one for one in self.requests.values() if one.mode is Mode.SYNCHRONIZE and not one.status]

    def others_waiting(self, request_id: str, mode: Mode) -> list[ConsentWait]:
        """Return the consent waits of all requests except `request_id`."""
        mine = mode is Mode.SYNCHRONIZE
        others = [one for one in self.requests.values() if one.id != request_id and (one.mode is mode) == mine]
        same = [one for one in others if mine or one.generation == self.generation]
        return [one.consent for one in same if one.consent is not None]

    # --- events -----------------------------------------------------------------------------------------------------

    def accepted(
        self,
        request: RequestState,
        generation: int,
        *,
        digest: str,
        document: Mapping[str, Any] | None,
        rolled_back: bool,
    ) -> "StackRecord":
        """A provision or a removal is in force; `document` None keeps the present document.

        `rolled_back` tells that the last run rolled back the document in force.
        """
        before, current = self.requests.get(request.id), self.requests.get(self.request_id)
        same = generation == self.generation
        again = same and request.id == self.request_id
        raises = None if before is not None and before.generation is None else generation
        known = before or request
        accepted = replace(
            request,
            generation=raises,
            accepted_at=known.accepted_at,
            announced=known.announced,
            unattended=known.unattended,
        )
        if current is not None and same:
            # A request for the same generation continues the wait for consent of the present request.
            accepted = replace(accepted, consent=current.consent)
        if current is not None and again:
            bound = request.only_approved or current.only_approved
            accepted = replace(
                accepted, stall=current.stall, no_calls_until=current.no_calls_until, only_approved=bound
            )
        requests = {key: one for key, one in self.requests.items() if key != request.key}
        if current is not None and current.key in requests:
            requests[current.key] = current.beside if same else current.ended
        removed = request.mode is Mode.REMOVE
        stays = self.document
        if removed and rolled_back:
            stays = self.ready.document if self.ready is not None else None
        return replace(
            self,
            generation=generation, request_id=request.id, mode=request.mode, digest=digest,
            document=document if document is not None else stays, outcome=self.outcome if again else None,
            looked_up_to=self.looked_up_to if again else {},
            # A removed stack has no document to restore.
            ready=None if removed else self.ready, requests=_bounded({**requests, request.key: accepted}, request.key),
        )  # fmt: skip

    def written(self) -> "StackRecord":
        """Return the record with the version that the next write stores."""
        return replace(self, version=self.version + 1)

    def noted(self, request: RequestState) -> "StackRecord":
        """A request that raises no generation was accepted."""
        return replace(self, requests=_bounded({**self.requests, request.key: request}, self.request_id))

    def leased(self, run_id: str, *, announcing: str = "") -> "StackRecord":
        """A run took the lease, and has published the acceptance of the request `announcing`, if any."""
        taken = replace(self, lease_id=run_id, older_lease_until=0.0)
        return taken.announced(announcing) if announcing else taken

    def announced(self, request_id: str) -> "StackRecord":
        """The acceptance of a request was published."""
        found = self.requests.get(request_id)
        if found is None:
            return self
        return replace(self, requests={**self.requests, request_id: replace(found, announced=True)})

    def retaining(self, arns: Iterable[str], known: Container[str]) -> "StackRecord":
        """Resources were retained on purpose; those that are `known` to a record again are not retained any more."""
        retained = [arn for arn in dict.fromkeys((*self.retained, *arns)) if arn not in known]
        return replace(self, retained=tuple(retained[-_MOST_RETAINED:]))

    def released(self) -> "StackRecord":
        """The run released the lease."""
        return replace(self, lease_id=None)

    def waiting(
        self, request_id: str, mode: Mode, stall: Stall | None, consent: ConsentWait | None, *, no_calls: float = 0.0
    ) -> "StackRecord":
        """A request waits for the service (`stall`) or for people (`consent`); None: no such wait.

        `no_calls` is the time at which a run ended in which no call got through; 0 for any other run.
        """
        found = self.state_of(request_id, mode)
        if found is None:
            return self
        changed = replace(found, stall=stall, consent=consent, no_calls_until=no_calls or found.no_calls_until)
        return replace(self, requests=_bounded({**self.requests, found.key: changed}, self.request_id))

    def synchronized(self, request_id: str, outcome: Mapping[str, Any], *, final: bool) -> "StackRecord":
        """A run of a synchronization ended; only the last keeps the outcome, each keeps the final status."""
        requests = {key: replace(one, outcome=None) for key, one in self.requests.items()}
        new = RequestState(request_id, Mode.SYNCHRONIZE)
        before = requests.pop(new.key, new)
        status = str(outcome["status"]) if final else before.status
        changed = replace(before, status=status, outcome=outcome)
        return replace(self, requests=_bounded({**requests, new.key: changed}, self.request_id))

    def ended(self, outcome: Mapping[str, Any], *, final: bool = False) -> "StackRecord":
        """A run of a provision or a removal ended; a `final` outcome ends the request, and its approvals."""
        current = self.requests.get(self.request_id)
        if not final or current is None:
            return replace(self, outcome=outcome)
        return replace(self, outcome=outcome, requests={**self.requests, current.key: replace(current, allow=())})

    def ready_now(self) -> "StackRecord":
        """The document in force is READY."""
        ready = ReadyDocument(self.document, self.generation) if self.document is not None else None
        return replace(self, ready=ready, rollback=None)

    def rolled_back(self) -> "StackRecord":
        """A rollback has ended."""
        return replace(self, rollback=None)

    def rolling_back(self, rollback: Rollback) -> "StackRecord":
        """A rollback has begun."""
        return replace(self, rollback=rollback)


def _bounded(requests: Mapping[str, RequestState], in_force: str) -> dict[str, RequestState]:
    """Drop the oldest requests, those that raised a generation apart from the others; never the request in force."""
    raising = [one for one in requests.values() if one.generation is not None][-MOST_REQUESTS:]
    others = [one for one in requests.values() if one.generation is None][-MOST_REQUESTS:]
    waiting = [one.key for one in others if one.stall is not None or one.consent is not None][-_MOST_WAITING:]
    kept = {one.key for one in (*raising, *others)} | {in_force}
    waits = {*(one.key for one in raising), *waiting, in_force}
    return {
        key: one if key in waits else replace(one, stall=None, consent=None)
        for key, one in requests.items()
        if key in kept
    }
