"""A covering array: a few rows of choices in which every two choices of two parameters meet at least once."""

from collections.abc import Mapping, Sequence
from itertools import combinations

Row = dict[str, int]
#: Two parameters, each with the index of a choice.
Pair = tuple[tuple[str, int], tuple[str, int]]


def covering(choices: Mapping[str, Sequence[object]]) -> list[Row]:
    """Return rows, each with the index of one choice of every parameter; the first has the first of each."""
    left = every_pair(choices)
    row = dict.fromkeys(choices, 0)
    rows = []
    while True:
        rows.append(row)
        left -= pairs_of(row)
        if not left:
            return rows
        row = _next_row(choices, left)


def every_pair(choices: Mapping[str, Sequence[object]]) -> set[Pair]:
    """Return what rows must hold between them."""
    return {
        ((one, first), (other, second))
        for one, other in combinations(choices, 2)
        for first in range(len(choices[one]))
        for second in range(len(choices[other]))
    }


def pairs_of(row: Row) -> set[Pair]:
    """Return what one row holds."""
    return set(combinations(row.items(), 2))


def _next_row(choices: Mapping[str, Sequence[object]], left: set[Pair]) -> Row:
    """Begin with a pair that no row had yet, and choose for the others what meets most such pairs."""
    made: Row = dict(min(left))
    for name in choices:
        if name not in made:
            made[name] = max(range(len(choices[name])), key=lambda index: (_met(made, name, index, left), -index))
    return {name: made[name] for name in choices}


def _met(row: Row, name: str, index: int, left: set[Pair]) -> int:
    mine = (name, index)
    return sum((one, mine) in left or (mine, one) in left for one in row.items())
