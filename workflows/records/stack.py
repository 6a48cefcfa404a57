"""The record of a stack: the request in force, the document to go back to, and the requests that were accepted.

It changes by its events alone, and only here. Every write of it is conditional on its version, and every write of a
run on the lease as well: `lease_id` is the fence of the run that holds the stack.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from workflows.records.request_state import ConsentWait, Mode, RequestState, Stall

#: Requests that are kept of a stack, so that one delivered late keeps the generation that it had; as many again of
#: those that raise no generation, so that schedules do not push others out.
MOST_REQUESTS = 100
#: Synchronizations of which is kept how they wait.
_MOST_WAITING = 20


@dataclass(frozen=True)
class ReadyDocument:
    """The last document that was READY: what a rollback goes back to."""

    document: Mapping[str, Any]
    generation: int


@dataclass(frozen=True)
class Rollback:
    """A rollback under way."""

    generation: int
    request_id: str
    #: The failures for which it was begun, as JSON.
    failures: Sequence[Mapping[str, Any]] = ()
    #: The addresses of resources that the failed generation deleted.
    removed: Sequence[str] = ()
    #: The addresses of resources that it created or replaced.
    recreated: Sequence[str] = ()

    def also_recreated(self, addresses: Sequence[str]) -> "Rollback":
        """Return it with resources that this or an earlier run of it created or replaced."""
        return replace(self, recreated=sorted({*self.recreated, *addresses}))


@dataclass(frozen=True)
class StackRecord:
    """One stack of an account and a Region. Times are seconds since the epoch."""

    #: Random; part of client tokens, so that a fresh ledger repeats none of an earlier life. Empty in records that an
    #: earlier version began.
    id: str = ""
    version: int = 0
    #: The run that holds the stack.
    lease_id: str | None = None
    generation: int = 0
    #: The request in force.
    request_id: str = ""
    mode: Mode = Mode.PROVISION
    #: The digest of the document in force, or of the removal.
    digest: str = ""
    document: Mapping[str, Any] | None = None
    #: How the last run of a provision or a removal ended, as JSON; None since a new request is in force.
    outcome: Mapping[str, Any] | None = None
    ready: ReadyDocument | None = None
    rollback: Rollback | None = None
    requests: Mapping[str, RequestState] = field(default_factory=dict)
    #: Until when a run of an earlier version holds the stack.
    older_lease_until: float = 0.0
    #: Members of the stored item that this version does not know.
    unknown: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def new(cls, record_id: str) -> "StackRecord":
        """Return the record of a stack of which no request was accepted yet."""
        return cls(id=record_id)

    # --- queries ----------------------------------------------------------------------------------------------------

    @property
    def status(self) -> str | None:
        """How the last run of a provision or a removal ended."""
        return (self.outcome or {}).get("status")

    def knows(self, request_id: str) -> bool:
        """Tell whether a request was accepted, whatever it asked for."""
        return request_id in self.requests

    def is_outcome_of(self, request_id: str) -> bool:
        """Tell whether the last outcome is a request's: another one may ask for the same generation."""
        return (self.outcome or {}).get("requestId") == request_id

    def generation_of(self, request_id: str) -> int | None:
        """Return the generation that a request raised the stack to; None where it is not known, or raised none."""
        found = self.requests.get(request_id)
        return found.generation if found is not None else None

    def approvals_of(self, request_id: str) -> frozenset[str]:
        """Return the addresses that a request allows to be deleted or replaced, while it is in force."""
        found = self.requests.get(request_id)
        return frozenset(found.allow) if found is not None and request_id == self.request_id else frozenset()

    def rolls_back(self, generation: int, request_id: str) -> bool:
        """Tell whether this request's rollback was begun; another request for its generation goes forward again."""
        found = self.rollback
        return found is not None and (found.generation, found.request_id) == (generation, request_id)

    def others_waiting(self, request_id: str) -> list[ConsentWait]:
        """Return how requests other than this one wait for people."""
        waits = (one.consent for one in self.requests.values() if one.id != request_id)
        return [consent for consent in waits if consent is not None]

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
        """A provision or a removal is in force; `document` is None where the one in force stays.

        `rolled_back` says that the last run went back from the document in force to another one.
        """
        before, current = self.requests.get(request.id), self.requests.get(self.request_id)
        same = generation == self.generation
        again = same and request.id == self.request_id
        raises = None if before is not None and before.generation is None else generation
        known = before or request
        accepted = replace(request, generation=raises, accepted_at=known.accepted_at, announced=known.announced)
        if current is not None and same:
            # Whoever asks for the same generation goes on with its wait for people.
            accepted = replace(accepted, consent=current.consent, stall=current.stall if again else None)
        requests = {one.id: one for one in self.requests.values() if one.id != request.id}
        if current is not None and current.id in requests:
            requests[current.id] = current.ended
        removed = request.mode is Mode.REMOVE
        stays = self.ready.document if removed and rolled_back and self.ready is not None else self.document
        return replace(
            self,
            generation=generation, request_id=request.id, mode=request.mode, digest=digest,
            document=document if document is not None else stays, outcome=self.outcome if again else None,
            # A stack that is removed on purpose has nothing to go back to.
            ready=None if removed else self.ready, requests=_bounded({**requests, request.id: accepted}),
        )  # fmt: skip

    def written(self) -> "StackRecord":
        """Return the record as its next write stores it."""
        return replace(self, version=self.version + 1)

    def noted(self, request: RequestState) -> "StackRecord":
        """A request that raises no generation was accepted."""
        return replace(self, requests=_bounded({**self.requests, request.id: request}))

    def leased(self, run_id: str, *, announcing: str = "") -> "StackRecord":
        """A run took the stack, and announces that a request was accepted."""
        found = self.requests.get(announcing)
        requests = {**self.requests, announcing: replace(found, announced=True)} if found is not None else self.requests
        return replace(self, lease_id=run_id, older_lease_until=0.0, requests=requests)

    def released(self) -> "StackRecord":
        """The run gave the stack back."""
        return replace(self, lease_id=None)

    def waiting(self, request_id: str, stall: Stall | None, consent: ConsentWait | None) -> "StackRecord":
        """A request waits, for the service or for people; None: it does not."""
        found = self.requests.get(request_id)
        if found is None:
            return self
        changed = replace(found, stall=stall, consent=consent)
        return replace(self, requests=_bounded({**self.requests, request_id: changed}))

    def synchronized(self, request_id: str, outcome: Mapping[str, Any], *, final: bool) -> "StackRecord":
        """A run of a synchronization ended; the outcome of the last one is kept, and how each ended."""
        requests = {one.id: replace(one, outcome=None) for one in self.requests.values()}
        before = requests.pop(request_id, None) or RequestState(request_id, Mode.SYNCHRONIZE)
        status = str(outcome["status"]) if final else before.status
        changed = replace(before, status=status, outcome=outcome)
        return replace(self, requests=_bounded({**requests, request_id: changed}))

    def ended(self, outcome: Mapping[str, Any]) -> "StackRecord":
        """A run of a provision or a removal ended."""
        return replace(self, outcome=outcome)

    def ready_now(self) -> "StackRecord":
        """The document in force is READY."""
        ready = ReadyDocument(self.document, self.generation) if self.document is not None else None
        return replace(self, ready=ready, rollback=None)

    def rolled_back(self) -> "StackRecord":
        """A rollback has ended."""
        return replace(self, rollback=None)

    def rolling_back(self, rollback: Rollback) -> "StackRecord":
        """A rollback is under way."""
        return replace(self, rollback=rollback)


def _bounded(requests: Mapping[str, RequestState]) -> dict[str, RequestState]:
    """Keep the last requests: as many that raised a generation as others, and how the last of those wait."""
    raising = [one for one in requests.values() if one.generation is not None][-MOST_REQUESTS:]
    others = [one for one in requests.values() if one.generation is None][-MOST_REQUESTS:]
    waiting = [one.id for one in others if one.stall is not None or one.consent is not None][-_MOST_WAITING:]
    kept = {one.id for one in (*raising, *others)}
    return {
        one.id: one if one.generation is not None or one.id in waiting else replace(one, stall=None, consent=None)
        for one in requests.values()
        if one.id in kept
    }
