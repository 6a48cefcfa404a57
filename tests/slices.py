"""How many of its cases a sweep tries: a slice of them in `make test`, every one in `make soak`.

A slice is spread over all cases and is the same in every run: of so many cases in a row one is taken, here the first
and there the last, so that what repeats within a sweep never decides which of its cases are left out.
"""

import os
from collections.abc import Iterable
from random import Random
from typing import TypeVar

T = TypeVar("T")
#: Every case of every sweep is tried.
WHOLE = bool(os.environ.get("WHOLE"))


def sliced(cases: Iterable[T], every: int, *key: object) -> list[T]:
    """Return one of every so many cases, or all of them.

    Sweeps of the same form have slices of different places where their keys differ.
    """
    found, chance = list(cases), Random(str(key))
    if WHOLE:
        return found
    return [chance.choice(found[start : start + every]) for start in range(0, len(found), every)]


def several(cases: int, every: int) -> int:
    """Return how many of so many random cases are tried: as they are random, the first are as good as any."""
    return cases if WHOLE else -(-cases // every)
