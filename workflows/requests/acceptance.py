"""Accepting a request: one conditional write decides which document is in force; how it ended is left beside it.

Newer generations win; a missing one is the last plus one; a request that was seen before keeps its generation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.ledger import ConditionFailed, Item, Ledger, Put
from workflows.deciding.decision import Mode
from workflows.deciding.outcome import FINAL, Outcome, Status
from workflows.records.items import SCHEMA, readable, stack_key
from workflows.requests.answers import kept
from workflows.requests.authority import Submitter
from workflows.requests.request import Request

#: How many requests of a stack are remembered, so that one delivered late keeps the generation that it had.
_REMEMBERED = 100


@dataclass(frozen=True)
class Accepted:
    """The request is in force; `item` is the stack's item as it stands now."""

    generation: int
    document: Mapping[str, Any] | None
    item: Item
    #: Whether this delivery is the first that was accepted of this request.
    new: bool = False


@dataclass(frozen=True)
class Refused:
    """The request is not run: it is older than what is in force, contradicts it, or was finished before."""

    status: Status
    reason: str
    generation: int | None = None
    outcome: Mapping[str, Any] | None = None


def judge(item: Item | None, request: Request, digest: str) -> Item | Refused:
    """Return the stack's item with the request accepted, or why it is not. Pure."""
    old: Item = readable(item) if item else {"generation": 0, "recent": {}}
    current = int(old["generation"])
    known = old["recent"].get(request.request_id)
    generation = request.generation or known or current + 1
    if generation < current:
        return Refused(Status.SUPERSEDED, f"generation {current} is in force", generation)
    # The document of an accepted request is in the ledger; a message delivered again need not repeat it.
    again = generation == current and old.get("requestId") == request.request_id
    fixed = again and bool(request.uri)  # what stands at a URI may be replaced between two deliveries
    changed = (old.get("digest") != digest and not fixed) or old.get("mode") != request.mode
    if generation == current and changed:
        return Refused(Status.REJECTED, f"generation {generation} was accepted with another document", generation)
    outcome = old.get("outcome")
    if generation == current and finished(old, request.request_id):
        return answered(old["outcome"], generation)
    # What asks for what is in force anyway, as a schedule does, is noted elsewhere and must not push others out.
    noted = request.request_id in old.get("synchronizations", ())
    recent = old["recent"] if noted else {**old["recent"], request.request_id: generation}
    accepted = {
        **old,
        "schema": SCHEMA,
        "generation": generation,
        "recent": dict(list(recent.items())[-_REMEMBERED:]),
        "requestId": request.request_id,
        "submitter": request.submitter.shown() if request.submitter else None,
        "mode": str(request.mode),
        "digest": old["digest"] if fixed else digest,
        "allow": sorted(request.allow),
        "outcome": outcome if again else None,
    }
    if request.document is not None and not fixed:
        accepted["document"] = request.document
    if request.mode is Mode.REMOVE:
        if (outcome or {}).get("status") == Status.ROLLED_BACK and request.document is None:
            # What was rolled back is not in force, nor what it says of how things go.
            accepted["document"] = old.get("readyDocument")
        # What was removed on purpose is nothing to go back to.
        accepted |= {"readyDocument": None, "readyGeneration": None}
    return accepted


def answered(outcome: Mapping[str, Any], generation: int | None = None) -> Refused:
    """Return the answer to a request that was finished before: how it ended, and why if that was said."""
    why = outcome.get("reason") or "this request was finished before"
    return Refused(Status(outcome["status"]), why, generation, outcome)


async def accept(ledger: Ledger, partition: str, request: Request, digest: str, now: float = 0.0) -> Accepted | Refused:
    """Write the acceptance, again from the start when another writer came first. `now` is seconds since the epoch."""
    key = stack_key(partition)
    while True:
        item = await ledger.get(key)
        judged = judge(item, request, digest)
        if isinstance(judged, Refused):
            return judged
        new = item is None or not knows(item, request.request_id)
        judged["version"] = int((item or {}).get("version", 0)) + 1
        judged["acceptedAt"] = now if new else judged.get("acceptedAt", now)
        try:
            await ledger.write(Put(key, judged, when={"version": (item or {}).get("version")}))
        except ConditionFailed:
            continue
        return Accepted(judged["generation"], judged.get("document"), judged, new)


def finished(item: Item, request_id: str) -> bool:
    """Tell whether the last outcome is this request's, and final: another one may ask for the same generation."""
    outcome = item.get("outcome") or {}
    return outcome.get("requestId") == request_id and outcome.get("status") in FINAL


def leave_of(item: Mapping[str, Any], request_id: str) -> frozenset[str]:
    """Return what a request allows to be removed or made anew, as far as it is in force: no other one may use that."""
    return frozenset(item.get("allow") or ()) if item.get("requestId") == request_id else frozenset()


def left_in_item(outcome: Outcome, request: Request, item: Item) -> dict[str, Any]:
    """Return what a run leaves in the stack's item: its outcome, and what there is to go back to."""
    if request.mode is Mode.SYNCHRONIZE:
        if outcome.status is Status.IN_PROGRESS:
            return {}
        done = dict(item.get("synchronized", {}))
        if outcome.status in FINAL:
            done[request.request_id] = str(outcome.status)
        return {
            "synchronization": {"requestId": request.request_id, "outcome": kept(outcome)},
            "synchronized": dict(list(done.items())[-_REMEMBERED:]),
        }
    left: dict[str, Any] = {"outcome": kept(outcome)}
    if outcome.status is Status.READY:
        # What was accepted is what was worked on; what stands at a URI may be another one by now.
        left |= {"readyDocument": item.get("document"), "readyGeneration": outcome.generation, "rollback": None}
    if outcome.status is Status.ROLLED_BACK:
        left |= {"rollback": None}
    if outcome.status is Status.DELETED:
        left |= {"readyDocument": None, "readyGeneration": None}
    return left


def knows(item: Item, request_id: str) -> bool:
    """Tell whether a request was accepted for a stack, whatever it asked for."""
    return request_id in item["recent"] or request_id in item.get("synchronizations", ())


async def note_request(ledger: Ledger, partition: str, request_id: str, submitter: Submitter | None = None) -> None:
    """Note a request that raises no generation, and who sent it, so that it can be gone on with by its name."""
    key = stack_key(partition)
    while True:
        item = await ledger.get(key)
        if item is None or knows(item, request_id):
            return
        noted = [*item.get("synchronizations", ()), request_id][-_REMEMBERED:]
        senders = {one: who for one, who in (item.get("synchronizers") or {}).items() if one in noted}
        if submitter is not None:
            senders[request_id] = submitter.shown()
        changed = {**item, "synchronizations": noted, "synchronizers": senders, "version": int(item["version"]) + 1}
        try:
            await ledger.write(Put(key, changed, when={"version": item["version"]}))
        except ConditionFailed:
            continue
        return


def synchronization_of(item: Item | None) -> Accepted | None:
    """Return what a synchronization works on: the document in force. It raises no generation. None: no stack."""
    if item is None or item.get("mode") == Mode.REMOVE:
        return None
    rolled_back = (item.get("outcome") or {}).get("status") == Status.ROLLED_BACK
    document = item.get("readyDocument" if rolled_back else "document")
    return Accepted(int(item["generation"]), document, item) if document is not None else None
