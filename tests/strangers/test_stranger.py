"""The command line works on any endpoint that speaks the protocol, not only on our sandbox."""

import json
import os

import pytest
import yaml

from tests.documents import small_stack
from tests.strangers.stranger import Stranger

pytestmark = pytest.mark.real_time


@pytest.fixture
def stranger():
    made = Stranger()
    yield made
    made.stop()


@pytest.fixture
def gatewright(stranger, commands, tmp_path):
    """Run a command line beside the stranger."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = {**kept, "AWS_ENDPOINT_URL": stranger.url, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    return lambda *arguments: commands.run([*map(str, arguments)], environment)


def test_the_whole_life_of_a_stack(stranger, gatewright, tmp_path):
    """Apply, nothing to do, adopt without a ledger, one change, synchronize, remove."""
    document = small_stack(23)
    path = tmp_path / "stack.yaml"
    path.write_text(yaml.safe_dump(document))

    applied = gatewright("apply", path)
    assert applied.returncode == 0, applied.stdout + applied.stderr
    state = stranger.state
    assert sorted(set(state.mutations)) == ["CreateGateway", "CreateGatewayTarget", "CreateOauth2CredentialProvider"]
    assert len(state.mutations) == 25

    state.mutations.clear()
    for ledger in ((), ("--ledger", f"sqlite:{tmp_path}/another")):
        again = gatewright("apply", path, *ledger)
        assert again.returncode == 0, again.stdout + again.stderr
        assert state.mutations == []
    assert gatewright("plan", "--exit-code", path).returncode == 0

    document["gateways"]["payments"]["targets"]["target-7"]["description"] = "changed"
    path.write_text(yaml.safe_dump(document))
    planned = gatewright("plan", "--json", "--exit-code", path)
    assert planned.returncode == 3
    paths = [found for one in json.loads(planned.stdout)["resources"].values() for found in one["paths"]]
    assert paths == ["gateways.payments.targets.target-7.description"]
    assert gatewright("apply", path).returncode == 0
    assert state.mutations == ["UpdateGatewayTarget"]

    state.mutations.clear()
    assert gatewright("sync", path).returncode == 0
    assert state.mutations == ["SynchronizeGatewayTargets"] * 23

    destroyed = gatewright("destroy", path, "--yes")
    assert destroyed.returncode == 0, destroyed.stdout + destroyed.stderr
    assert (state.providers, state.gateways) == ({}, {})
    assert state.secret not in applied.stdout + applied.stderr


def test_what_bears_our_name_and_not_our_tag_is_left_alone(stranger, gatewright, tmp_path):
    """A foreign gateway and provider fail the stack and stay as they are."""
    path = tmp_path / "stack.yaml"
    path.write_text(yaml.safe_dump({**small_stack(1), "stack": "somebody.else"}))
    assert gatewright("apply", path).returncode == 0
    stranger.state.mutations.clear()
    path.write_text(yaml.safe_dump(small_stack(1)))
    refused = gatewright("apply", path)
    assert refused.returncode == 1
    assert refused.stdout.count("NameTaken") == 2
    assert stranger.state.mutations == []
