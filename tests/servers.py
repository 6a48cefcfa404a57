"""A sandbox server on a thread of its own, for tests that speak to it over sockets."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from infra.sandbox.behaviour import Behaviour, Durations
from infra.sandbox.server import SandboxServer


class Served(SandboxServer):
    """A server that knows where it is served."""

    url: str


@contextmanager
def serving(durations: Durations) -> Iterator[Served]:
    """Yield the server, which knows its `url`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    made = Served(Behaviour(durations=durations))
    made.url = asyncio.run_coroutine_threadsafe(made.start(), loop).result(10)
    yield made
    asyncio.run_coroutine_threadsafe(made.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
