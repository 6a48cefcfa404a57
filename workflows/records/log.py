"""The operation log of a resource: the operations in the order in which they were begun, as far as they still matter.

Theory of operation. The planner must know which declarations may be in force at AWS, although calls get lost, answers
get lost, and accepted updates may fail. The log answers that from the recorded operations:

- `base`: the last declaration known to have been in force.
- `last_update`: the update that the service accepted, or that failed, since the base. Not known to be in force.
- `pending`: intents of CREATE, UPDATE and TAG without an answer (at most 5; older ones are folded together).
- `unanswered`: a single operation into which every declaration is folded that was superseded before it was known to be
  in force, and every lost call that may still arrive.
- `possibly_in_force`: all four together.
- `intent`: the operation that was begun last and has no known end, such as a DELETE that the service works on.
- `creation`: the CREATE of the object, without the declaration once that is superseded. Tells generation and time.
- `attempts`: accepted changes, and deletions without effect, of a scope. Closed operations of the last scope stay in
  the log for that count only.
- `synchronization`, `refusal`: the last of each.

Life of an operation. `begin` adds a PENDING intent and closes open deletions and synchronizations. Then either `refuse`
closes all open operations, because nothing had an effect, or an `accept_*` method records the answer. An answer proves
nothing about earlier lost calls: an accepted update folds these calls into `unanswered`, together with the accepted
update that is superseded; accepted tags fold lost creations and updates. An accepted creation drops all of them: a new
object has no earlier declarations.

`settle` is called with the declaration in force once the resource is at rest. The operation that carried this
declaration becomes SUCCEEDED and is the new base (an IMPORT, if no operation of this stack carried the declaration).
Lost calls are folded. The last synchronization stays, and the remaining operations are closed: reduced to attempts,
errors, times and the id of the created object. Refusals are dropped, and so is the fold, once LATEST_ARRIVAL has passed
since a lost call was last folded; until then such a call may still arrive, and the fold stays.

`end` keeps attempts only. `vanish` in addition folds everything possibly in force, as the object may turn up again.

Compaction keeps the operations that a query returns, except the last error of a closed operation without an attempt,
and the attempts of the last 6 requests for the generation, and drops everything else, so the log is bounded. Excess
operations are folded and never dropped while they can matter. Every transition returns a new log.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from infra.errors import ErrorClass
from workflows.document.compare import either
from workflows.records.operation import DECLARING, LATEST_ARRIVAL, Operation, OpState, Verb, folded

#: How many unanswered intents are kept without folding.
_MOST_PENDING = 5
#: How many attempts of a scope are kept without folding.
_MOST_ATTEMPTS = 1
#: How many requests for one generation keep their attempts.
_MOST_SCOPES = 6
#: A stand-in for a deletion that records of an earlier form do not have.
_NO_DELETION = Operation(Verb.DELETE, OpState.PENDING)


@dataclass(frozen=True)
class OperationLog:
    """A bounded log of operations: queries and transitions, all pure."""

    operations: tuple[Operation, ...] = ()

    # --- queries ----------------------------------------------------------------------------------------------------

    @property
    def unanswered(self) -> Operation | None:
        """The fold of declarations that earlier operations may have left in force."""
        return self._last(lambda op: op.state is OpState.UNANSWERED)

    @property
    def creation(self) -> Operation | None:
        """The creation of the object."""
        return self._last(lambda op: op.verb is Verb.CREATE and op.object_id is not None)

    @property
    def base(self) -> Operation | None:
        """The last operation whose declaration is known to have been in force."""
        return self._last(lambda op: op.declared is not None and _is_certain(op))

    @property
    def last_update(self) -> Operation | None:
        """The last accepted update that is not known to be in force; may have failed since."""
        taken = (OpState.ACCEPTED, OpState.FAILED)
        return self._last(lambda op: op.verb is Verb.UPDATE and op.state in taken and op.declared is not None)

    @property
    def pending(self) -> tuple[Operation, ...]:
        """The unanswered operations that carry a declaration, which may be in force."""
        return tuple(op for op in self.operations if op.state is OpState.PENDING and op.verb in DECLARING)

    @property
    def intent(self) -> Operation | None:
        """The last operation with an unknown end; None where no operation is in flight."""
        return self._last(_is_open)

    @property
    def synchronization(self) -> Operation | None:
        """The last synchronization that the service accepted."""
        return self._last(lambda op: op.verb is Verb.SYNCHRONIZE and op.state is OpState.SUCCEEDED)

    @property
    def refusal(self) -> Operation | None:
        """The refusal of a change for a usually transient reason: since when, and why."""
        return self._last(lambda op: op.state is OpState.REFUSED and not _is_pending(op))

    @property
    def refusals_while_pending(self) -> tuple[Operation, ...]:
        """The refusals because the resource waits for the consent of a person: of one scope, one for each verb."""
        return tuple(op for op in self.operations if op.state is OpState.REFUSED and _is_pending(op))

    @property
    def secret_versions(self) -> Mapping[str, str]:
        """The versions of the secrets that the last accepted operations sent, by path."""
        found: dict[str, str] = {}
        for op in (self.base, self.last_update):
            found |= op.secret_versions if op is not None else {}
        return found

    @property
    def updated(self) -> str:
        """The service's time of the last change; empty after a later synchronization."""
        for op in reversed(self.operations):
            if op.verb is Verb.SYNCHRONIZE and op.state is OpState.SUCCEEDED:
                return ""
            if op.updated:
                return op.updated
        return ""

    @property
    def error(self) -> str:
        """The reason of the last recorded failure."""
        return next((op.error for op in reversed(self.operations) if op.error), "")

    @property
    def possibly_in_force(self) -> list[Mapping[str, Any]]:
        """Every declaration that may be in force: of the last update, the base, the fold, and unanswered operations."""
        known = [op.declared for op in (self.last_update, self.base, self.unanswered) if op is not None]
        return [one for one in (*known, *(op.declared for op in self.pending)) if one is not None]

    def attempts(self, scope: str) -> int:
        """Return how many attempts count for a scope: a request, or the rollback of a request."""
        return sum(op.attempts for op in self.operations if op.scope == scope)

    # --- transitions ------------------------------------------------------------------------------------------------

    def begin(self, intent: Operation) -> "OperationLog":
        """Record an intent, and close open operations that carry no declaration.

        Of earlier unanswered intents of the same call only the last is kept, as that call may still arrive even after
        this intent is answered.
        """
        same = [op for op in self.pending if _sends(op) == _sends(intent)]

        def goes_on(op: Operation) -> bool:
            over = _is_open(op) and op.verb not in DECLARING
            return not over and not any(op is one for one in same[:-1])

        return _compact([*(op if goes_on(op) else _closed(op) for op in self.operations), intent])

    def refuse(self) -> "OperationLog":
        """Close every open operation: none had an effect."""
        return _compact(_closed(op) if _is_open(op) else op for op in self.operations)

    def refuse_deletion(self, *, attempt_of: str = "") -> "OperationLog":
        """Close a deletion that was refused, or that had no effect, which counts as an attempt of `attempt_of`."""
        deletion = self._last(lambda op: op.verb is Verb.DELETE and _is_open(op))
        others = [op for op in self.operations if op is not deletion]
        if not attempt_of:
            return _compact([*others, *([_closed(deletion)] if deletion is not None else [])])
        return _compact([*others, _counted(_closed(deletion or _NO_DELETION), attempt_of)])

    def accept_creation(self, intent: Operation, **shown: Any) -> "OperationLog":
        """Record an accepted creation: no earlier declaration can be in force in a new object."""
        attempts = [replace(_closed(op), object_id=None) for op in self.operations if op.attempts]
        return _compact([*attempts, intent.become(OpState.ACCEPTED, attempts=1, **shown)])

    def accept_update(self, intent: Operation, now: float, *, again: bool, **shown: Any) -> "OperationLog":
        """Record an accepted update: until the update is in force, earlier declarations may be.

        `again` tells that the last update carried the same declaration for the same request.
        """
        before = self.last_update
        versions = {**self.secret_versions, **intent.secret_versions}
        update = intent.become(OpState.ACCEPTED, attempts=1, repeats=1, secret_versions=versions, **shown)
        if again and before is not None:
            update = replace(update, shown_before=before.shown_before, repeats=before.repeats + 1)
        doubts = [op for op in self.pending if op is not self.intent]
        log = self._superseding(now, [before] if before is not None else [], doubts)
        tags = sorted({*log.tags_in_doubt, *(key for op in doubts for key in op.tags)})
        over = (OpState.PENDING, OpState.REFUSED)
        others = [op for op in _with_tags_in_doubt(log, tags) if op.state not in over]
        return _compact([*others, update])

    def accept_tags(self, intent: Operation, now: float) -> "OperationLog":
        """Record that the tags are as declared."""
        doubts = [op for op in self.pending if op.verb is not Verb.TAG]
        operations, base = _with_tags_in_doubt(self._superseding(now, [], doubts), ()), self.base
        tags = (intent.declared or {}).get("tags") or {}

        def tagged(op: Operation) -> Operation:
            return replace(op, declared={**(op.declared or {}), "tags": tags}) if op is base else op

        return _compact([tagged(op) for op in operations if op.state is not OpState.PENDING])

    def accept_deletion(self, scope: str) -> "OperationLog":
        """Record an accepted deletion, which counts as an attempt."""

        def accepted(op: Operation) -> Operation:
            return _counted(op.become(OpState.ACCEPTED), scope) if op.verb is Verb.DELETE and _is_open(op) else op

        return _compact(accepted(op) for op in self.operations if op.state is not OpState.REFUSED)

    def accept_synchronization(self, intent: Operation, repeats: int, *, attempt: bool) -> "OperationLog":
        """Record an accepted synchronization, which proves nothing about earlier operations."""
        others = [op for op in self.operations if op.verb is not Verb.SYNCHRONIZE or op.attempts]
        done = intent.become(OpState.SUCCEEDED, repeats=repeats, attempts=int(attempt))
        return _compact([*others, done])

    def identify(self, object_id: str | None) -> "OperationLog":
        """Record the object of an unanswered creation, which was found."""
        found = self.intent
        if found is None or found.verb is not Verb.CREATE:
            return self
        made = found.become(OpState.ACCEPTED, object_id=object_id)
        return OperationLog(tuple(made if op is found else op for op in self.operations))

    def settle(
        self, declared: Mapping[str, Any], now: float, *, versions: Mapping[str, str], normalized: tuple[str, ...]
    ) -> "OperationLog":
        """Record that the object is at rest with this declaration in force, which closes the earlier operations."""
        candidates = [op for op in (self.last_update, self.base, *reversed(self.pending)) if op is not None]
        done = next((op for op in candidates if op.declared == declared), None) or Operation(
            Verb.IMPORT, OpState.PENDING, now, declared=declared, updated=self.updated
        )
        succeeded = replace(
            done.closed(), state=done.become(OpState.SUCCEEDED).state, declared=declared, normalized=normalized,
            secret_versions={**versions, **self.secret_versions},
        )  # fmt: skip
        log = self._superseding(now, [], [op for op in self.pending if op is not done])
        known = any(op is done for op in log.operations)
        kept = [op for op in (*log.operations, *(() if known else (done,))) if not _is_over(op, now)]
        return _compact(succeeded if op is done else _at_rest(op) for op in kept)

    def vanish(self, now: float) -> "OperationLog":
        """Record that reads no longer show the object, which nobody saw deleted: its declarations stay possible."""
        declared: Mapping[str, Any] | None = reduce(either, self.possibly_in_force, None)
        lingering = [Operation(Verb.UPDATE, OpState.UNANSWERED, now, declared=declared)] if declared is not None else []
        return OperationLog((*lingering, *self.end().operations))

    def end(self) -> "OperationLog":
        """Record that the object is deleted: only the attempts of the current request remain."""
        attempts = [replace(_closed(op), object_id=None, updated="") for op in self.operations if op.attempts]
        last = [replace(op, error=op.error or self.error) for op in attempts[-1:]]
        return _compact([*attempts[:-1], *last])

    def before_creation(self, now: float) -> "OperationLog":
        """Record that a creation is about to begin: no object is known, and unanswered operations stay open."""
        stays = [op for op in self.operations if op.state in (OpState.PENDING, OpState.REFUSED)]
        return OperationLog((*self.vanish(now).operations, *stays))

    def refuse_for_now(self, refusal: Operation) -> "OperationLog":
        """Record a refusal for a usually transient reason; the first refusal of a scope and error class is kept."""
        alike = [
            op for op in self.operations if op.state is OpState.REFUSED and _is_pending(op) == _is_pending(refusal)
        ]
        if any(_refused(op) == _refused(refusal) for op in alike):
            return self
        others = [op for op in self.operations if op not in alike or (_is_pending(op) and op.scope == refusal.scope)]
        return _compact([*others, refusal])

    def not_after(self, now: float) -> "OperationLog":
        """Return the log with times in the future, which a wrong clock wrote, set to `now`; itself without any."""
        operations = tuple(op.not_after(now) for op in self.operations)
        same = all(one is op for one, op in zip(operations, self.operations, strict=True))
        return self if same else replace(self, operations=operations)

    def change_update(self, change: Callable[[Operation], Operation]) -> "OperationLog":
        """Return the log with its last update changed."""
        last = self.last_update
        return OperationLog(tuple(change(op) if op is last else op for op in self.operations))

    @property
    def tags_in_doubt(self) -> tuple[str, ...]:
        """Keys of tags that unanswered operations may have set; updates leave this open, as updates send no tags."""
        return self.unanswered.tags_in_doubt if self.unanswered is not None else ()

    # --- parts ------------------------------------------------------------------------------------------------------

    def _last(self, matches: Callable[[Operation], bool]) -> Operation | None:
        return next((op for op in reversed(self.operations) if matches(op)), None)

    def _superseding(self, now: float, taken: list[Operation], lost: list[Operation]) -> "OperationLog":
        """Fold accepted (`taken`) and lost operations, of which lost calls may still arrive, into the unanswered."""
        if not taken and not lost:
            return self
        before = self.unanswered or Operation(Verb.UPDATE, OpState.UNANSWERED)
        declared = reduce(either, (before.declared, *(op.declared for op in (*taken, *lost))))
        folded = replace(before, declared=declared, at=now if lost else before.at)
        others = [_closed(op) if op in taken or op in lost else op for op in self.operations]
        return OperationLog((folded, *(op for op in others if op.state is not OpState.UNANSWERED)))


def _with_tags_in_doubt(log: OperationLog, keys: Iterable[str]) -> tuple[Operation, ...]:
    """Return the operations with these keys as tags in doubt."""
    tags, before = tuple(keys), log.unanswered
    if before is None and not tags:
        return log.operations
    folded = replace(before or Operation(Verb.UPDATE, OpState.UNANSWERED), tags_in_doubt=tags)
    return (folded, *(op for op in log.operations if op is not before))


def _is_pending(refusal: Operation) -> bool:
    return refusal.error_class == ErrorClass.AWAITING_CONSENT


def _refused(op: Operation) -> tuple[str, ...]:
    return op.scope, op.error_class, op.verb if _is_pending(op) else ""


def _is_certain(op: Operation) -> bool:
    """Return whether the declaration was ever in force; for a creation, acceptance proves that."""
    return op.state is OpState.SUCCEEDED or (op.verb is Verb.CREATE and op.state in (OpState.ACCEPTED, OpState.FAILED))


def _is_open(op: Operation) -> bool:
    return op.state is OpState.PENDING or (op.verb is Verb.DELETE and op.state is OpState.ACCEPTED)


def _sends(op: Operation) -> tuple[Any, ...]:
    """Return the members in which two intents of the same call are equal."""
    return op.verb, op.declared, op.secret_versions, op.tokens


def _closed(op: Operation) -> Operation:
    """Return an operation reduced to attempts, error, times and object id; open and accepted states become FAILED."""
    state = OpState.FAILED if _is_open(op) or op.state is OpState.ACCEPTED else op.state
    return replace(op.closed(), state=state)


def _at_rest(op: Operation) -> Operation:
    """Return an operation closed by a later success; the fold of lost calls stays, as does a synchronization."""
    if op.state is OpState.UNANSWERED or (op.verb, op.state) == (Verb.SYNCHRONIZE, OpState.SUCCEEDED):
        return op
    return replace(_closed(op), state=OpState.SUCCEEDED) if op.state is OpState.ACCEPTED else _closed(op)


def _is_over(op: Operation, now: float) -> bool:
    """Return whether a success drops an operation: a refusal, or a lost call that can no longer arrive."""
    return op.state is OpState.REFUSED or (op.state is OpState.UNANSWERED and now > op.at + LATEST_ARRIVAL)


def _counted(op: Operation, scope: str) -> Operation:
    """Count an operation as an attempt of a scope, in addition to earlier attempts of the same scope."""
    return replace(op, scope=scope, attempts=op.attempts + 1 if op.scope == scope else 1)


def _compact(operations: Iterable[Operation]) -> OperationLog:
    """Return a log without operations that can no longer matter, and with excess operations folded.

    Several requests may ask for one generation, and each has attempts of its own: those of the last generation stay.
    """
    log = OperationLog(tuple(operations))
    last = next((op for op in reversed(log.operations) if op.attempts), None)
    scopes = _last_scopes(op.scope for op in log.operations if op.attempts and last and _is_beside(op, last))
    needed = (
        log.unanswered, log.creation, log.base, log.last_update, log.intent, log.synchronization, log.refusal,
        *log.refusals_while_pending,
    )  # fmt: skip
    tried = {id(op) for op in log.operations if op.attempts > 0 and op.scope in scopes}
    mattering = tried | {id(op) for op in (*log.pending, *needed)}
    kept = [op for op in log.operations if id(op) in mattering]
    kept = folded(kept, [op for op in kept if op in log.pending], _MOST_PENDING, Operation.folded_with)
    for scope in scopes:
        attempts = [op for op in kept if op.attempts and op.scope == scope and not any(op is one for one in needed)]
        kept = folded(kept, attempts, _MOST_ATTEMPTS, _added)
    return OperationLog(tuple(kept))


def _is_beside(op: Operation, last: Operation) -> bool:
    """Return whether attempts count together: of one request, or of requests for one generation."""
    return op.scope == last.scope or op.generation == last.generation


def _last_scopes(scopes: Iterable[str]) -> list[str]:
    """Return the distinct scopes that were used last, at most _MOST_SCOPES."""
    return list(dict.fromkeys(reversed(list(scopes))))[:_MOST_SCOPES]


def _added(one: Operation, later: Operation) -> Operation:
    return replace(later, attempts=one.attempts + later.attempts, error=later.error or one.error)
