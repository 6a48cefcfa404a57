"""The table of the mutants in `docs/continuity.md`: what is so with each, and which test killed it."""

from collections.abc import Mapping
from pathlib import Path

from tests.mutants.catalog import AREAS
from tests.mutants.mutant import Mutant

PAGE = Path(__file__).parents[2] / "docs" / "continuity.md"
_BEGIN, _END = "<!-- made by `make mutants` -->", "<!-- end -->"
_HEADS = ("area", "mutant", "what is so with it", "goal", "killed by")


def rows_of(text: str) -> dict[str, tuple[str, ...]]:
    """Return the rows of a page's table, by the mutant's name."""
    table = text.partition(_BEGIN)[2].partition(_END)[0]
    cells = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in table.splitlines() if "|" in line]
    return {one[1].strip("`"): one for one in cells[2:]}


def row(area: str, mutant: Mutant, killed: str) -> tuple[str, ...]:
    """Return the row of a mutant. An equivalent one says why."""
    by = f"equivalent: {mutant.equivalent}" if mutant.equivalent else f"`{killed.removeprefix('tests/')}`"
    return (area, f"`{mutant.name}`", mutant.says, mutant.goal or "-", by)


def written(text: str, killed: Mapping[str, str]) -> str:
    """Return a page's text with the table of all mutants; `killed` is the test that killed each, by its name."""
    rows = [row(area, mutant, killed.get(mutant.name, "")) for area, mutants in AREAS.items() for mutant in mutants]
    lines = (_HEADS, ["---"] * len(_HEADS), *rows)
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    before, _, rest = text.partition(_BEGIN)
    return f"{before}{_BEGIN}\n\n{table}\n\n{_END}{rest.partition(_END)[2]}"
