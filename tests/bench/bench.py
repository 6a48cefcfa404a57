"""Time to READY against the floor, and against a sequential script: ratios, measured in one run on one machine.

The sandbox server answers with fixed durations: provider 1 s, gateway 2 s, target 1 s, round trip 20 ms. The floor
is the critical path under five target operations at a time. The scripts are what people write with boto3: one call
after the other, each polled until it is READY. They run side by side, after ours, since all they do is sleep.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from handlers.cli_show import table
from handlers.environment import Environment
from infra.deadline import Deadline
from infra.service_model import is_mutating
from infra.settings import read_settings
from infra.telemetry import set_up_logs
from tests.documents import DISCOVERY, ROLE, small_stack
from workflows.planner.outcome import Outcome
from workflows.records.request_state import Mode
from workflows.requests.context import Context
from workflows.requests.request import Request
from workflows.service import handle

ROUND_TRIP = 0.02
PROVIDER, GATEWAY, TARGET = 1.0, 2.0, 1.0
SIZES = (1, 5, 20, 50)
POLLS = (1.0, 5.0)


def floor(targets: int) -> float:
    """The critical path: provider and gateway side by side, then waves of five targets."""
    before = max(PROVIDER, GATEWAY) + ROUND_TRIP
    return before + math.ceil(targets / 5) * (TARGET + ROUND_TRIP)


@contextmanager
def sandbox() -> Iterator[str]:
    """Serve a sandbox from a process of its own."""
    command = [sys.executable, "-m", "handlers.cli", "sandbox", "--json", "--round-trip", str(ROUND_TRIP)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        lines = ""
        while "}" not in lines:
            lines += process.stdout.readline()
        yield json.loads(lines)["url"]
    finally:
        process.terminate()
        process.wait()


def calls_of(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/_sandbox/journal", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def ours(targets: int) -> dict[str, Any]:
    """Apply a stack, then apply it again."""
    with sandbox() as url, tempfile.TemporaryDirectory() as folder:
        os.environ |= {"AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1"}
        env = Environment(read_settings({"GATEWRIGHT_LEDGER": f"sqlite:{folder}/ledger"}))
        set_up_logs(env.redaction, level="ERROR", stream=sys.stderr)
        env.run(_nothing)  # clients are opened at init, before a request comes
        began = time.monotonic()
        first = env.run(partial(_apply, targets, "first"))
        seconds = time.monotonic() - began
        again = env.run(partial(_apply, targets, "again"))
        env.close()
    assert str(first.status) == str(again.status) == "READY", first.shown()
    mutating = sum(count for name, count in again.calls.items() if is_mutating(name))
    reads = sum(again.calls.values()) - mutating
    return {"seconds": seconds, "calls": sum(first.calls.values()), "reads": reads, "mutating": mutating}


async def _nothing(context: Context) -> None:
    del context


async def _apply(targets: int, request_id: str, context: Context) -> Outcome:
    document = small_stack(targets)
    request = Request(mode=Mode.PROVISION, request_id=request_id, stack=document["stack"], document=document)
    return await handle(context, request, Deadline.within(600))


def script(targets: int, poll: float) -> dict[str, float]:
    """What people write: create, poll until READY, go on."""
    import boto3  # noqa: PLC0415 - only this comparison needs it

    with sandbox() as url:
        keys: dict[str, Any] = {"aws_access_key_id": "sandbox", "aws_secret_access_key": "sandbox"}
        client = boto3.client("bedrock-agentcore-control", "us-east-1", endpoint_url=url, **keys)
        began = time.monotonic()
        _script(client, targets, poll)
        return {"seconds": time.monotonic() - began, "calls": sum(calls_of(url)["calls"].values())}


def _script(client: Any, targets: int, poll: float) -> None:
    def until_ready(read: Any) -> Any:
        while (answer := read())["status"] != "READY":
            time.sleep(poll)
        return answer

    config = {"oauthDiscovery": {"discoveryUrl": DISCOVERY}, "clientId": "payments", "clientSecret": "bench"}
    provider = client.create_oauth2_credential_provider(
        name="idp",
        credentialProviderVendor="CustomOauth2",
        oauth2ProviderConfigInput={"customOauth2ProviderConfig": config},
    )
    until_ready(lambda: client.get_oauth2_credential_provider(name="idp"))
    authorizer = {"customJWTAuthorizer": {"discoveryUrl": DISCOVERY, "allowedAudience": ["payments"]}}
    gateway = client.create_gateway(
        name="payments", roleArn=ROLE, authorizerType="CUSTOM_JWT", authorizerConfiguration=authorizer
    )
    place = {"gatewayIdentifier": gateway["gatewayId"]}
    until_ready(lambda: client.get_gateway(**place))
    oauth = {"providerArn": provider["credentialProviderArn"], "scopes": ["ledger.read"]}
    credential = {"credentialProviderType": "OAUTH", "credentialProvider": {"oauthCredentialProvider": oauth}}
    for number in range(targets):
        target = client.create_gateway_target(
            **place,
            name=f"target-{number}",
            targetConfiguration={"mcp": {"mcpServer": {"endpoint": "https://ledger.example.com/mcp"}}},
            credentialProviderConfigurations=[credential],
        )
        until_ready(lambda target=target: client.get_gateway_target(**place, targetId=target["targetId"]))


def main() -> int:
    """Measure everything and print one table."""
    measured = {}
    for targets in SIZES:
        measured[targets] = ours(targets)
        print(f"{targets} targets: {measured[targets]['seconds']:.2f} s", file=sys.stderr)
    with ThreadPoolExecutor(len(SIZES) * len(POLLS)) as pool:
        jobs = {(n, poll): pool.submit(script, n, poll) for n in SIZES for poll in POLLS}
        scripts = {key: job.result() for key, job in jobs.items()}
    heads = ("targets", "floor s", "gatewright s", "over floor", "calls", "per resource", "again: reads", "changes")
    more = tuple(f"script at {poll:.0f} s" for poll in POLLS) + tuple(f"times ours, {poll:.0f} s" for poll in POLLS)
    rows = []
    for targets, one in measured.items():
        times = [scripts[targets, poll]["seconds"] for poll in POLLS]
        rows.append(
            (
                str(targets),
                f"{floor(targets):.2f}",
                f"{one['seconds']:.2f}",
                f"{one['seconds'] / floor(targets):.2f}",
                str(one["calls"]),
                f"{one['calls'] / (targets + 2):.1f}",
                str(one["reads"]),
                str(one["mutating"]),
                *(f"{seconds:.1f}" for seconds in times),
                *(f"{seconds / one['seconds']:.1f}" for seconds in times),
            )
        )
    table((*heads, *more), rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
