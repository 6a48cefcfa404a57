"""All mutants, area by area."""

from collections.abc import Iterator, Mapping

from tests.mutants import calls, doors, ledgers, planner, reconcile, records, redaction, requests
from tests.mutants.mutant import Mutant

#: What the mutants of a file are about.
AREAS: Mapping[str, tuple[Mutant, ...]] = {
    "planner": planner.MUTANTS,
    "records": records.MUTANTS,
    "runs": reconcile.MUTANTS,
    "requests": requests.MUTANTS,
    "calls": calls.MUTANTS,
    "ledgers": ledgers.MUTANTS,
    "redaction": redaction.MUTANTS,
    "doors": doors.MUTANTS,
}
MUTANTS = tuple(mutant for mutants in AREAS.values() for mutant in mutants)


def chosen(names: list[str]) -> Iterator[Mutant]:
    """Yield the mutants of these names, or of these areas; all of them where none is named."""
    known = {**{mutant.name: (mutant,) for mutant in MUTANTS}, **AREAS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no such mutant: {', '.join(unknown)}; there are {', '.join(known)}")
    yield from dict.fromkeys(mutant for name in names or AREAS for mutant in known[name])
