"""The operations of one resource in the order in which they were begun, as far as they still matter.

The log holds, oldest first and each at most once unless said otherwise:

- one UNANSWERED operation: the fold of every declaration that an earlier operation may have left in force, or that a
  lost call may still set;
- the CREATE that made the object: where its declaration was superseded, without it;
- the `base`: the last declaration that is known to have been in force;
- closed operations that count among the attempts of the last scope;
- the `last_update` that the service accepted, or that failed, since the base;
- PENDING operations (several): intents without an answer;
- the last SYNCHRONIZE, the last REFUSED operation, and a DELETE under way.

Every method returns a new log, and every one that adds operations compacts them: operations are folded and not dropped
while they can matter.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from workflows.document.compare import either
from workflows.records.operation import DECLARING, LATEST_ARRIVAL, Operation, OpState, Verb

#: Intents without an answer that are kept one by one.
_MOST_PENDING = 5
#: Attempts of one scope that are kept one by one.
_MOST_ATTEMPTS = 6
#: A deletion that an earlier form of the record does not have.
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
        """The creation that made the object."""
        return self._last(lambda op: op.verb is Verb.CREATE and op.object_id is not None)

    @property
    def base(self) -> Operation | None:
        """The last operation whose declaration is known to have been in force."""
        return self._last(lambda op: op.declared is not None and _is_certain(op))

    @property
    def last_update(self) -> Operation | None:
        """The last update that the service accepted and that is not known to be in force; it may have failed."""
        taken = (OpState.ACCEPTED, OpState.FAILED)
        return self._last(lambda op: op.verb is Verb.UPDATE and op.state in taken and op.declared is not None)

    @property
    def pending(self) -> tuple[Operation, ...]:
        """The operations whose declarations may be in force because no answer came."""
        return tuple(op for op in self.operations if op.state is OpState.PENDING and op.verb in DECLARING)

    @property
    def intent(self) -> Operation | None:
        """The last operation of which the end is not known; None where nothing is under way."""
        return self._last(_is_open)

    @property
    def synchronization(self) -> Operation | None:
        """The last synchronization that the service accepted."""
        return self._last(lambda op: op.verb is Verb.SYNCHRONIZE and op.state is OpState.SUCCEEDED)

    @property
    def refusal(self) -> Operation | None:
        """Since when, and why, the service refuses a change for a reason that passes as a rule."""
        return self._last(lambda op: op.state is OpState.REFUSED)

    @property
    def secret_versions(self) -> Mapping[str, str]:
        """The versions of the secrets that were applied last, by path."""
        found: dict[str, str] = {}
        for op in (self.base, self.last_update):
            found |= op.secret_versions if op is not None else {}
        return found

    @property
    def updated(self) -> str:
        """The service's time of the last change; empty where a synchronization came after that."""
        for op in reversed(self.operations):
            if op.verb is Verb.SYNCHRONIZE and op.state is OpState.SUCCEEDED:
                return ""
            if op.updated:
                return op.updated
        return ""

    @property
    def error(self) -> str:
        """The reason of the last failure that is recorded."""
        found = self._last(lambda op: bool(op.error))
        return found.error if found is not None else ""

    @property
    def possibly_in_force(self) -> list[Mapping[str, Any]]:
        """Every declaration that may be in force, the last certain one first."""
        known = [op.declared for op in (self.last_update, self.base, self.unanswered) if op is not None]
        return [one for one in (*known, *(op.declared for op in self.pending)) if one is not None]

    def attempts(self, scope: str) -> int:
        """Return how many changes were begun for a request, or for its rollback."""
        return sum(op.attempts for op in self.operations if op.scope == scope)

    # --- transitions ------------------------------------------------------------------------------------------------

    def begin(self, intent: Operation) -> "OperationLog":
        """Record an intent; one that declared nothing and has no answer is over.

        Of earlier intents that were the same one is kept, also when this one is answered: it may arrive later yet.
        """
        same = [op for op in self.pending if _sends(op) == _sends(intent)]

        def goes_on(op: Operation) -> bool:
            over = _is_open(op) and op.verb not in DECLARING
            return not over and not any(op is one for one in same[:-1])

        return _compact([*(op if goes_on(op) else _closed(op) for op in self.operations), intent])

    def refuse(self) -> "OperationLog":
        """No operation without an answer had an effect."""
        return _compact(_closed(op) if _is_open(op) else op for op in self.operations)

    def refuse_deletion(self, *, attempt_of: str = "") -> "OperationLog":
        """A deletion was refused, or came to nothing: the latter is an attempt of `attempt_of`."""
        deletion = self._last(lambda op: op.verb is Verb.DELETE and _is_open(op))
        others = [op for op in self.operations if op is not deletion]
        if not attempt_of:
            return _compact([*others, *([_closed(deletion)] if deletion is not None else [])])
        return _compact([*others, _counted(_closed(deletion or _NO_DELETION), attempt_of)])

    def accept_creation(self, intent: Operation, **shown: Any) -> "OperationLog":
        """The service took a creation: what came before can have left nothing behind."""
        attempts = [replace(_closed(op), object_id=None) for op in self.operations if op.attempts]
        return _compact([*attempts, intent.become(OpState.ACCEPTED, attempts=1, **shown)])

    def accept_update(self, intent: Operation, now: float, *, again: bool, **shown: Any) -> "OperationLog":
        """The service took an update: until it is in force, what was declared before may be.

        `again` says that the last update was of this declaration, for this request.
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
        """The tags are as declared."""
        doubts = [op for op in self.pending if op.verb is not Verb.TAG]
        operations, base = _with_tags_in_doubt(self._superseding(now, [], doubts), ()), self.base
        tags = (intent.declared or {}).get("tags") or {}

        def tagged(op: Operation) -> Operation:
            return replace(op, declared={**(op.declared or {}), "tags": tags}) if op is base else op

        return _compact([tagged(op) for op in operations if op.state is not OpState.PENDING])

    def accept_deletion(self, scope: str) -> "OperationLog":
        """The service took a deletion, which counts as an attempt."""

        def accepted(op: Operation) -> Operation:
            return _counted(op.become(OpState.ACCEPTED), scope) if op.verb is Verb.DELETE and _is_open(op) else op

        return _compact(accepted(op) for op in self.operations if op.state is not OpState.REFUSED)

    def accept_synchronization(self, intent: Operation, repeats: int, *, attempt: bool) -> "OperationLog":
        """The service took a synchronization, which says nothing of other operations."""
        others = [op for op in self.operations if op.verb is not Verb.SYNCHRONIZE or op.attempts]
        done = intent.become(OpState.SUCCEEDED, repeats=repeats, attempts=int(attempt))
        return _compact([*others, done])

    def identify(self, object_id: str | None) -> "OperationLog":
        """The object of a creation without an answer was found."""
        found = self.intent
        if found is None or found.verb is not Verb.CREATE:
            return self
        made = found.become(OpState.ACCEPTED, object_id=object_id)
        return OperationLog(tuple(made if op is found else op for op in self.operations))

    def settle(
        self, declared: Mapping[str, Any], now: float, *, versions: Mapping[str, str], normalized: tuple[str, ...]
    ) -> "OperationLog":
        """The object is at rest, with this declaration in force: every operation before that is closed."""
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
        """Reads do not show the object any more, and nobody saw it go: should it turn up, it is as it was left."""
        declared: Mapping[str, Any] | None = reduce(either, self.possibly_in_force, None)
        lingering = [Operation(Verb.UPDATE, OpState.UNANSWERED, now, declared=declared)] if declared is not None else []
        return OperationLog((*lingering, *self.end().operations))

    def end(self) -> "OperationLog":
        """The object is gone: the attempts of the request under way are left."""
        attempts = [replace(_closed(op), object_id=None, updated="") for op in self.operations if op.attempts]
        last = [replace(op, error=op.error or self.error) for op in attempts[-1:]]
        return _compact([*attempts[:-1], *last])

    def before_creation(self, now: float) -> "OperationLog":
        """A creation is about to begin: no object is known, and what has no answer stays in doubt."""
        stays = [op for op in self.operations if op.state in (OpState.PENDING, OpState.REFUSED)]
        return OperationLog((*self.vanish(now).operations, *stays))

    def refuse_for_now(self, refusal: Operation) -> "OperationLog":
        """A change is refused for a reason that passes as a rule; the first refusal of its scope and class is kept."""
        before = self.refusal
        if before is not None and (before.scope, before.error_class) == (refusal.scope, refusal.error_class):
            return self
        return _compact([*(op for op in self.operations if op is not before), refusal])

    def change_update(self, change: Callable[[Operation], Operation]) -> "OperationLog":
        """Return the log with its last update changed."""
        last = self.last_update
        return OperationLog(tuple(change(op) if op is last else op for op in self.operations))

    @property
    def tags_in_doubt(self) -> tuple[str, ...]:
        """Keys of tags that operations without an answer may have set, and that a later update left in doubt."""
        return self.unanswered.tags_in_doubt if self.unanswered is not None else ()

    # --- parts ------------------------------------------------------------------------------------------------------

    def _last(self, matches: Callable[[Operation], bool]) -> Operation | None:
        return next((op for op in reversed(self.operations) if matches(op)), None)

    def _superseding(self, now: float, taken: list[Operation], lost: list[Operation]) -> "OperationLog":
        """Fold operations into the unanswered one: those that the service took, and those that may arrive yet."""
        if not taken and not lost:
            return self
        before = self.unanswered or Operation(Verb.UPDATE, OpState.UNANSWERED)
        declared = reduce(either, (before.declared, *(op.declared for op in (*taken, *lost))))
        folded = replace(before, declared=declared, at=now if lost else before.at)
        others = [_closed(op) if op in taken or op in lost else op for op in self.operations]
        return OperationLog((folded, *(op for op in others if op.state is not OpState.UNANSWERED)))


def _with_tags_in_doubt(log: OperationLog, keys: Iterable[str]) -> tuple[Operation, ...]:
    """Return the operations with other tags in doubt."""
    tags, before = tuple(keys), log.unanswered
    if before is None and not tags:
        return log.operations
    folded = replace(before or Operation(Verb.UPDATE, OpState.UNANSWERED), tags_in_doubt=tags)
    return (folded, *(op for op in log.operations if op is not before))


def _is_certain(op: Operation) -> bool:
    """Tell whether a declaration was in force once: that of a creation is, as soon as the service took it."""
    return op.state is OpState.SUCCEEDED or (op.verb is Verb.CREATE and op.state in (OpState.ACCEPTED, OpState.FAILED))


def _is_open(op: Operation) -> bool:
    return op.state is OpState.PENDING or (op.verb is Verb.DELETE and op.state is OpState.ACCEPTED)


def _sends(op: Operation) -> tuple[Any, ...]:
    """Return what two intents that are the same one have in common."""
    return op.verb, op.declared, op.secret_versions, op.tokens


def _closed(op: Operation) -> Operation:
    """Return an operation of which nothing counts any more but that it was an attempt, and why it failed."""
    state = OpState.FAILED if _is_open(op) or op.state is OpState.ACCEPTED else op.state
    return replace(op.closed(), state=state)


def _at_rest(op: Operation) -> Operation:
    """Return an operation that came before a success; what a lost call declared stays in doubt."""
    if op.state is OpState.UNANSWERED or (op.verb, op.state) == (Verb.SYNCHRONIZE, OpState.SUCCEEDED):
        return op
    return replace(_closed(op), state=OpState.SUCCEEDED) if op.state is OpState.ACCEPTED else _closed(op)


def _is_over(op: Operation, now: float) -> bool:
    """Tell whether a success ends an operation: a refusal, and a lost call that arrives no more."""
    return op.state is OpState.REFUSED or (op.state is OpState.UNANSWERED and now > op.at + LATEST_ARRIVAL)


def _counted(op: Operation, scope: str) -> Operation:
    """Count an operation as an attempt of a scope, once more where it is one already."""
    return replace(op, scope=scope, attempts=op.attempts + 1 if op.scope == scope else 1)


def _compact(operations: Iterable[Operation]) -> OperationLog:
    """Return a log without operations that cannot matter any more, and with those folded that are too many."""
    log = OperationLog(tuple(operations))
    scope = next((op.scope for op in reversed(log.operations) if op.attempts), "")
    needed = (log.unanswered, log.creation, log.base, log.last_update, log.intent, log.synchronization, log.refusal)

    def matters(op: Operation) -> bool:
        attempt = op.attempts > 0 and op.scope == scope
        return attempt or op in log.pending or any(op is one for one in needed)

    kept = [op for op in log.operations if matters(op)]
    kept = _folded(kept, [op for op in kept if op in log.pending], _MOST_PENDING, Operation.folded_with)
    attempts = [op for op in kept if op.attempts and not any(op is one for one in needed)]
    return OperationLog(tuple(_folded(kept, attempts, _MOST_ATTEMPTS, _added)))


def _folded(
    operations: list[Operation],
    alike: list[Operation],
    most: int,
    fold: Callable[[Operation, Operation], Operation],
) -> list[Operation]:
    """Fold the two oldest of operations that are alike until there are not too many."""
    while len(alike) > most:
        first, second, *others = alike
        both = fold(first, second)
        operations = [both if op is second else op for op in operations if op is not first]
        alike = [both, *others]
    return operations


def _added(one: Operation, later: Operation) -> Operation:
    return replace(later, attempts=one.attempts + later.attempts, error=later.error or one.error)
