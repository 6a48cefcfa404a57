"""What SAM built, under AWS's own runtime emulator, behind a bus, a queue and the state machines of the template."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.sandbox.behaviour import Behaviour, Durations
from infra.sandbox.server import SandboxServer
from tests.localcloud.cloud import Cloud
from tests.localcloud.translate import translate
from tests.recorder import note
from tests.secrets import secrets_in
from tests.worlds import OUTPUTS
from tools.build_artifact import TARGET, interpreter

ROOT = Path(__file__).parents[2]
#: Seconds that the service takes in these tests, where a test does not say otherwise.
FAST = Durations(provider=0.05, gateway=0.1, target=0.1, synchronize=0.05, delete=0.05)
#: An invocation's time-out in these tests; less would leave no time for a call.
TIMEOUT = 30
FUNCTIONS = ("RequestsFunction", "EventsFunction", "ConvergeFunction")
#: The interpreter of both state machines signs alike; what each does tells them apart.
MACHINES_OF = {
    "Invoke": ("ConvergeMachine", "FleetMachine"),
    "PutEvents": ("ConvergeMachine",),
    "GetObject": ("FleetMachine",),
    "PutObject": ("FleetMachine",),
    "DescribeMapRun": ("FleetMachine",),
}


def target_python() -> str:
    """The Python that is deployed, or the one that runs the tests where the machine has no other."""
    return TARGET if interpreter(TARGET) else f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """The folder that `sam build` makes, for this machine's kind of processor."""
    out = tmp_path_factory.mktemp("built")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SAM_CLI_TELEMETRY": "0",
        "ARCH": "x86_64",
        "GRANTS": str(Path(__file__).with_name("grants.yaml")),
        "TARGET_PYTHON": target_python(),
    }
    command = ["sam", "build", "--build-dir", str(out), "--parameter-overrides", "Architecture=x86_64"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="session")
def sandbox() -> Iterator[SandboxServer]:
    """The AgentCore control plane that the functions speak to."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    made = SandboxServer(Behaviour(durations=FAST))
    made.url = asyncio.run_coroutine_threadsafe(made.start(), loop).result(10)
    yield made
    asyncio.run_coroutine_threadsafe(made.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(scope="module")
def cloud(built, sandbox, tmp_path_factory) -> Iterator[Cloud]:
    """One deployment of the template, with nothing changed but the time-out of its functions.

    It is closed when its file is done: a process has one local cloud at a time, and other files open theirs.
    """
    translated = translate(built / "template.yaml", {"Architecture": "x86_64"})
    for resource in translated.template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            resource["Properties"]["Timeout"] = TIMEOUT
    endpoints = {"BEDROCK_AGENTCORE_CONTROL": sandbox.url, "AGENT_REGISTRY_CONTROL": sandbox.url}
    cache = tmp_path_factory.mktemp("cache")
    with Cloud(translated, endpoints=endpoints, cache=cache, environments=4, wait_scale=0.2) as made:
        secrets = made.client("secretsmanager")
        secrets.create_secret(Name="payments/idp", SecretString='{"clientSecret": "sandbox-payments-idp-secret"}')
        yield made
        record(made)
        OUTPUTS.extend(made.logs(name) for name in FUNCTIONS)
        found = secrets_in(*OUTPUTS, str(made.events_seen()), str(made.executions("ConvergeMachine")))
        assert not found, f"a secret got out: {found}"


def record(cloud: Cloud) -> None:
    """Note who asked AWS for what: what every run needs is the worker's, the rest is the door's own."""
    for name in FUNCTIONS:
        for request in cloud.requests(name):
            own = request.service in ("sqs", "stepfunctions", "states") or request.operation == "Scan"
            note(name if own else "worker", request.service, request.operation)
    for request in cloud.requests("AKIASTATES"):
        machines = MACHINES_OF.get(request.operation, ())
        assert machines, f"a state machine called {request}"
        for machine in machines:
            note(machine, request.service, request.operation)
