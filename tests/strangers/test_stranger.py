"""The command line works on any endpoint that speaks the protocol, not only on our sandbox."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.documents import small_stack
from tests.strangers.stranger import Stranger

pytestmark = pytest.mark.real_time

ROOT = Path(__file__).parents[2]


@pytest.fixture
def stranger():
    made = Stranger()
    yield made
    made.stop()


def gatewright(stranger, folder, *arguments) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = {**kept, "AWS_ENDPOINT_URL": stranger.url, "HOME": str(folder), "XDG_STATE_HOME": str(folder)}
    command = [sys.executable, "-m", "handlers.cli", *map(str, arguments)]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_the_whole_life_of_a_stack(stranger, tmp_path):
    """Apply, nothing to do, adopt without a ledger, one change, synchronize, remove."""
    document = small_stack(23)
    path = tmp_path / "stack.yaml"
    path.write_text(yaml.safe_dump(document))
    run = lambda *arguments: gatewright(stranger, tmp_path, *arguments)  # noqa: E731 - one name for five calls

    applied = run("apply", path)
    assert applied.returncode == 0, applied.stdout + applied.stderr
    state = stranger.state
    assert sorted(set(state.mutations)) == ["CreateGateway", "CreateGatewayTarget", "CreateOauth2CredentialProvider"]
    assert len(state.mutations) == 25

    state.mutations.clear()
    for ledger in ((), ("--ledger", f"sqlite:{tmp_path}/another")):
        again = run("apply", path, *ledger)
        assert again.returncode == 0, again.stdout + again.stderr
        assert state.mutations == []
    assert run("plan", "--exit-code", path).returncode == 0

    document["gateways"]["payments"]["targets"]["target-7"]["description"] = "changed"
    path.write_text(yaml.safe_dump(document))
    planned = run("plan", "--json", "--exit-code", path)
    assert planned.returncode == 3
    paths = [found for one in json.loads(planned.stdout)["resources"].values() for found in one["paths"]]
    assert paths == ["gateways.payments.targets.target-7.description"]
    assert run("apply", path).returncode == 0
    assert state.mutations == ["UpdateGatewayTarget"]

    state.mutations.clear()
    assert run("sync", path).returncode == 0
    assert state.mutations == ["SynchronizeGatewayTargets"] * 23

    destroyed = run("destroy", path)
    assert destroyed.returncode == 0, destroyed.stdout + destroyed.stderr
    assert (state.providers, state.gateways) == ({}, {})
    assert state.secret not in applied.stdout + applied.stderr


def test_what_bears_our_name_and_not_our_tag_is_left_alone(stranger, tmp_path):
    """A foreign gateway and provider fail the stack and stay as they are."""
    path = tmp_path / "stack.yaml"
    path.write_text(yaml.safe_dump({**small_stack(1), "stack": "somebody.else"}))
    assert gatewright(stranger, tmp_path, "apply", path).returncode == 0
    stranger.state.mutations.clear()
    path.write_text(yaml.safe_dump(small_stack(1)))
    refused = gatewright(stranger, tmp_path, "apply", path)
    assert refused.returncode == 1
    assert refused.stdout.count("NameTaken") == 2
    assert stranger.state.mutations == []
