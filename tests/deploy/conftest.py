"""What SAM built, under AWS's own runtime emulator, behind a bus, a queue and the state machines of the template."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import pytest

from infra.ledger.packing import REST, rest_of
from infra.sandbox.behaviour import Durations
from tests import artifacts
from tests.deploy.desk import Desk
from tests.goals import tried
from tests.localcloud.cloud import Cloud
from tests.localcloud.translate import translate
from tests.recorder import note
from tests.secrets import secrets_in
from tests.servers import Served, serving

ROOT = Path(__file__).parents[2]
#: Seconds that the service takes in these tests, where a test does not say otherwise.
FAST = Durations(provider=0.05, gateway=0.1, target=0.1, synchronize=0.05, delete=0.05)
#: After so many turns another execution goes on.
TURNS = 6
FUNCTIONS = ("RequestsFunction", "EventsFunction", "ConvergeFunction")
#: The interpreter of both state machines signs alike; what each does tells them apart.
MACHINES_OF = {
    "Invoke": ("ConvergeMachine", "FleetMachine"),
    "PutEvents": ("ConvergeMachine",),
    "GetObject": ("FleetMachine",),
    "PutObject": ("FleetMachine",),
    "DescribeMapRun": ("FleetMachine",),
    "StartExecution": ("ConvergeMachine",),
}


#: This machine's kind of processor, as the template names it.
ARCH = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]


def target_python() -> str:
    """The version of the Python that runs the tests: the one that is deployed, wherever the machine has it."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder that `sam build` makes, for this machine's kind of processor."""
    return artifacts.built(f"sam-{ARCH}", _sam_build)


def _sam_build(out: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SAM_CLI_TELEMETRY": "0",
        "ARCH": ARCH,
        "GRANTS": str(Path(__file__).with_name("grants.yaml")),
        "TARGET_PYTHON": target_python(),
    }
    command = ["sam", "build", "--build-dir", str(out), "--parameter-overrides", f"Architecture={ARCH}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Served]:
    """The AgentCore control plane that the functions speak to."""
    with serving(FAST) as made:
        yield made


@pytest.fixture(scope="module")
def cloud(built, sandbox, tmp_path_factory) -> Iterator[Cloud]:
    """One deployment of the template, with nothing changed but the longest execution.

    It is closed when its file is done: a process has one local cloud at a time, and other files open theirs.
    """
    translated = translate(built / "template.yaml", {"Architecture": ARCH})
    for resource in translated.template["Resources"].values():
        if "MostTurns" in (resource["Properties"].get("DefinitionSubstitutions") or {}):
            resource["Properties"]["DefinitionSubstitutions"]["MostTurns"] = TURNS
    endpoints = {"BEDROCK_AGENTCORE_CONTROL": sandbox.url, "AGENT_REGISTRY_CONTROL": sandbox.url}
    cache = tmp_path_factory.mktemp("cache")
    with Cloud(translated, endpoints=endpoints, cache=cache, environments=4, wait_scale=0.2) as made:
        secrets = made.client("secretsmanager")
        secrets.create_secret(Name="payments/idp", SecretString='{"clientSecret": "sandbox-payments-idp-secret"}')
        yield made
        record(made)
        fit_their_schemas(made)
        words = said(made)
        found = {place: secrets for place, text in words.items() if (secrets := secrets_in(text))}
        tried("R19", "places where a deployment leaves words", len(words), found)
        assert not found, f"a secret got out: {found}"


def said(cloud: Cloud) -> dict[str, str]:
    """Return all that a deployment says, by the place where it says it; how much, the speed of the machine decides."""
    return {
        **{f"logs of {name}": cloud.logs(name) for name in FUNCTIONS},
        **{f"executions of {name}": str(cloud.executions(name)) for name in ("ConvergeMachine", "FleetMachine")},
        "events": str(cloud.events_seen()),
        "ledger table": "\n".join(kept(cloud)),
        "dead letters": str(cloud.messages("RequestsDeadLetters")),
    }


def kept(cloud: Cloud) -> list[str]:
    """Return everything that a deployment's table holds, unpacked."""
    pages = cloud.client("dynamodb").get_paginator("scan").paginate(TableName=cloud.resource("LedgerTable"))
    items = [item for page in pages for item in page["Items"]]
    plain = [str({name: value for name, value in item.items() if name != REST}) for item in items]
    return [*plain, *(rest_of(_unwrapped(item)).decode("utf-8") for item in items)]


def _unwrapped(item: dict) -> dict:
    """Return an item with its bytes as bytes."""
    return {n: {k: bytes(v) if k == "B" else v for k, v in held.items()} for n, held in item.items()}


def fit_their_schemas(cloud: Cloud) -> None:
    """Whatever was announced, by a function or by the state machine itself, its schema holds."""
    for event in cloud.events_seen():
        if event.source == "gatewright":
            name = "accepted" if event.detail_type == "Gateway Stack Accepted" else "outcome"
            jsonschema.validate(event.detail, json.loads((ROOT / "events" / f"{name}.schema.json").read_text("utf-8")))


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


@pytest.fixture
def desk(cloud, sandbox) -> Desk:
    return Desk(cloud, sandbox)


@pytest.fixture
def slow(sandbox) -> Iterator[Callable[..., None]]:
    """Makes the service slower, for one test."""
    before = vars(sandbox.plane.behaviour.durations).copy()

    def set_to(**seconds: float) -> None:
        vars(sandbox.plane.behaviour.durations).update(seconds)

    yield set_to
    vars(sandbox.plane.behaviour.durations).update(before)
