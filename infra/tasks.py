"""Running things side by side without losing the plain exception that one of them raised."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import anyio

T = TypeVar("T")


async def together(jobs: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """Run all jobs and return their results in order. The first failure cancels the others and is raised as it is."""
    results: dict[int, T] = {}

    async def run(index: int, job: Callable[[], Awaitable[T]]) -> None:
        results[index] = await job()

    try:
        async with anyio.create_task_group() as group:
            for index, job in enumerate(jobs):
                group.start_soon(run, index, job)
    except BaseExceptionGroup as many:
        raise first_of(many) from None
    return [results[index] for index in sorted(results)]


def first_of(error: BaseException) -> BaseException:
    """Return the first exception inside groups, the gravest first: one that is no Exception ends the process."""
    while isinstance(error, BaseExceptionGroup):
        grave = [one for one in error.exceptions if not isinstance(one, Exception)]
        error = (grave or list(error.exceptions))[0]
    return error
