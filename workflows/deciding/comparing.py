"""What a resource shows, held against what is declared and was sent: where it differs, and which forms are accepted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra import service_model
from infra.service_model import Path
from workflows.document.compare import differing, in_other_forms, is_empty, shown_at, unrecognized, value_at
from workflows.document.fingerprint import canonical, digest, fingerprint
from workflows.document.problems import parse_path, path_text
from workflows.kinds import Kind
from workflows.kinds.forms import DEFAULTS, guarded
from workflows.kinds.kind import at
from workflows.kinds.observed import ObservedState
from workflows.records.resource import ResourceRecord


@dataclass(frozen=True)
class Standing:
    """Where a resource is not as declared, and where it shows what is declared in a form of the service's own."""

    differs: frozenset[Path]
    #: Members that left the document, were left out of an update, and show a default of the service since then.
    defaults: frozenset[Path] = frozenset()


def differences(kind: Kind, declared: Mapping[str, Any], seen: ObservedState, memory: ResourceRecord) -> set[Path]:
    """Compare with every declaration that may be in force: what an unanswered call added must not linger."""
    before: list[Mapping[str, Any] | None] = [*memory.possibly_in_force] or [None]
    return {path for one in before for path in differing(kind, declared, seen.body, one)}


def standing(kind: Kind, declared: Mapping[str, Any], seen: ObservedState, memory: ResourceRecord) -> Standing:
    """Return where a resource differs, and where it shows defaults.

    After an update of this very declaration that the service accepted, what reads cannot show is taken as declared,
    and what they show of members that were cleared is a default, unless a guarded one shows what it showed before.
    """
    if not accepted(declared, memory):
        return Standing(frozenset(differences(kind, declared, seen, memory)))
    otherwise = set(differing(kind, declared, seen.body, fingerprint(declared)))
    late = differing(kind, declared, seen.body, memory.lingering) if memory.lingering is not None else ()
    cleared = {path for path in (*map(parse_path, _shown_before(memory)), *late) if value_at(declared, path) is None}
    shown = {path for path in cleared if not is_empty(shown_at(kind, seen.body, path))}
    kept = {path for path in shown if _kept(kind, seen, memory, path)}
    return Standing(frozenset(otherwise | kept), frozenset(shown - kept))


def _kept(kind: Kind, seen: ObservedState, memory: ResourceRecord, path: Path) -> bool:
    """Tell whether a guarded member that was cleared shows what it showed before the update, and no default."""
    value = shown_at(kind, seen.body, path)
    shape = service_model.shape_at(kind.response, [part for part in path if isinstance(part, str)])
    if not guarded(path, value) or value == DEFAULTS.get(str(path[-1])) or getattr(shape, "enum", None):
        return False
    before = value_at(memory.lingering, path) if memory.lingering is not None else None
    return _shown_before(memory).get(path_text(path)) == _digest(value) or fingerprint(value) == before


def standing_at(kind: Kind, declared: Mapping[str, Any], seen: ObservedState, memory: ResourceRecord) -> dict[str, str]:
    """Return digests of what is shown where members are to change, by path."""
    found = standing(kind, declared, seen, memory)
    return {path_text(path): _digest(shown_at(kind, seen.body, path)) for path in found.differs | found.defaults}


def forms(kind: Kind, declared: Mapping[str, Any], seen: ObservedState, memory: ResourceRecord) -> tuple[str, ...]:
    """Return the paths at which the service shows what is declared in an accepted form of its own."""
    if as_last_seen(declared, seen, memory) or not seen.full:
        return memory.normalized
    found = in_other_forms(kind, declared, seen.body) | standing(kind, declared, seen, memory).defaults
    return tuple(sorted(map(path_text, found)))


def accepted(declared: Mapping[str, Any], memory: ResourceRecord) -> bool:
    """Tell whether the last update that the service accepted was of this very declaration."""
    sent = memory.last_accepted if not memory.unacknowledged else None
    return sent is not None and canonical(fingerprint(declared)) == canonical(sent)


def beyond(kind: Kind, declared: Mapping[str, Any], seen: ObservedState, *, carried: bool) -> tuple[str, ...]:
    """Return the members that are shown in a form of which this version cannot tell what it is.

    Of what is declared; with `carried` of what an update would have to send back as it was shown.
    """
    names = (set(kind.updatable) - set(declared) if carried else set(declared)) - {"tags", *kind.ending}
    shown = {name: at(seen.body, kind.shown_as.get(name, name)) for name in names}
    return tuple(sorted(path_text((name, *path)) for name, value in shown.items() for path in unrecognized(value)))


def _shown_before(memory: ResourceRecord) -> Mapping[str, str]:
    """Return digests of the values that were shown before the last update, by path."""
    return memory.log.last_update.shown_before if memory.log.last_update is not None else {}


def _digest(value: Any) -> str:
    return digest([fingerprint(value)])


def as_last_seen(declared: Mapping[str, Any], seen: ObservedState, memory: ResourceRecord) -> bool:
    """Tell whether neither the declaration nor the resource changed since both were last found to agree."""
    applied = memory.last_applied if memory.last_accepted is None and not memory.unacknowledged else None
    same = applied is not None and canonical(fingerprint(declared)) == canonical(applied)
    compared = memory.object.compared if memory.object is not None else ""
    return same and bool(seen.updated) and seen.updated == compared
