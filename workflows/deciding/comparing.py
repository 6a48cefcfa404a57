"""What a resource shows, held against what is declared and was sent: where it differs, and which forms are accepted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra import service_model
from infra.service_model import Path
from workflows.deciding.memory import Memory
from workflows.deciding.state import Seen
from workflows.document.compare import differing, in_other_forms, is_empty, shown_at, unrecognized, value_at
from workflows.document.fingerprint import canonical, digest, fingerprint
from workflows.document.problems import parse_path, path_text
from workflows.kinds import Kind
from workflows.kinds.forms import DEFAULTS, guarded
from workflows.kinds.kind import at


@dataclass(frozen=True)
class Standing:
    """Where a resource is not as declared, and where it shows what is declared in a form of the service's own."""

    differs: frozenset[Path]
    #: Members that left the document, were left out of an update, and show a default of the service since then.
    defaults: frozenset[Path] = frozenset()


def differences(kind: Kind, declared: Mapping[str, Any], seen: Seen, memory: Memory) -> set[Path]:
    """Compare with every declaration that may be in force: what an unanswered call added must not linger."""
    before: list[Mapping[str, Any] | None] = [*memory.may_be_in_force] or [None]
    return {path for one in before for path in differing(kind, declared, seen.body, one)}


def standing(kind: Kind, declared: Mapping[str, Any], seen: Seen, memory: Memory) -> Standing:
    """Return where a resource differs, and where it shows defaults.

    After an update of this very declaration that the service accepted, what reads cannot show is taken as declared,
    and what they show of members that were cleared is a default, unless a guarded one shows what it showed before.
    """
    if not accepted(declared, memory):
        return Standing(frozenset(differences(kind, declared, seen, memory)))
    otherwise = set(differing(kind, declared, seen.body, fingerprint(declared)))
    late = differing(kind, declared, seen.body, memory.lingering) if memory.lingering is not None else ()
    cleared = {path for path in (*map(parse_path, memory.stood), *late) if value_at(declared, path) is None}
    shown = {path for path in cleared if not is_empty(shown_at(kind, seen.body, path))}
    kept = {path for path in shown if _kept(kind, seen, memory, path)}
    return Standing(frozenset(otherwise | kept), frozenset(shown - kept))


def _kept(kind: Kind, seen: Seen, memory: Memory, path: Path) -> bool:
    """Tell whether a guarded member that was cleared shows what it showed before the update, and no default."""
    value = shown_at(kind, seen.body, path)
    shape = service_model.shape_at(kind.response, [part for part in path if isinstance(part, str)])
    if not guarded(path, value) or value == DEFAULTS.get(str(path[-1])) or getattr(shape, "enum", None):
        return False
    before = value_at(memory.lingering, path) if memory.lingering is not None else None
    return memory.stood.get(path_text(path)) == _digest(value) or fingerprint(value) == before


def standing_at(kind: Kind, declared: Mapping[str, Any], seen: Seen, memory: Memory) -> dict[str, str]:
    """Return digests of what is shown where members are to change, by path."""
    found = standing(kind, declared, seen, memory)
    return {path_text(path): _digest(shown_at(kind, seen.body, path)) for path in found.differs | found.defaults}


def forms(kind: Kind, declared: Mapping[str, Any], seen: Seen, memory: Memory) -> tuple[str, ...]:
    """Return the paths at which the service shows what is declared in an accepted form of its own."""
    if as_last_seen(declared, seen, memory) or not seen.full:
        return memory.forms
    found = in_other_forms(kind, declared, seen.body) | standing(kind, declared, seen, memory).defaults
    return tuple(sorted(map(path_text, found)))


def accepted(declared: Mapping[str, Any], memory: Memory) -> bool:
    """Tell whether the last update that the service accepted was of this very declaration."""
    sent = memory.sent if not memory.doubtful else None
    return sent is not None and canonical(fingerprint(declared)) == canonical(sent)


def beyond(kind: Kind, declared: Mapping[str, Any], seen: Seen, *, carried: bool) -> tuple[str, ...]:
    """Return the members that are shown in a form of which this version cannot tell what it is.

    Of what is declared; with `carried` of what an update would have to send back as it was shown.
    """
    names = (set(kind.updatable) - set(declared) if carried else set(declared)) - {"tags", *kind.ending}
    shown = {name: at(seen.body, kind.shown_as.get(name, name)) for name in names}
    return tuple(sorted(path_text((name, *path)) for name, value in shown.items() for path in unrecognized(value)))


def _digest(value: Any) -> str:
    return digest([fingerprint(value)])


def as_last_seen(declared: Mapping[str, Any], seen: Seen, memory: Memory) -> bool:
    """Tell whether neither the declaration nor the resource changed since both were last found to agree."""
    applied = memory.applied if memory.sent is None and not memory.doubtful else None
    same = applied is not None and canonical(fingerprint(declared)) == canonical(applied)
    return same and bool(seen.updated) and seen.updated == memory.seen_updated
