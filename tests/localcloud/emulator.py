"""A pool of AWS's Lambda runtime interface emulators: one process is one execution environment of one function.

The emulator panics on concurrent requests, so an environment is lent to one request at a time. Not faithful: there is
no throttling (a request waits for a free environment), the invoked ARN has account 012345678912 and no alias, the
request id is the emulator's own, /var/task is the artifact folder itself and is not write-protected, init counts into
the time-out, memory is not limited, and a handler that RETURNS both errorMessage and errorType is read as a failure.
"""

import http.client
import json
import os
import platform
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import samcli

from tests.localcloud.runtime import interpreter

LOOPBACK = "127.0.0.1"
_INIT_SECONDS = 30
_EMULATORS = {"x86_64": "x86_64", "AMD64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


class Answer(NamedTuple):
    """What the Lambda API answers to an invocation."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def failed(self) -> bool:
        """Whether the function, not the API, reports a failure."""
        return "X-Amz-Function-Error" in self.headers


@dataclass(frozen=True)
class Function:
    """A deployed function: what its environments are started with."""

    logical_id: str
    name: str
    handler: str
    artifact: Path
    timeout: int = 3
    memory: int = 128
    variables: dict[str, str] = field(default_factory=dict)


def free_port() -> int:
    """A port of the loopback interface that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


class _Environment:
    """One emulator process with one runtime in it."""

    def __init__(
        self, function: Function, command: list[str], variables: dict[str, str], log: Path, level: str
    ) -> None:
        self._port, self._timeout = free_port(), function.timeout
        addresses = ["--runtime-interface-emulator-address", f"{LOOPBACK}:{self._port}"]
        addresses += ["--runtime-api-address", f"{LOOPBACK}:{free_port()}"]
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [command[0], "--log-level", level, *addresses, *command[1:]],
                cwd=function.artifact,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._await_port()

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def _await_port(self) -> None:
        deadline = time.monotonic() + _INIT_SECONDS
        while self.alive and time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection((LOOPBACK, self._port), timeout=1):
                return
            time.sleep(0.005)
        raise RuntimeError(f"the emulator did not start: {self._process.args!r}")

    def post(self, payload: bytes) -> tuple[int, bytes]:
        """Invoke the function; OSError when the process ends meanwhile."""
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=self._timeout + _INIT_SECONDS)
        try:
            connection.request("POST", "/2015-03-31/functions/function/invocations", payload)
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as error:
            raise ConnectionResetError(str(error)) from error
        finally:
            connection.close()

    def end(self) -> None:
        """SIGKILL the whole session: the runtime is a process of its own beside the emulator."""
        for pid in _session(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()


def _session(leader: int) -> list[int]:
    """The living processes of the session that `leader` leads, itself first."""
    found = [leader]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and stat.parent.name != str(leader):
                found.append(int(stat.parent.name))
    return found


class EmulatorPool:
    """Up to `limit` environments per function, started when they are needed and reused afterwards."""

    def __init__(
        self, folder: Path, variables: dict[str, str], limit: int = 10, cache: Path | None = None, level: str = "error"
    ) -> None:
        self._folder, self._variables, self._limit = folder, variables, limit
        self._command = [str(_binary(folder)), str(interpreter(cache or folder))]
        self._compiled = str((cache or folder) / "pyc")
        self._functions: dict[str, Function] = {}
        self._slots: dict[str, queue.LifoQueue[_Environment | None]] = {}
        self._running: dict[str, list[_Environment]] = {}
        self._lock = threading.Lock()
        self._started = 0
        self._level = level
        self._closed = threading.Event()

    def add(self, function: Function) -> None:
        """Make a function known; it can be invoked by its logical id."""
        slots: queue.LifoQueue[_Environment | None] = queue.LifoQueue()
        for _ in range(self._limit):
            slots.put(None)
        self._functions[function.logical_id] = function
        self._slots[function.logical_id], self._running[function.logical_id] = slots, []

    def invoke(self, logical_id: str, payload: bytes) -> Answer:
        """Invoke a function as the Lambda API does with RequestResponse, and wait for its answer."""
        with self._lent(logical_id) as environment:
            try:
                status, body = environment.post(payload or b"{}")
            except OSError:
                environment.end()
                return _failure("Runtime.ExitError", "Error: Runtime exited with error: signal: killed")
        return _answer(status, body)

    @contextmanager
    def _lent(self, logical_id: str) -> Iterator[_Environment]:
        slots = self._slots[logical_id]
        environment = slots.get()
        try:
            if environment is None or not environment.alive:
                environment = self._start(self._functions[logical_id])
            yield environment
        finally:
            slots.put(environment if environment is not None and environment.alive else None)

    def _start(self, function: Function) -> _Environment:
        with self._lock:
            if self._closed.is_set():
                raise RuntimeError("the pool is closed")
            self._started += 1
            log = self._folder / f"{function.logical_id}-{self._started:03}.log"
        command = [*self._command, "-m", "awslambdaric", function.handler]
        environment = _Environment(function, command, self._environ(function), log, self._level)
        with self._lock:
            self._running[function.logical_id].append(environment)
            late = self._closed.is_set()
        if late:
            environment.end()
        return environment

    def _environ(self, function: Function) -> dict[str, str]:
        compiled = any(function.artifact.glob("**/*.pyc"))
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self._folder),
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "LAMBDA_TASK_ROOT": str(function.artifact),
            "PYTHONPATH": str(function.artifact),
            # The artifact stays as it was built.
            **({"PYTHONDONTWRITEBYTECODE": "1"} if compiled else {"PYTHONPYCACHEPREFIX": self._compiled}),
            "_HANDLER": function.handler,
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": f"AKIA{function.logical_id.upper()}",
            "AWS_SECRET_ACCESS_KEY": "local",
            **self._variables,
            **function.variables,
        }

    def processes(self, logical_id: str) -> int:
        """How many living environments a function has."""
        with self._lock:
            return sum(environment.alive for environment in self._running[logical_id])

    def kill(self, logical_id: str) -> int:
        """End a function's environments at once, busy or not, as a crash would; how many they were."""
        with self._lock:
            living = [environment for environment in self._running[logical_id] if environment.alive]
            self._running[logical_id].clear()
        for environment in living:
            environment.end()
        return len(living)

    def logs(self, logical_id: str) -> str:
        """What the function's environments wrote, in the order in which they were started."""
        files = sorted(self._folder.glob(f"{logical_id}-[0-9][0-9][0-9].log"))
        return "".join(file.read_text(errors="replace") for file in files)

    def close(self) -> None:
        """End every environment; nothing starts afterwards."""
        with self._lock:
            self._closed.set()
        for logical_id in self._functions:
            self.kill(logical_id)


def _binary(folder: Path) -> Path:
    """The emulator as an executable file in `folder`."""
    kind = _EMULATORS[platform.machine()]
    source = Path(samcli.__file__).parent / "local" / "rapid" / f"aws-lambda-rie-{kind}"
    target = folder / "aws-lambda-rie"
    shutil.copyfile(source, target)
    target.chmod(0o755)
    return target


def _failure(kind: str, message: str) -> Answer:
    body = json.dumps({"errorType": kind, "errorMessage": message}).encode()
    return Answer(200, {"Content-Type": "application/json", "X-Amz-Function-Error": "Unhandled"}, body)


def _answer(status: int, body: bytes) -> Answer:
    """The emulator's answer as the API gives it: failures are marked, a time-out is JSON and has a name."""
    try:
        value = json.loads(body or b"null")
    except ValueError:
        return _failure("Sandbox.Timedout", body.decode(errors="replace"))
    failed = isinstance(value, dict) and {"errorMessage", "errorType"} <= value.keys()
    mark = {"X-Amz-Function-Error": "Unhandled"} if failed or status != 200 else {}
    return Answer(200, {"Content-Type": "application/json", "X-Amz-Executed-Version": "$LATEST", **mark}, body)
