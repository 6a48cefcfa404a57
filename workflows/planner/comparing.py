"""Comparison of an observed resource with its declaration and its record: drift, and accepted forms of values."""

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
from workflows.kinds.observed import ObservedState, earlier
from workflows.records.resource import ResourceRecord


@dataclass(frozen=True)
class Standing:
    """The paths at which a resource differs from its declaration, and the paths at which reads show defaults."""

    differs: frozenset[Path]
    #: Members that left the document, were left out of an update, and show a default of the service since then.
    defaults: frozenset[Path] = frozenset()


def differences(kind: Kind, declared: Mapping[str, Any], observed: ObservedState, record: ResourceRecord) -> set[Path]:
    """Compare with every declaration that may be in force, so that members of an unanswered call are removed again."""
    before: list[Mapping[str, Any] | None] = [*record.possibly_in_force] or [None]
    return {path for one in before for path in differing(kind, declared, observed.body, one)}


def standing(kind: Kind, declared: Mapping[str, Any], observed: ObservedState, record: ResourceRecord) -> Standing:
    """Return the paths at which a resource differs, and the paths at which reads show defaults.

    Once the service has accepted an update with exactly this declaration, members that reads cannot show count as
    declared. A value that reads still show of a cleared member is a default of the service, unless the member is
    guarded and shows the same value as before the update, or the resource shows that no update has changed it since.
    """
    if not accepted(declared, record):
        return Standing(frozenset(differences(kind, declared, observed, record)))
    otherwise = set(differing(kind, declared, observed.body, fingerprint(declared)))
    late = differing(kind, declared, observed.body, record.lingering) if record.lingering is not None else ()
    cleared = {path for path in (*map(parse_path, _shown_before(record)), *late) if value_at(declared, path) is None}
    shown = {path for path in cleared if not is_empty(shown_at(kind, observed.body, path))}
    # A resource that was changed last before the update shows nothing that the update led to.
    unchanged = earlier(observed.updated, record.changed)
    kept = {path for path in shown if unchanged or _kept(kind, observed, record, path)}
    return Standing(frozenset(otherwise | kept), frozenset(shown - kept))


def _kept(kind: Kind, observed: ObservedState, record: ResourceRecord, path: Path) -> bool:
    """Return whether a cleared guarded member still shows its value from before the update, and no default."""
    value = shown_at(kind, observed.body, path)
    shape = service_model.shape_at(kind.response, [part for part in path if isinstance(part, str)])
    if not guarded(path, value) or value == DEFAULTS.get(str(path[-1])) or getattr(shape, "enum", None):
        return False
    before = value_at(record.lingering, path) if record.lingering is not None else None
    return _shown_before(record).get(path_text(path)) == _digest(value) or fingerprint(value) == before


def standing_at(
    kind: Kind, declared: Mapping[str, Any], observed: ObservedState, record: ResourceRecord
) -> dict[str, str]:
    """Return digests of the shown values that an update is about to change, by path."""
    found = standing(kind, declared, observed, record)
    return {path_text(path): _digest(shown_at(kind, observed.body, path)) for path in found.differs | found.defaults}


def forms(kind: Kind, declared: Mapping[str, Any], observed: ObservedState, record: ResourceRecord) -> tuple[str, ...]:
    """Return the paths at which the service shows a declared value in an accepted form (normalized)."""
    if as_last_seen(declared, observed, record) or not observed.full:
        return record.normalized
    found = in_other_forms(kind, declared, observed.body) | standing(kind, declared, observed, record).defaults
    return tuple(sorted(map(path_text, found)))


def accepted(declared: Mapping[str, Any], record: ResourceRecord) -> bool:
    """Return whether the last update that the service accepted carried exactly this declaration."""
    sent = record.last_accepted if not record.unacknowledged else None
    return sent is not None and canonical(fingerprint(declared)) == canonical(sent)


def beyond(kind: Kind, declared: Mapping[str, Any], observed: ObservedState, *, carried: bool) -> tuple[str, ...]:
    """Return the paths of members that the service shows in a form that this version does not recognize.

    Looks at the declared members, or, with `carried`, at the members that an update would have to send back unchanged.
    """
    names = (set(kind.updatable) - set(declared) if carried else set(declared)) - {"tags", *kind.delete_parameters}
    shown = {name: at(observed.body, kind.shown_as.get(name, name)) for name in names}
    return tuple(sorted(path_text((name, *path)) for name, value in shown.items() for path in unrecognized(value)))


def _shown_before(record: ResourceRecord) -> Mapping[str, str]:
    """Return digests of the values that reads showed before the last update, by path."""
    return record.log.last_update.shown_before if record.log.last_update is not None else {}


def _digest(value: Any) -> str:
    return digest([fingerprint(value)])


def as_last_seen(declared: Mapping[str, Any], observed: ObservedState, record: ResourceRecord) -> bool:
    """Return whether declaration and resource are unchanged since the last comparison found them equal."""
    applied = record.last_applied if record.last_accepted is None and not record.unacknowledged else None
    same = applied is not None and canonical(fingerprint(declared)) == canonical(applied)
    compared = record.object.compared if record.object is not None else ""
    return same and bool(observed.updated) and observed.updated == compared
