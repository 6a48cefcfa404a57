"""The table of the mutants in `docs/continuity.md`: what is so with each, and which test killed it."""

from collections.abc import Mapping
from pathlib import Path

from tests.mutants.catalog import AREAS
from tests.mutants.mutant import Mutant

PAGE = Path(__file__).parents[2] / "docs" / "continuity.md"
_BEGIN, _END = "<!-- made by `make mutants` -->", "<!-- end -->"
#: Of a mutant that no test killed when it was tried last, or that was not tried yet.
SURVIVED = "survived"
_HEADS = ("area", "mutant", "what is so with it", "goal", "killed by")


def rows_of(text: str) -> dict[str, tuple[str, ...]]:
    """Return the rows of a page's table, by the mutant's name."""
    table = text.partition(_BEGIN)[2].partition(_END)[0]
    cells = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in table.splitlines() if "|" in line]
    return {one[1].strip("`"): one for one in cells[2:]}


def row(area: str, mutant: Mutant, killed_by: str) -> tuple[str, ...]:
    """Return the row of a mutant. An equivalent one says why; one that no test killed is said to have survived."""
    by = f"`{killed_by.removeprefix('tests/')}`" if killed_by else SURVIVED
    if mutant.equivalent:
        by = f"equivalent: {mutant.equivalent}"
    return (area, f"`{mutant.name}`", mutant.says, mutant.goal or "-", by)


def written(text: str, results: Mapping[str, str]) -> str:
    """Return a page's text with the table of all mutants.

    `results` are the tests that killed those which were tried, by their names; the others keep what the page says.
    """
    before = {name: one[-1].strip("`") for name, one in rows_of(text).items() if one[-1] != SURVIVED}
    killed = {**{name: f"tests/{test}" for name, test in before.items()}, **results}
    rows = [row(area, mutant, killed.get(mutant.name, "")) for area, mutants in AREAS.items() for mutant in mutants]
    lines = (_HEADS, ["---"] * len(_HEADS), *rows)
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    head, _, rest = text.partition(_BEGIN)
    return f"{head}{_BEGIN}\n\n{table}\n\n{_END}{rest.partition(_END)[2]}"
