"""The table of the faults in `docs/continuity.md`: what is so where each is applied, and which test noticed it."""

from collections.abc import Mapping
from pathlib import Path

from tests.mutants.catalog import AREAS
from tests.mutants.fault import Fault

PAGE = Path(__file__).parents[2] / "docs" / "continuity.md"
_BEGIN, _END = "<!-- made by `make mutants` -->", "<!-- end -->"
_HEADS = ("area", "fault", "what is so with it", "goal", "noticed by")


def rows_of(text: str) -> dict[str, tuple[str, ...]]:
    """Return the rows of a page's table, by the fault's name."""
    table = text.partition(_BEGIN)[2].partition(_END)[0]
    cells = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in table.splitlines() if "|" in line]
    return {one[1].strip("`"): one for one in cells[2:]}


def row(area: str, fault: Fault, noticed: str) -> tuple[str, ...]:
    """Return the row of a fault. One that nothing can notice says why."""
    by = f"equivalent: {fault.equivalent}" if fault.equivalent else f"`{noticed.removeprefix('tests/')}`"
    return (area, f"`{fault.name}`", fault.says, fault.goal or "-", by)


def written(text: str, noticed: Mapping[str, str]) -> str:
    """Return a page's text with the table of all faults; `noticed` is the test that noticed each, by its name."""
    rows = [row(area, fault, noticed.get(fault.name, "")) for area, faults in AREAS.items() for fault in faults]
    lines = (_HEADS, ["---"] * len(_HEADS), *rows)
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    before, _, rest = text.partition(_BEGIN)
    return f"{before}{_BEGIN}\n\n{table}\n\n{_END}{rest.partition(_END)[2]}"
