"""What a resource shows, held against what is declared and was sent: where it differs, what is its own form."""

from collections.abc import Mapping
from typing import Any

from infra.service_model import Path
from workflows.deciding.memory import Memory
from workflows.deciding.state import Seen, earlier
from workflows.document.compare import differing, shown_at, value_at
from workflows.document.fingerprint import canonical, digest, fingerprint
from workflows.document.problems import path_text
from workflows.kinds import Kind


def differences(kind: Kind, declared: Mapping[str, Any], seen: Seen, memory: Memory) -> set[Path]:
    """Compare with every declaration that may be in force: what an unanswered call added must not linger."""
    before: list[Mapping[str, Any] | None] = [*memory.may_be_in_force] or [None]
    return {path for one in before for path in differing(kind, declared, seen.body, one)}


def standing_at(kind: Kind, declared: Mapping[str, Any], seen: Seen, memory: Memory) -> dict[str, str]:
    """Return digests of what is shown where members are to change, by path."""
    return {path_text(one): _shown(kind, seen, one) for one in differences(kind, declared, seen, memory)}


def shown_otherwise(kind: Kind, declared: Mapping[str, Any], seen: Seen, memory: Memory) -> tuple[str, ...]:
    """Return the declared paths at which the service shows a form of its own, also after an update."""
    found = differences(kind, declared, seen, memory) if memory.stood and seen.full else set()
    kept = (one for one in found if value_at(declared, one) is not None)
    return tuple(sorted(path_text(one) for one in kept if stayed(kind, declared, seen, memory, one)))


def stayed(kind: Kind, declared: Mapping[str, Any], seen: Seen, memory: Memory, path: Path) -> bool:
    """Tell whether the service took an update that was to change a member, and shows there what it showed before.

    That is its own form then. A further update would change nothing, and may ask people to consent again.
    """
    taken = memory.sent is not None and canonical(fingerprint(declared)) == canonical(memory.sent)
    if not taken or earlier(seen.updated, memory.changed):
        return False
    if value_at(declared, path) is not None and path_text(path) not in memory.held:
        return False  # somebody may have put it back: it is sent once more
    return memory.stood.get(path_text(path)) == _shown(kind, seen, path)


def _shown(kind: Kind, seen: Seen, path: Path) -> str:
    return digest([fingerprint(shown_at(kind, seen.body, path))])


def as_last_seen(declared: Mapping[str, Any], seen: Seen, memory: Memory) -> bool:
    """Tell whether neither the declaration nor the resource changed since both were last found to agree."""
    applied = memory.applied if memory.sent is None and not memory.doubtful else None
    same = applied is not None and canonical(fingerprint(declared)) == canonical(applied)
    return same and bool(seen.updated) and seen.updated == memory.seen_updated
