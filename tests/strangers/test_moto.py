"""The command line works on moto's AgentCore, which others wrote from what they know of the service.

moto has no credential providers, no synchronization, and no end of an update: what it has is brought up, left alone
and removed, on the real clock and over sockets. What the worker sends is read from the requests that arrive.
"""

import json
import os
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
import yaml
from moto.bedrockagentcorecontrol.models import bedrockagentcorecontrol_backends
from moto.moto_api import state_manager

from infra.service_model import CONTROL_PLANE
from tests.documents import ROLE, gateway, mcp_target
from tests.localcloud.server import Server

pytestmark = pytest.mark.real_time

#: Lists of runtimes are asked for by POST.
_READS = re.compile(r"GET /|POST /runtimes/?$")
_MOVES = ("gateway", "gateway_target", "agent_runtime")
_ID = re.compile(r"(?<=/gateways/)[0-9a-f]{10}|(?<=/targets/)[0-9a-f]{10}|(?<=/runtimes/)[0-9a-f-]+")
ACCOUNT, REGION = "123456789012", "us-east-1"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/tools:1"


class Moto(Server):
    """moto on a port of its own, and what arrives there."""

    def __init__(self) -> None:
        super().__init__(invoke=_nobody)
        self._seen = 0

    def sent(self) -> list[str]:
        """Return the changes that arrived since this was asked last, without ids."""
        asked = [one.operation for one in self.record.of("sandbox") if one.service == "bedrock-agentcore"]
        found, self._seen = asked[self._seen :], len(asked)
        return sorted(_ID.sub("ID", one) for one in found if not _READS.match(one))


def _nobody(*_: object) -> NoReturn:
    raise AssertionError("nothing here invokes a function")


@pytest.fixture
def moto_alone() -> Iterator[Moto]:
    """Yield a moto in which what is made is made after half a second."""
    backend().reset()
    for name in _MOVES:
        state_manager.set_transition(f"{CONTROL_PLANE}::{name}", {"progression": "time", "seconds": 0.5})
    made = Moto()
    yield made
    made.close()
    for name in _MOVES:
        state_manager.unset_transition(f"{CONTROL_PLANE}::{name}")


def backend() -> Any:
    return bedrockagentcorecontrol_backends[ACCOUNT][REGION]


@pytest.fixture
def gatewright(moto_alone, commands, tmp_path):
    """Run a command line beside moto."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = {**kept, "AWS_ENDPOINT_URL": moto_alone.url, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    return lambda *arguments: commands.run([*map(str, arguments)], environment)


def stack() -> dict[str, Any]:
    """A gateway with two targets, and a runtime."""
    tools = {"name": "lookup", "description": "Looks up an entry", "inputSchema": {"type": "object"}}
    function = {"lambdaArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:x", "toolSchema": {"inlinePayload": [tools]}}
    targets = {
        "ledger": mcp_target(),
        "lookup": {
            "targetConfiguration": {"mcp": {"lambda": function}},
            "credentialProviderConfigurations": [{"credentialProviderType": "GATEWAY_IAM_ROLE"}],
        },
    }
    return {
        "stack": "payments.tools",
        "gateways": {"payments": gateway(targets, protocolType="MCP")},
        "agentRuntimes": {
            "tools": {
                "agentRuntimeArtifact": {"containerConfiguration": {"containerUri": IMAGE}},
                "roleArn": ROLE,
                "networkConfiguration": {"networkMode": "PUBLIC"},
            }
        },
    }


def test_what_moto_has_is_brought_up_left_alone_and_removed(moto_alone, gatewright, tmp_path):
    document, path = stack(), tmp_path / "stack.yaml"
    path.write_text(yaml.safe_dump(document))

    applied = gatewright("apply", path)
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert moto_alone.sent() == [
        "POST /gateways/",
        "POST /gateways/ID/targets/",
        "POST /gateways/ID/targets/",
        "PUT /runtimes/",
    ]
    statuses = [one.status for one in (*backend().gateways.values(), *backend().gateway_targets.values())]
    assert statuses == ["READY"] * 3

    for ledger in ((), ("--ledger", f"sqlite:{tmp_path}/another")):
        again = gatewright("apply", path, *ledger)
        assert again.returncode == 0, again.stdout + again.stderr
        assert moto_alone.sent() == []
    assert gatewright("plan", "--exit-code", path).returncode == 0

    document["gateways"]["payments"]["targets"]["ledger"]["description"] = "changed"
    path.write_text(yaml.safe_dump(document))
    planned = gatewright("plan", "--json", "--exit-code", path)
    assert planned.returncode == 3
    paths = [found for one in json.loads(planned.stdout)["resources"].values() for found in one["paths"]]
    assert paths == ["gateways.payments.targets.ledger.description"]

    destroyed = gatewright("destroy", path, "--yes")
    assert destroyed.returncode == 0, destroyed.stdout + destroyed.stderr
    assert (backend().gateways, backend().gateway_targets, backend().agent_runtimes) == ({}, {}, {})


def test_what_bears_our_name_in_moto_and_not_our_tag_is_left_alone(moto_alone, gatewright, tmp_path):
    """The worker finds who has the name first; moto would give it twice."""
    path = tmp_path / "stack.yaml"
    path.write_text(yaml.safe_dump({**stack(), "stack": "somebody.else"}))
    assert gatewright("apply", path).returncode == 0
    moto_alone.sent()
    path.write_text(yaml.safe_dump(stack()))
    refused = gatewright("apply", path)
    assert refused.returncode == 1
    assert refused.stdout.count("NameTaken") == 2
    assert moto_alone.sent() == []
