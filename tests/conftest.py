"""Fixtures of the whole suite: virtual time, and worlds to provision into."""

import asyncio
import gc
import io
import logging
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, NoReturn

import pytest
import structlog

from infra.redaction import Redaction
from infra.telemetry import set_up_logs
from tests.commands import Commands
from tests.goals import Goals, tried
from tests.recorder import Recorder
from tests.secrets import CONSENT, secrets_in
from tests.worlds import OUTPUTS, SandboxWorld, virtual_loop

#: What a quick test does without.
_OUTSIDE = frozenset({"socket.bind", "socket.connect", "socket.getaddrinfo", "subprocess.Popen"})
#: The test that runs, where it may not reach outside of its process.
_INSIDE: list[pytest.Item] = []


def _stay_inside(event: str, arguments: tuple[Any, ...]) -> None:
    """Fail a test that opens a socket or starts a program without the marker by which quick tests are chosen."""
    if event in _OUTSIDE and _INSIDE and threading.current_thread() is threading.main_thread():
        raise RuntimeError(f"{event} in a test without the marker real_time: {ascii(arguments)[:200]}")


sys.addaudithook(_stay_inside)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Know which tests stay within their process."""
    _INSIDE[:] = [] if item.get_closest_marker("real_time") else [item]
    try:
        return (yield)
    finally:
        _INSIDE.clear()


def _place(item: pytest.Item) -> int:
    """Return how early a test begins: those that wait before the others, then the sweeps, and short ones last."""
    marks = [item.get_closest_marker(name) is not None for name in ("xdist_group", "real_time", "sweep")]
    return marks.index(True) if any(marks) else len(marks)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let long tests begin first, so that all workers end together."""
    items.sort(key=_place)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep imported modules and collected tests out of every later garbage collection."""
    if getattr(session.config.option, "loadgroup", False):
        _require_groups(session.items)
    gc.collect()
    gc.freeze()


def _require_groups(items: list[pytest.Item]) -> None:
    """Refuse a run in which pytest-xdist does not see the groups of tests, which share deployments and artifacts."""
    lost = [item.nodeid for item in items if item.get_closest_marker("xdist_group") and "@" not in item.nodeid]
    assert not lost, f"this pytest and this pytest-xdist do not know one another's groups: {lost[:3]}"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "real_time: runs on the real clock, for tests with sockets or processes")
    config.addinivalue_line(
        "markers", "sweep: tries very many cases: a slice of them in every run, all in the soak, none in a quick run"
    )
    config.pluginmanager.register(Recorder(config), "recorder")
    config.pluginmanager.register(Goals(config), "goals")


def pytest_asyncio_loop_factories(config: Any, item: pytest.Item) -> Mapping[str, Callable[[], Any]]:
    """Every asynchronous test runs on virtual time, unless it asks for the real clock."""
    del config
    if item.get_closest_marker("real_time"):
        return {"real": asyncio.new_event_loop}
    return {"virtual": virtual_loop}


@pytest.fixture(autouse=True)
def no_secret_gets_out(logs: io.StringIO, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """R19: whatever a test logged, printed, announced or remembered holds no secret, in any spelling.

    A consent URL acts as a bearer token, so no log holds one.
    """
    OUTPUTS.clear()
    yield
    printed = capfd.readouterr()
    found = secrets_in(logs.getvalue(), printed.out, printed.err, *OUTPUTS)
    tried("R19", "what each test logged, printed, measured, announced and remembered, in every spelling", 1, found)
    assert not found, f"a secret got out: {found}"
    bearer = CONSENT in logs.getvalue()
    tried("R19", "what each test logged, for consent URLs", violations=int(bearer))
    assert not bearer, "a consent URL got into a log"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """A report that quotes a secret is replaced by one that says so."""
    del item, call
    report = yield
    if report.longrepr is not None and secrets_in(str(report.longrepr)):
        report.outcome, report.longrepr = "failed", "this test's report would have held a secret"
    return report


@pytest.fixture
def world() -> Iterator[SandboxWorld]:
    made = SandboxWorld()
    yield made
    made.close()


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """A stand-in for the AWS services around AgentCore, on loopback; the URL of its endpoint."""
    from tests.localcloud.server import Server  # noqa: PLC0415 - moto takes a second, which most runs can spare

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = Server(invoke=_nobody)
    yield server.url
    server.close()


def _nobody(*_: object) -> NoReturn:
    raise AssertionError("nothing here invokes a function")


@pytest.fixture(scope="session")
def commands() -> Iterator[Commands]:
    """Runs command lines, each in a process of its own."""
    made = Commands()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def logs() -> Iterator[io.StringIO]:
    """Everything that a test logs, as the deployed worker would write it."""
    stream = io.StringIO()
    set_up_logs(Redaction(), level="DEBUG", stream=stream)
    structlog.contextvars.clear_contextvars()
    yield stream
    structlog.contextvars.clear_contextvars()
