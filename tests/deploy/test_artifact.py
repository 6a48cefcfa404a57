"""The artifact itself: for the right processor, complete, small, and the same every time it is built."""

import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests import artifacts
from tests.deploy.conftest import ARCH, FUNCTIONS, ROOT, target_python
from tests.recorder import say
from tools.build_artifact import SERVICES, TARGET, interpreter

pytestmark = [pytest.mark.real_time, pytest.mark.xdist_group("artifact")]
#: What the header of a shared object says that it is for.
MACHINES = {"arm64": 0xB7, "x86_64": 0x3E}
MEGABYTE = 1_000_000
#: A deployment's settings, all well.
SETTINGS = {
    "AWS_LAMBDA_FUNCTION_NAME": "requests",
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1",
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "GATEWRIGHT_ACCOUNT_ID": "123456789012",
    "GATEWRIGHT_LEDGER": "dynamodb:table",
    "GATEWRIGHT_BUS_NAME": "bus",
    "GATEWRIGHT_STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:converge",
    "GATEWRIGHT_GRANTS": "grants.json",
}


def build(out: Path, arch: str, *more: object) -> Path:
    command: list[Any] = [sys.executable, ROOT / "tools" / "build_artifact.py", out, "--arch", arch, *more]
    subprocess.run([*command, "--python", target_python()], check=True, cwd=ROOT)
    return out


@pytest.fixture(scope="session")
def arm() -> Path:
    return artifacts.built("arm64", lambda out: build(out, "arm64"))


@pytest.fixture(scope="session")
def empty(tmp_path_factory) -> Path:
    """The target Python with nothing installed."""
    folder: Path = tmp_path_factory.mktemp("empty")
    python = interpreter(target_python()) or sys.executable
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"


def imported(python: Path, artifact: Path, module: str, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path.insert(0, '.'); import {module}; print({module}.__file__)"
    return subprocess.run(
        [python, "-I", "-c", code], cwd=artifact, env=settings, capture_output=True, text=True, check=False
    )


def test_the_target_python_is_built_for_where_it_can_be_found():
    """What is tested is what is deployed; a machine without that Python says what it tests instead."""
    say(f"the artifact is built for Python {target_python()} on {ARCH}")
    assert target_python() == TARGET or interpreter(TARGET) is None, f"make .venv with Python {TARGET}: it is here"


@pytest.mark.parametrize("arch", ["arm64", ARCH])
def test_shared_objects_are_for_the_processor(arch, arm, built):
    """Those that are deployed by default, and those that run here."""
    folder = arm if arch == "arm64" else built / "RequestsFunction"
    found = list(folder.rglob("*.so"))
    assert len(found) > 5
    for path in found:
        header = path.read_bytes()[:20]
        assert header[:4] == b"\x7fELF"
        assert struct.unpack_from("<H", header, 18)[0] == MACHINES[arch], path.name


def test_two_builds_are_the_same_to_the_byte(arm, tmp_path):
    """Another folder, another download, another compilation: the same files with the same bytes, times and rights."""
    again = build(tmp_path / "two", "arm64", "--cache", tmp_path / "cache")

    def facts(folder: Path) -> dict[str, tuple[bytes, float, int]]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {
            str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime, path.stat().st_mode)
            for path in files
        }

    one, two = facts(arm), facts(again)
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []


def test_it_is_small(arm, built, tmp_path):
    """At most 50 MB as Lambda unpacks it and 16 MB as it is sent."""
    for name, folder in (("arm64", arm), (ARCH, built / "RequestsFunction")):
        archive = tmp_path / f"{name}.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
            for path in sorted(folder.rglob("*")):
                made.write(path, path.relative_to(folder))
        unpacked = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        zipped = archive.stat().st_size
        say(f"the artifact for {name}: {unpacked / MEGABYTE:.1f} MB unpacked, {zipped / MEGABYTE:.1f} MB zipped")
        assert unpacked <= 50 * MEGABYTE
        assert zipped <= 16 * MEGABYTE


def test_it_holds_what_runs_and_nothing_else(built):
    """No sandbox, no command line, no tests, only the service data that is used, bytecode for every module."""
    for name in FUNCTIONS:
        folder = built / name
        files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        ours = {name for name in files if name.split("/")[0] in ("handlers", "workflows", "infra", "tests", "docs")}
        assert not [name for name in ours if "sandbox" in name or name.startswith(("handlers/cli", "tests", "docs"))]
        data = folder / "botocore" / "data"
        assert {path.name for path in data.iterdir() if path.is_dir()} == SERVICES
        if interpreter("3.13"):
            sources = [name for name in ours if name.endswith(".py")]
            compiled = [name for name in ours if name.endswith(".cpython-313.pyc")]
            assert len(sources) == len(compiled)


@pytest.mark.parametrize("module", ["handlers.sqs", "handlers.eventbridge", "handlers.step_functions"])
def test_it_imports_its_handlers_with_nothing_but_itself(built, empty, module):
    done = imported(empty, built / "RequestsFunction", module, {"PATH": os.defpath})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(built))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("GATEWRIGHT_LEDGER", "", "GATEWRIGHT_LEDGER: a deployed function needs it"),
        ("GATEWRIGHT_LEDGER", "dynamodb:", "GATEWRIGHT_LEDGER"),
        ("GATEWRIGHT_STATE_MACHINE_ARN", "arn:aws:states:nowhere", "GATEWRIGHT_STATE_MACHINE_ARN"),
        ("GATEWRIGHT_BUS_QUEUE_ARN", "queue", "GATEWRIGHT_BUS_QUEUE_ARN"),
        ("GATEWRIGHT_MODE", "SLEEP", "GATEWRIGHT_MODE"),
        ("GATEWRIGHT_GRANTS", "nowhere.json", "GATEWRIGHT_GRANTS: nowhere.json cannot be read"),
    ],
)
def test_a_malformed_environment_stops_it_at_init_with_one_line(built, empty, name, value, says):
    done = imported(empty, built / "RequestsFunction", "handlers.sqs", {**SETTINGS, "PATH": os.defpath, name: value})
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_whole_environment_starts(built, empty):
    """The settings of the test above are refused for what it changes in them, and for nothing else."""
    done = imported(empty, built / "RequestsFunction", "handlers.sqs", {**SETTINGS, "PATH": os.defpath})
    assert done.returncode == 0, done.stderr
