"""R25: stacks of one, ten and a hundred targets fit into what carries, keeps and runs them."""

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest

from infra.ledger import Change, Item, Key, Put
from infra.ledger.packing import LARGEST, pack, rest_attribute
from infra.ledger.sqlite import SqliteLedger
from infra.sandbox.faults import Effect, Fault
from tests.documents import gateway, mcp_target, oauth, provider, small_stack
from tests.goals import tried
from tests.worlds import SandboxWorld, provision, virtually
from workflows.document.problems import MOST_PROBLEMS, Problem
from workflows.planner.outcome import Status
from workflows.requests.event_size import truncate_to_event_limit

pytestmark = pytest.mark.sweep

KIB = 1024
EVENT = RESULT = 256 * KIB
ITEM = 400 * 1000
#: Seconds that a function may take.
INVOCATION = 900
MACHINE = Path(__file__).parents[2] / "infra" / "state_machines" / "converge.asl.json"
TEMPLATE = Path(__file__).parents[2] / "template.yaml"


class Counting(SqliteLedger):
    """A ledger that counts its writes, and measures each item as DynamoDB would keep it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.largest = 0

    async def write(self, *changes: Change) -> None:
        self.writes += 1
        puts = [change for change in changes if isinstance(change, Put)]
        self.largest = max([self.largest, *(stored(put.key, put.item) for put in puts)])
        await super().write(*changes)


def stored(key: Key, item: Item) -> int:
    """Return the bytes of an item in a table; what is too long for one goes to the bucket."""
    plain, rest = pack(item)
    held = rest_attribute(rest)
    size = len(key.partition) + len(key.sort) + sum(len(name) + len(str(value)) for name, value in plain.items())
    value: Any = next(iter(held.values())) if held else b""
    return size + len(value)


def tool(number: int) -> dict[str, Any]:
    """A target with an inline OpenAPI document of about 1.5 KB."""
    operation = {
        "operationId": f"readEntry{number}",
        "summary": f"Returns one entry of ledger {number}, with everything that was booked on it since it was opened.",
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": {"type": "string", "maxLength": 64}}
            for name in ("account", "currency", "since", "until", "page", "order")
        ],
        "responses": {str(code): {"description": f"Answer {code} of ledger {number}"} for code in (200, 400, 404, 500)},
    }
    schema = {
        "openapi": "3.0.3",
        "info": {"title": f"Ledger {number}", "version": "1.0.0"},
        "servers": [{"url": f"https://ledger-{number}.example.com"}],
        "paths": {f"/entries/{number}": {"get": operation}, f"/accounts/{number}": {"get": operation}},
    }
    payload = json.dumps(schema)
    assert KIB < len(payload) < 2.5 * KIB
    config = {"mcp": {"openApiSchema": {"inlinePayload": payload}}}
    return {"targetConfiguration": config, "credentialProviderConfigurations": oauth()}


def stack(targets: int) -> dict[str, Any]:
    made = {f"ledger-{n}": tool(n) for n in range(targets)}
    document = {"oauth2CredentialProviders": {"idp": provider()}, "gateways": {"payments": gateway(made)}}
    return copy.deepcopy({"stack": "payments.tools", **document})


@pytest.mark.parametrize("targets", [1, 10, 100])
def test_r25_a_stack_fits_into_events_results_items_and_one_invocation(targets):
    """READY within one invocation's time; then again without a change; every carrier has room."""

    async def apply() -> None:
        ledger = Counting()
        with SandboxWorld(ledger=ledger) as world:
            document = stack(targets)
            assert len(json.dumps({"detailType": "Gateway Stack Requested", "stack": document})) < KIB * KIB
            began = world.plane.world.now
            outcome = await world.run(provision(document, "one"), seconds=INVOCATION)
            took = world.plane.world.now - began
            shown = outcome.shown()
            resources = targets + 2
            per_resource = (ledger.writes - 12) / resources
            calls = (sum(outcome.calls.values()) - 40) / resources
            told = [len(json.dumps(detail)) for _, detail in world.announced]
            cut = [kind for kind, detail in world.announced if "truncated" in detail]
            state = len(json.dumps({"stack": document["stack"], "generation": 1, "requestId": "x" * 128}))
            wrong = [
                name
                for name, holds in {
                    "ready": outcome.status is Status.READY,
                    "time": took < INVOCATION,
                    "event": max(told) < EVENT and not cut,
                    "result": len(json.dumps(truncate_to_event_limit(shown))) < RESULT and state < KIB,
                    "item": ledger.largest < min(ITEM, LARGEST + 10_000),
                    "writes": per_resource <= 4,
                    "calls": calls <= 3,
                }.items()
                if not holds
            ]
            tried("R25", f"stacks of {targets} targets with inline schemas, in one invocation", resources, wrong)
            facts = (took, max(told), ledger.largest, per_resource, calls, ledger.writes, dict(outcome.calls))
            assert wrong == [], facts
            assert (await world.apply(document)).status is Status.READY

    virtually(apply)


async def test_r25_a_hundred_targets_that_all_fail_are_still_told_of(world):
    """Failures are the longest outcomes: cut to their essentials, they fit."""
    document = stack(0)
    document["gateways"]["payments"]["targets"] = {
        f"target-{n}-{'x' * 80}": mcp_target(f"https://{'y' * 900}-{n}.example.com/mcp") for n in range(100)
    }
    for n in range(100):
        world.plane.faults.add(_refusal(n))
    outcome = await world.apply(document)
    told = [len(json.dumps(truncate_to_event_limit(detail)).encode()) for _, detail in world.announced]
    tried("R25", "outcomes of a hundred failures", 1, max(told) >= EVENT)
    assert outcome.status is Status.FAILED
    assert max(told) < EVENT


def _refusal(number: int) -> Fault:
    message = f"{number} {'the endpoint does not answer; ' * 100}"
    return Fault("CreateGatewayTarget", Effect.REFUSE, 1, 0, "AccessDeniedException", message)


def test_r25_an_execution_ends_before_its_history_is_full():
    """By its own count of turns: each writes the events of a task, a choice and a wait, and some turns are retried."""
    machine, text = json.loads(MACHINE.read_text("utf-8")), TEMPLATE.read_text("utf-8")
    most = {int(line.partition(":")[2]) for line in text.splitlines() if line.strip().startswith("MostTurns:")}
    states = machine["States"]
    # A state is entered and left; a task is scheduled, started and ends in between.
    events = {"Task": 5, "Choice": 2, "Wait": 2, "Pass": 2, "Succeed": 2, "Fail": 1}
    turn = sum(events[states[name]["Type"]] for name in ("Converge", "Settled", "WaitForService"))
    ends = sum(events[states[name]["Type"]] for name in ("Begin", "ContinueAsNew", "Done")) + 2
    # Every attempt of a retried task writes three events more.
    retries = 3 * sum(one.get("MaxAttempts", 3) for one in states["Converge"]["Retry"]) + 3 * 20
    total = (max(most) + 1) * turn + ends + retries
    tried("R25", "turns of one execution", max(most), total >= 25_000)
    assert len(most) == 1
    assert total < 25_000
    # A week of waiting for consent, looked at every five minutes, is within it or goes on in another execution.
    assert math.ceil(7 * 86_400 / 300) < 2 * max(most)


@pytest.mark.parametrize("letter", ["x", "é", "\U0001f600"])
def test_r25_what_is_told_fits_whatever_it_is_made_of(letter):
    """However long its texts and many its parts, an outcome fits into an event, and says that it was cut."""
    problem = Problem(letter * 512, "rule", letter * 1024).shown()
    told = dict.fromkeys(("failures", "problems", "warnings"), [problem] * 100)
    resources = {f"gateways.g{n}": {"status": "READY", "outputs": {"x": letter * 100}} for n in range(3000)}
    made = truncate_to_event_limit({"status": "FAILED", "requestId": "r", **told, "resources": resources})
    size = len(json.dumps(made))
    tried("R25", "outcomes of long texts in any script", violations=int(size > EVENT))
    assert size < EVENT
    assert (made["status"], made["requestId"], made["truncated"]) == ("FAILED", "r", True)


async def test_r25_warnings_are_told_as_problems_are(world):
    """A valid document of thousands of warnings is READY, and that can be told."""
    document = small_stack(0)
    schema = {
        "type": "object",
        "properties": {"k" * 800: {"type": "object", "required": [f"n{n}" for n in range(5000)]}},
    }
    tool = {"name": "n", "description": "d", "inputSchema": schema}
    lambda_arn = "arn:aws:lambda:us-east-1:123456789012:function:tools"
    configuration = {"mcp": {"lambda": {"lambdaArn": lambda_arn, "toolSchema": {"inlinePayload": [tool]}}}}
    target: dict[str, Any] = {"targetConfiguration": configuration}
    target["credentialProviderConfigurations"] = [{"credentialProviderType": "GATEWAY_IAM_ROLE"}]
    document["gateways"]["payments"]["targets"] = {"t": target}
    outcome = await world.apply(document)
    size = len(json.dumps(truncate_to_event_limit(outcome.shown())))
    tried("R25", "outcomes of thousands of warnings", violations=int(size > EVENT))
    assert (outcome.status, len(outcome.warnings)) == (Status.READY, MOST_PROBLEMS)
    assert size < EVENT
