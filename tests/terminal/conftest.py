"""A terminal beside a sandbox server."""

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.sandbox.behaviour import Durations
from tests.commands import Commands
from tests.servers import serving
from tests.worlds import OUTPUTS


class Shell:
    """A shell in which AWS_ENDPOINT_URL leads to a sandbox and nothing else of AWS is set."""

    def __init__(self, url: str, folder: Path, commands: Commands) -> None:
        self.url = url
        self._commands = commands
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.environment = {**kept, "AWS_ENDPOINT_URL": url, "HOME": str(folder), "XDG_STATE_HOME": str(folder)}

    def __call__(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        done = self._commands.run([*map(str, arguments)], self.environment)
        ledgers = (path.read_bytes().decode("latin-1") for path in self.folder.rglob("ledger*") if path.is_file())
        OUTPUTS.extend([done.stdout, done.stderr, *ledgers])
        return done

    def json(self, *arguments: object) -> dict:
        found: dict[str, object] = json.loads(self(*arguments, "--json").stdout)
        return found

    def control(self, what: str, method: str = "GET", body: object = None) -> dict:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/_sandbox/{what}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, object] = json.load(answer)
            return found

    def client(self):
        keys: dict[str, Any] = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
        return boto3.client("bedrock-agentcore-control", endpoint_url=self.url, **keys)


@pytest.fixture
def shell(commands: Commands, tmp_path: Path) -> Iterator[Shell]:
    """A shell beside a sandbox of its own, which serves from a thread of the tests."""
    with serving(Durations(provider=0.1, gateway=0.2, target=0.1, delete=0.1)) as server:
        yield Shell(server.url, tmp_path, commands)


@pytest.fixture
def sandbox_client(shell):
    return shell.client()
