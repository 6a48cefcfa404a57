"""Provisions the sample stack in a sandbox on loopback, as an SQS message would in the cloud, and then once more.

Run by `make demo`. It needs no account, no credentials and no network.
"""

import asyncio
import json
import os
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from handlers import cli_show, sqs
from handlers.environment import Environment, use
from infra.sandbox.server import SandboxServer
from infra.settings import read_settings
from infra.telemetry import set_up_logs

SAMPLE = Path(__file__).parents[1] / "events" / "provision-payments-stack.json"


class LambdaContext:
    """What the Lambda runtime would hand over."""

    aws_request_id = "demo"

    def get_remaining_time_in_millis(self) -> int:
        return 300_000


@contextmanager
def sandbox() -> Iterator[str]:
    """Serve a sandbox from a thread of its own; yields its URL."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = SandboxServer()
    started: Future[str] = asyncio.run_coroutine_threadsafe(server.start(), loop)
    try:
        yield started.result(timeout=30)
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(timeout=30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def environment(url: str, folder: str) -> Environment:
    """Put the doors' environment in place, with nothing of the user's own AWS settings in it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {"AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1"}
    settings = {"GATEWRIGHT_LEDGER": f"sqlite:{folder}/ledger.sqlite", "GATEWRIGHT_BUS_NAME": "demo"}
    env = Environment(read_settings(settings), progress=cli_show.Progress())
    set_up_logs(env.redaction, level="ERROR", stream=sys.stderr)
    use(env)
    return env


def control(url: str, what: str, method: str = "GET") -> Any:
    """Ask the sandbox about itself."""
    request = urllib.request.Request(f"{url}/_sandbox/{what}", method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def deliver(event: dict[str, Any], url: str) -> dict[str, Any]:
    """Put an event through the SQS door and return the outcome that was announced on the bus."""
    control(url, "journal", "DELETE")
    message = {"messageId": event["id"], "body": json.dumps(event), "attributes": {"SenderId": "demo"}}
    answer = sqs.handler({"Records": [message]}, LambdaContext())
    if answer["batchItemFailures"]:
        raise SystemExit("the message went back to the queue")
    outcome: dict[str, Any] = json.loads(control(url, "events")[-1]["Detail"])
    return outcome


def show(outcome: dict[str, Any]) -> None:
    """Print the outcome as a table, and where to reach the gateway."""
    rows = [
        (address, one["status"], one["id"] or "", f"{one['seconds']:.1f}")
        for address, one in outcome["resources"].items()
    ]
    cli_show.table(("resource", "status", "id", "seconds"), rows)
    for one in outcome["resources"].values():
        if "gatewayUrl" in one["outputs"]:
            print(f"\nThe gateway is at {one['outputs']['gatewayUrl']}")


def main() -> int:
    """Run the demo; 0 when it showed what it promises."""
    event = json.loads(SAMPLE.read_text("utf-8"))
    with sandbox() as url, tempfile.TemporaryDirectory() as folder:
        env = environment(url, folder)
        print(f"A sandbox of Amazon Bedrock AgentCore listens on {url}")
        print(f"An event asks for {event['detail']['stack']['stack']}:\n")
        first = deliver(event, url)
        print()
        show(first)
        again = deliver(event, url)
        repeated = control(url, "journal")
        fresh = deliver({**event, "id": "later", "detail": {**event["detail"], "requestId": "later"}}, url)
        later = control(url, "journal")
        env.close()
    print(f"\nThe same event again: {again['status']}, {repeated['mutating']} changes sent ({again['reason']}).")
    counts = f"{later['reads']} reads, {later['mutating']} changes sent"
    print(f"The same document in a new request: {fresh['status']}, {counts}.")
    good = {first["status"], again["status"], fresh["status"]} == {"READY"}
    return 0 if good and repeated["mutating"] == later["mutating"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
