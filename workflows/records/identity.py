"""Tells whether an observed object is the object of a record. Pure."""

from workflows.kinds.observed import ObservedState, time_text
from workflows.records.resource import ResourceRecord


def recognizes(record: ResourceRecord, observed: ObservedState) -> bool:
    """Return whether an observed object is the record's by more than a tag: by id, or perhaps just created."""
    if observed.id in record.deposed or record.pending_creation is not None:
        return True
    created = time_text(observed.body.get(observed.kind.created_member))
    known = record.object
    return known is not None and known.id == observed.id and known.created in ("", created)


def identifies(record: ResourceRecord, observed: ObservedState) -> bool:
    """Return whether an object is the recorded object for certain: where the id is a name, by time of creation."""
    known = record.object
    if known is None or known.id != observed.id:
        return False
    return observed.kind.id_member != "name" or (bool(known.created) and recognizes(record, observed))
