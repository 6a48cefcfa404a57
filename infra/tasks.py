"""Running things side by side without losing the plain exception that one of them raised."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

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


async def guarded(work: Callable[[], Awaitable[T]], guard: Callable[[], Coroutine[Any, Any, None]]) -> T:
    """Return what `work` returns. `guard` runs beside it and may stop it by raising; it ends with it."""
    results: list[T] = []
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(guard)
            results.append(await work())
            group.cancel_scope.cancel()
    except BaseExceptionGroup as many:
        raise first_of(many) from None
    return results[0]


def first_of(error: BaseException) -> BaseException:
    """Return the first exception inside groups, the gravest first: one that is no Exception ends the process."""
    while isinstance(error, BaseExceptionGroup):
        grave = [one for one in error.exceptions if not isinstance(one, Exception)]
        error = (grave or list(error.exceptions))[0]
    return error
