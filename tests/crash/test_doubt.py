"""What a lost answer leaves in doubt: the next document wins over it, whatever of it took effect."""

import copy
import json

import anyio
import pytest

from infra.sandbox.faults import Effect, Fault
from tests.crash.harness import At, History, Process, run_once, run_until_settled
from tests.documents import gateway, mcp_target, oauth, provider, small_stack
from tests.secrets import SENTINELS
from tests.worlds import SandboxWorld, provision, virtually
from workflows.planner.outcome import Status
from workflows.records.request_state import Mode
from workflows.requests.request import Request

PRIVATE = {"selfManagedLatticeResource": {"resourceConfigurationIdentifier": "rcfg-0123456789abcdef0"}}


def plain() -> dict:
    return {
        "stack": "payments.tools",
        "oauth2CredentialProviders": {"idp": provider()},
        "gateways": {"payments": gateway({"t": mcp_target()})},
    }


def with_more(what: str) -> dict:
    document = plain()
    body = document["gateways"]["payments"]
    match what:
        case "gateway description":
            body["description"] = "more"
        case "target description":
            body["targets"]["t"]["description"] = "more"
        case "gateway tags":
            body["tags"] = {"more": "1"}
        case "gateway tags and description":
            body |= {"tags": {"more": "1"}, "description": "more"}
        case "provider endpoint":
            document["oauth2CredentialProviders"]["idp"] = provider(privateEndpoint=PRIVATE)
    return document


async def index_of(before: dict | None, request: Request, operation: str) -> int:
    """Return which call of a run it is that sends an operation."""
    world, process = SandboxWorld(), Process()
    if before is not None:
        await world.apply(before)
    await run_once(world, process, request)
    world.close()
    return process.history.calls.index(operation)


@pytest.mark.parametrize(
    ("what", "operation"),
    [
        ("gateway description", "create_gateway"),
        ("gateway tags", "create_gateway"),
        ("gateway tags and description", "create_gateway"),
        ("target description", "create_gateway_target"),
        ("provider endpoint", "create_oauth2_credential_provider"),
    ],
)
def test_what_a_lost_creation_added_does_not_linger(what, operation):
    """The answer to a create is not remembered; the next document lacks one of its members, which is cleared."""

    async def job() -> None:
        world, first = SandboxWorld(), provision(with_more(what), "first")
        process = Process.struck(At.NOT_REMEMBERED, await index_of(None, first, operation))
        assert await run_once(world, process, first) is None
        await anyio.sleep(400)
        outcome = await run_until_settled(world, History(), provision(plain(), "second"))
        assert outcome.status is Status.READY
        assert "more" not in str([(r.request, r.tags) for r in world.live.values()])
        assert "rcfg" not in str([r.request for r in world.live.values()])
        assert outcome.warnings == ()
        world.close()

    virtually(job)


@pytest.mark.parametrize(
    ("what", "operation"), [("gateway description", "update_gateway"), ("gateway tags", "tag_resource")]
)
@pytest.mark.parametrize("back", [True, False], ids=["back-to-the-first", "to-a-third"])
def test_what_a_lost_change_added_does_not_linger(what, operation, back):
    """The answer to an update or a tagging is not remembered; the next document has none of it."""

    async def job() -> None:
        world, more = SandboxWorld(), provision(with_more(what), "more")
        await world.apply(plain())
        process = Process.struck(At.NOT_REMEMBERED, await index_of(plain(), more, operation))
        assert await run_once(world, process, more) is None
        await anyio.sleep(400)
        last = plain()
        if not back:
            last["gateways"]["payments"]["targets"]["t"]["description"] = "third"
        outcome = await run_until_settled(world, History(), provision(last, "last"))
        assert outcome.status is Status.READY
        record = world.live["gateway payments"]
        assert "more" not in str((record.request, record.tags))
        world.close()

    virtually(job)


def test_what_an_unfinished_update_added_does_not_linger():
    """The update was answered and the run died before its end; the next document has none of what it added."""

    async def job() -> None:
        world, more = SandboxWorld(), provision(with_more("gateway description"), "more")
        await world.apply(plain())
        index = await index_of(plain(), more, "update_gateway")
        assert await run_once(world, Process.struck(At.BEFORE_SENDING, index + 1), more) is None
        await anyio.sleep(400)
        assert (await run_until_settled(world, History(), provision(plain(), "last"))).status is Status.READY
        assert "description" not in world.live["gateway payments"].request
        world.close()

    virtually(job)


def test_a_secret_that_rotated_after_a_lost_creation_is_applied():
    """The provider was made with the old secret and nobody knows; the next run sends the new one."""

    async def job() -> None:
        world, first = SandboxWorld(), provision(plain(), "first")
        index = await index_of(None, first, "create_oauth2_credential_provider")
        assert await run_once(world, Process.struck(At.NOT_REMEMBERED, index), first) is None
        world.plane.world.secrets.put("payments/idp", json.dumps({"clientSecret": SENTINELS[2]}))
        await anyio.sleep(400)
        assert (await run_until_settled(world, History(), provision(plain(), "second"))).status is Status.READY
        kept = world.plane.world.secrets.find("bedrock-agentcore-identity!default/oauth2/idp")
        assert kept is not None
        assert kept.versions[kept.current] == SENTINELS[2]
        world.close()

    virtually(job)


async def test_a_secret_that_rotates_within_a_run_is_applied_once(world):
    """Between the look at its version and the update the secret rotates; one update is sent, not one after another."""
    await world.apply(plain())
    secrets = world.plane.world.secrets
    secrets.put("payments/idp", json.dumps({"clientSecret": SENTINELS[0], "round": 1}))
    world.sent()
    world.round_trip = 1.0
    outcomes = []

    async def apply() -> None:
        outcomes.append(await world.apply(plain()))

    async with anyio.create_task_group() as group:
        group.start_soon(apply)
        while not world.plane.journal.count()["DescribeSecret"]:  # noqa: ASYNC110 - the journal has no event to wait for
            await anyio.sleep(0.1)
        secrets.put("payments/idp", json.dumps({"clientSecret": SENTINELS[2], "round": 2}))
    assert outcomes[0].status is Status.READY
    assert world.sent() == ["UpdateOauth2CredentialProvider"]
    kept = secrets.find("bedrock-agentcore-identity!default/oauth2/idp")
    assert kept.versions[kept.current] == SENTINELS[2]


@pytest.mark.parametrize("kind", ["gateway", "target"])
async def test_a_slow_creation_that_reads_hide_at_first_is_not_forgotten(world, kind):
    """Reads show it after a while, CREATING for minutes; a removal waits for it and leaves nothing."""
    world.behaviour.durations.visible_after = 15.0
    setattr(world.behaviour.durations, kind, 200.0)
    document = plain()
    for _ in range(60):
        if f"{kind} {'payments' if kind == 'gateway' else 't'}" in world.live:
            break
        await world.run(provision(document, "first"), seconds=40, patience=1)
        await anyio.sleep(1)
    removal = Request(mode=Mode.REMOVE, request_id="removal", stack="payments.tools")
    outcome = await world.run(removal, seconds=900)
    assert outcome.status is Status.DELETED
    assert world.live == {}


async def test_a_retained_target_s_gateway_is_left_with_it_for_good(world):
    """The same document again and again: READY, nothing sent, nothing to complain about."""
    document = {"stack": "s", "gateways": {"g": gateway({"t": mcp_target(gatewright={"deletion": "RETAIN"})})}}
    await world.apply(document)
    world.sent()
    for _ in range(3):
        outcome = await world.apply({"stack": "s"}, allow=frozenset({"gateways.g"}))
        assert outcome.status is Status.READY
    assert world.sent() == []
    assert set(world.live) == {"gateway g", "target t"}


async def test_a_synchronization_goes_on_after_consent(world):
    """Parked for consent it is not finished: delivered again it shows the URL, and after consent it is READY."""
    document = copy.deepcopy(small_stack(1))
    consent = oauth("AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/return")
    document["gateways"]["payments"]["targets"]["target-0"]["credentialProviderConfigurations"] = consent
    outcome = await world.apply(document)
    world.plane.targets.consent.give(outcome.shown()["consents"][0]["authorizationUrl"].rpartition("%3A")[2])
    assert (await world.apply(document)).status is Status.READY
    world.sent()
    request = Request(mode=Mode.SYNCHRONIZE, request_id="sync", stack="payments.tools")
    assert (await world.run(request)).status is Status.AWAITING_CONSENT
    again = await world.run(request)
    url = again.shown()["consents"][0]["authorizationUrl"]
    assert url
    world.plane.targets.consent.give(url.rpartition("%3A")[2])
    assert (await world.run(request)).status is Status.READY
    assert world.sent() == ["SynchronizeGatewayTargets"]


async def test_a_lost_answer_in_the_middle_of_a_run_is_told_from_a_refusal(world):
    """A change whose answers are all lost is looked at, not repeated blindly, and comes again in a later run."""
    await world.apply(plain())
    world.plane.faults.add(Fault("UpdateGateway", Effect.LOST, times=-1))
    assert (await world.apply(with_more("gateway description"))).status is Status.IN_PROGRESS
    world.plane.faults.all.clear()
    assert (await world.apply(with_more("gateway description"))).status is Status.READY
