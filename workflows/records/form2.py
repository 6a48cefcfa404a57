"""Upgrades items of earlier forms: reading converts an item to this form, and the next write stores the new form.

Form 2 kept 40 members of a resource side by side; this module translates them into operations of the log.
"""

from collections.abc import Mapping
from typing import Any

from infra.ledger import Item
from workflows.document.fingerprint import digest
from workflows.records.operation import LATEST_ARRIVAL
from workflows.records.request_state import Mode, key_of

#: The members of form 2.
_MEMBERS = frozenset({
    "address", "kind", "name", "parent", "parent_id", "id", "arn", "made_in", "incarnation", "pending", "applied",
    "sent", "stood", "sent_at", "unforced_since", "sent_for", "sent_times", "forms", "lingering", "lingers_until",
    "former_ids", "waits_on", "secret_versions", "secrets", "attempts", "attempts_for", "last_reason", "stale_tags",
    "refused_since", "refused_to", "synchronized_for", "synchronizations", "created", "created_at", "adopted",
    "ever_ready", "ready_in", "changed", "seen_updated", "outputs", "retain", "delete_endpoints", "ending", "schema",
})  # fmt: skip


def upgraded(item: Item) -> Item:
    """Return the item of a resource in this form."""
    declarations: dict[str, Any] = {}

    def named(declared: Mapping[str, Any] | None) -> str | None:
        if declared is None:
            return None
        declarations[digest(declared)] = declared
        return digest(declared)

    operations = [
        {name: value for name, value in {**op, "declared": named(op.get("declared"))}.items() if value is not None}
        for op in _operations(item)
    ]
    return {
        **{name: value for name, value in item.items() if name not in _MEMBERS},
        "address": item["address"], "kind": item["kind"], "name": item["name"], "parent": item.get("parent"),
        "object": _object(item), "deposed": item.get("former_ids", ()),
        "incarnation": item.get("incarnation", 0), "imported": item.get("adopted", False),
        "first_ready_generation": item.get("ready_in", 0) if item.get("ever_ready") else None,
        "depends_on": item.get("waits_on", ()), "secrets": item.get("secrets", ()),
        "on_removal": {
            "retain": item.get("retain", False), "delete_endpoints": item.get("delete_endpoints", False),
            "parameters": item.get("ending", {}),
        },
        "operations": operations, "declarations": declarations,
    }  # fmt: skip


def _object(item: Item) -> Item | None:
    if item.get("id") is None:
        return None
    return {
        "id": item["id"], "arn": item.get("arn"), "parent_id": item.get("parent_id"),
        "created": item.get("created", ""), "compared": item.get("seen_updated", ""),
        "outputs": item.get("outputs", {}),
    }  # fmt: skip


def _operations(item: Item) -> list[Item]:
    """Return the operations that the members describe, oldest first."""
    known = [*_unanswered(item), *_base(item), *_attempts(item), *_update(item)]
    # An empty time of the last change means that a synchronization followed that change.
    synchronized = _synchronization(item)
    known = [*synchronized, *known] if item.get("changed") else [*known, *synchronized]
    return [*known, *_refusal(item), *_pending(item)]


def _unanswered(item: Item) -> list[Item]:
    lingering, tags = item.get("lingering"), item.get("stale_tags") or ()
    if lingering is None and not tags:
        return []
    until = float(item.get("lingers_until") or 0.0)
    at = until - LATEST_ARRIVAL if until else 0.0
    return [{"verb": "UPDATE", "state": "UNANSWERED", "at": at, "declared": lingering, "tags_in_doubt": list(tags)}]


def _base(item: Item) -> list[Item]:
    applied, made = item.get("applied"), item.get("made_in") or item.get("created_at")
    if applied is None and not made:
        return []
    settled = {"verb": "CREATE" if made else "IMPORT", "state": "SUCCEEDED", "declared": applied}
    settled |= {"secret_versions": item.get("secret_versions") or {}, "normalized": list(item.get("forms") or ())}
    settled |= {"updated": item.get("changed") or "", "generation": item.get("made_in") or 0}
    if made:
        settled |= {"object_id": item.get("id"), "accepted_at": item.get("created_at") or 0.0}
    return [settled]


def _attempts(item: Item) -> list[Item]:
    if not item.get("attempts") and not item.get("last_reason"):
        return []
    counted = {"attempts": item.get("attempts") or 0, "scope": item.get("attempts_for") or ""}
    return [{"verb": "UPDATE", "state": "FAILED", "error": item.get("last_reason") or "", **counted}]


def _update(item: Item) -> list[Item]:
    if item.get("sent") is None:
        return []
    in_force = {"shown_before": item.get("stood") or {}, "repeats": item.get("sent_times") or 0}
    in_force |= {"secret_versions": item.get("secret_versions") or {}}
    return [{
        "verb": "UPDATE", "state": "ACCEPTED" if item.get("sent_for") else "FAILED", "declared": item["sent"],
        "scope": item.get("sent_for") or "", "accepted_at": item.get("sent_at") or 0.0,
        "unapplied_since": item.get("unforced_since") or 0.0, "updated": item.get("changed") or "", **in_force,
    }]  # fmt: skip


def _synchronization(item: Item) -> list[Item]:
    if not item.get("synchronizations"):
        return []
    scope, times = item.get("synchronized_for") or "", item["synchronizations"]
    return [{"verb": "SYNCHRONIZE", "state": "SUCCEEDED", "scope": scope, "repeats": times}]


def _refusal(item: Item) -> list[Item]:
    if not item.get("refused_since"):
        return []
    scope, _, error_class = str(item.get("refused_to") or "").rpartition(": ")
    refused = {"at": item["refused_since"], "scope": scope, "error_class": error_class}
    return [{"verb": "UPDATE", "state": "REFUSED", **refused}]


def _pending(item: Item) -> list[Item]:
    """Return the unanswered calls: the mark tells the last verb, and the doubts hold the declaration of each call."""
    mark = item.get("pending")
    if mark is None:
        return []
    action, doubts = str(mark["action"]), list(mark.get("doubtful") or ())
    at = float(mark.get("at") or 0.0)
    begun = {"digest": mark.get("digest") or "", "generation": mark.get("generation") or 0}
    operations = [_doubt(one, action, at) for one in doubts]
    if action not in ("CREATE", "UPDATE", "TAG"):
        return [*operations, {"verb": action, "state": "PENDING", "at": at}]
    if not operations:
        tokens = [mark["token"]] if mark.get("token") else []
        operations = [{"verb": action, "state": "PENDING", "at": at, "tokens": tokens}]
    return [*operations[:-1], {**operations[-1], "verb": action, **(begun if action == "CREATE" else {})}]


def _doubt(doubt: Item, action: str, at: float) -> Item:
    token = doubt.get("token")
    return {
        "verb": "CREATE" if token or action == "CREATE" else "UPDATE", "state": "PENDING", "at": at,
        "declared": doubt.get("declared"), "secret_versions": doubt.get("versions") or {},
        "tokens": [token] if token else [],
    }  # fmt: skip


#: The members of a stack's item in form 2.
_STACK_MEMBERS = frozenset({
    "schema", "version", "leaseId", "lease", "generation", "recent", "requestId", "submitter", "mode", "digest",
    "allow", "outcome", "document", "acceptedAt", "announced", "readyDocument", "readyGeneration", "rollback",
    "synchronization", "synchronized", "synchronizations", "synchronizers", "consentWaits", "standing",
    "synchronizations:consentWaits", "synchronizations:standing",
})  # fmt: skip


#: The members that form 3 has under the same names.
_SHARED = frozenset({"schema", "version", "leaseId", "generation", "mode", "digest", "outcome", "document", "rollback"})


def upgraded_stack(item: Item) -> Item:
    """Return the item of a stack in this form."""
    ready, document = item.get("readyGeneration"), item.get("readyDocument")
    return {
        **{name: value for name, value in item.items() if name not in _STACK_MEMBERS},
        "id": "", "version": item.get("version", 0), "leaseId": item.get("leaseId"),
        "generation": item.get("generation", 0), "request_id": item.get("requestId") or "",
        "mode": item.get("mode") or "PROVISION", "digest": item.get("digest") or "",
        "document": item.get("document"), "outcome": item.get("outcome"),
        "ready": {"document": document, "generation": ready or 0} if document is not None else None,
        "rollback": _rollback(item), "requests": _requests(item),
        "older_lease_until": float((item.get("lease") or {}).get("until", 0.0)),
    }  # fmt: skip


def _rollback(item: Item) -> Item | None:
    begun = item.get("rollback")
    if not begun:
        return None
    return {
        "generation": begun.get("generation"), "request_id": begun.get("requestId") or item.get("requestId") or "",
        "failures": begun.get("failures", []), "removed": begun.get("removed", []), "recreated": begun.get("anew", []),
    }  # fmt: skip


def _requests(item: Item) -> dict[str, Item]:
    """Return the state of each request: form 2 kept the parts of that state in nine members."""
    current = item.get("requestId") or ""
    found: dict[str, Item] = {
        one: {"mode": "PROVISION", "generation": generation} for one, generation in (item.get("recent") or {}).items()
    }
    if current:
        found[current] = {**found.get(current, {"generation": item.get("generation")}), **_current(item)}
    return {**found, **_synchronizations(item)}


def _synchronizations(item: Item) -> dict[str, Item]:
    """Return the states of requests that raised no generation, by their keys."""
    senders, last = item.get("synchronizers") or {}, item.get("synchronization") or {}
    ended = item.get("synchronized") or {}
    known = [*(item.get("synchronizations") or ()), *ended, *([last["requestId"]] if last else [])]
    return {
        key_of(one, Mode.SYNCHRONIZE): {
            "mode": "SYNCHRONIZE",
            "submitter": senders.get(one),
            "status": ended.get(one) or "",
            "outcome": last["outcome"] if last.get("requestId") == one else None,
            **_waiting(item, one),
        }
        for one in dict.fromkeys(known)
    }


def folded(item: Item) -> Item:
    """Return a stack's item of this form with members of form 2 folded in.

    A worker of the earlier version that held the stack during an upgrade writes its last members over an item of this
    form.
    """
    rollback = item.get("rollback") or {}
    older_rollback = bool(rollback) and "request_id" not in rollback
    if not older_rollback and not _STACK_MEMBERS & (set(item) - _SHARED):
        return item
    kept = {name: value for name, value in item.items() if name in _SHARED or name not in _STACK_MEMBERS}
    requests = dict(item.get("requests") or {})
    current = item.get("request_id") or ""
    if current in requests:
        told = {"consentWaits": "consent", "standing": "stall"}
        state = _current({**item, "requestId": current})
        requests[current] = {**requests[current], **{told[name]: state[told[name]] for name in told if name in item}}
    for key, state in _synchronizations(item).items():
        requests[key] = {**requests.get(key, {}), **{name: value for name, value in state.items() if value}}
    if "readyDocument" in item:
        document = item["readyDocument"]
        ready = {"document": document, "generation": item.get("readyGeneration") or 0}
        kept["ready"] = ready if document is not None else None
    if older_rollback:
        kept["rollback"] = _rollback({**item, "requestId": current})
    return {**kept, "requests": requests}


def _waiting(item: Item, request_id: str) -> Item:
    """Return the stall timer and the consent wait of a synchronization; empty where the request does not wait."""
    waits = (item.get("synchronizations:consentWaits") or {}).get(request_id)
    still = (item.get("synchronizations:standing") or {}).get(request_id)
    return {"consent": _consent(waits), "stall": _stall(still)} if waits or still else {}


def _current(item: Item) -> Item:
    """Return the members of the request in force, which form 2 kept as members of the stack."""
    waits, still = item.get("consentWaits"), item.get("standing")
    generation = str((waits or {}).get("generation", "")).removesuffix(" rollback")
    request_id = str((still or {}).get("requestId", "")).removesuffix(" rollback")
    submitter = item.get("submitter")
    return {
        "mode": item.get("mode") or "PROVISION",
        "submitter": submitter,
        "allow": item.get("allow") or [],
        "accepted_at": item.get("acceptedAt") or 0.0,
        "announced": item.get("announced") == item.get("requestId"),
        "consent": _consent(waits) if generation == str(item.get("generation")) else None,
        "stall": _stall(still) if request_id == item.get("requestId") else None,
    }


def _consent(waits: Item | None) -> Item | None:
    if not waits or not isinstance(waits.get("since"), Mapping):
        return None  # an older form without times
    rollback = str(waits.get("generation", "")).endswith(" rollback")
    return {"since": dict(waits["since"]), "published": waits.get("told", {}), "rollback": rollback}


def _stall(still: Item | None) -> Item | None:
    if not still:
        return None
    rollback = str(still.get("requestId", "")).endswith(" rollback")
    return {"since": float(still["since"]), "state": str(still.get("where", "")), "rollback": rollback}
