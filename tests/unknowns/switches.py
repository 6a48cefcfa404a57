"""Every unknown of the service, and the positions of its switch beside the one that the sandbox takes by itself."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

from infra.sandbox import behaviour

#: By switch: its other positions. Where one switch says nothing without another, both are set.
OTHERS: dict[str, list[dict[str, Any]]] = {
    "busy": [{"busy": "ConflictException"}],
    "too_many_operations": [{"too_many_operations": "ThrottlingException"}],
    "pending": [{"pending": "ValidationException"}],
    "consent_expires": [{"consent_expires": True}],
    "pending_takes_updates": [{"pending_takes_updates": False}],
    "pending_takes_deletions": [{"pending_takes_deletions": True}],
    "denial_fails": [{"denial_fails": False}],
    "consent_hops": [{"consent_hops": False}],
    "token_seconds": [{"token_seconds": 0.0}, {"token_seconds": 20.0}],
    "tokens_outlive": [{"tokens_outlive": True}],
    "repeat_answers_first": [{"repeat_answers_first": True}],
    "other_parameters": [{"other_parameters": "ConflictException"}],
    "updates_failed": [{"updates_failed": True}],
    "updates_unsuccessful": [{"updates_unsuccessful": False}],
    "put_clears": [{"put_clears": False}],
    "shows_implicit_sync": [{"shows_implicit_sync": True}],
    "fills_defaults": [{"fills_defaults": False}],
    "failed_update_keeps_old": [{"failed_update_keeps_old": False}],
    "lists_whole_seconds": [{"lists_whole_seconds": True}],
    "registries_open": [{"registries_open": False}],
    "registries_closed": [
        {"registries_open": False, "registries_closed": code}
        for code in ("ValidationException", "AccessDeniedException")
    ],
    "used_provider_deletable": [{"used_provider_deletable": False}],
    # Observed somewhere and unknown elsewhere, so switches too.
    "duplicate": [{"duplicate": "ValidationException"}],
    "duplicate_provider": [{"duplicate_provider": "ConflictException"}],
    "looks_up_providers": [{"looks_up_providers": True}],
    "openapi_consents": [{"openapi_consents": False}],
    "hides_overrides": [{"hides_overrides": True}],
    "adds_policy_header": [{"adds_policy_header": False}],
    "gone_runtime_is_denied": [{"gone_runtime_is_denied": True}],
}
#: The ten open questions in the notes on the service, and the switches that stand for them.
QUESTIONS: dict[str, tuple[str, ...]] = {
    "the code for operations on resources in transition": ("busy",),
    "the code above five concurrent target operations": ("too_many_operations",),
    "what follows consent that expired, and the hop after consent": (
        "consent_expires",
        "consent_hops",
        "denial_fails",
        "pending_takes_updates",
        "pending_takes_deletions",
    ),
    "repeated tokens": ("repeat_answers_first", "token_seconds", "tokens_outlive", "other_parameters"),
    "deletion of a provider that is referred to": ("used_provider_deletable",),
    "updates of what failed": ("updates_failed", "updates_unsuccessful"),
    "whether leaving a member out clears it": ("put_clears",),
    "whether an implicit synchronization shows": ("shows_implicit_sync",),
    "the old registries after they were switched off": ("registries_open", "registries_closed"),
    "overrides of private endpoints in reads": ("hides_overrides",),
}


def declared_unknown() -> set[str]:
    """Return the members of Behaviour whose comment says that nobody knows."""
    return set(_commented(inspect.getsource(behaviour.Behaviour)))


def _commented(source: str) -> Iterator[str]:
    """Yield the members after a comment that says unknown: all until the next comment or the end of the block."""
    unknown = False
    for line in source.splitlines():
        text = line.strip()
        if text.startswith("#:"):
            unknown = "nknown" in text
        found = re.match(r"(\w+): ", text)
        if unknown and found:
            yield found[1]


POSITIONS = [position for positions in OTHERS.values() for position in positions]


def named(position: Any) -> str:
    """Return the name of a position, or of what else is tried with it."""
    return position if isinstance(position, str) else ", ".join(f"{name}={value}" for name, value in position.items())


IDS = [named(position) for position in POSITIONS]
