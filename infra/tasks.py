"""Concurrency helpers that raise the plain exception of a failed task instead of an exception group."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


async def gather_all(jobs: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """Run all jobs concurrently and return the results in order. The first failure cancels all jobs and is raised."""
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


async def run_with_watchdog(work: Callable[[], Awaitable[T]], guard: Callable[[], Coroutine[Any, Any, None]]) -> T:
    """Return the result of `work`. `guard` runs concurrently, can stop `work` by raising, and is canceled after it."""
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
    """Return the first exception in nested groups, preferring exceptions that end the process (no Exception)."""
    while isinstance(error, BaseExceptionGroup):
        grave = [one for one in error.exceptions if not isinstance(one, Exception)]
        error = (grave or list(error.exceptions))[0]
    return error
