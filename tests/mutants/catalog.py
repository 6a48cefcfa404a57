"""All faults, area by area."""

from collections.abc import Iterator, Mapping

from tests.mutants import calls, doors, ledgers, planner, reconcile, records, redaction, requests
from tests.mutants.fault import Fault

#: What the faults of a file are about.
AREAS: Mapping[str, tuple[Fault, ...]] = {
    "planner": planner.FAULTS,
    "records": records.FAULTS,
    "runs": reconcile.FAULTS,
    "requests": requests.FAULTS,
    "calls": calls.FAULTS,
    "ledgers": ledgers.FAULTS,
    "redaction": redaction.FAULTS,
    "doors": doors.FAULTS,
}
FAULTS = tuple(fault for faults in AREAS.values() for fault in faults)


def chosen(names: list[str]) -> Iterator[Fault]:
    """Yield the faults of these names, or of these areas; all of them where none is named."""
    known = {**{fault.name: (fault,) for fault in FAULTS}, **AREAS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no such fault: {', '.join(unknown)}; there are {', '.join(known)}")
    yield from dict.fromkeys(fault for name in names or AREAS for fault in known[name])
