"""Consent parks a target and nothing else; given, it goes on; never is a pending target touched."""

import anyio
import pytest

from infra.sandbox.behaviour import Behaviour
from tests.crash.harness import At, Process, run_once
from tests.documents import ROLE, mcp_target, oauth, small_stack
from tests.goals import tried
from tests.worlds import SandboxWorld, provision
from workflows.planner.outcome import ResourceStatus, Status

TARGET = "gateways.payments.targets.target-0"


def consent_stack() -> dict:
    document = small_stack(2)
    document["gateways"]["payments"]["targets"]["target-0"]["credentialProviderConfigurations"] = oauth(
        "AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/return"
    )
    return document


def session_of(outcome) -> str:
    (consent,) = outcome.shown()["consents"]
    assert consent["resource"] == TARGET
    return str(consent["authorizationUrl"].rpartition("%3A")[2])


@pytest.fixture(params=[True, False], ids=["hops", "ready-at-once"])
def world(request):
    made = SandboxWorld(Behaviour(consent_hops=request.param))
    yield made
    made.close()


async def test_a_target_awaits_consent_and_its_neighbours_are_ready(world):
    """The outcome holds the URL and who must consent; everything else is READY."""
    outcome = await world.apply(consent_stack())
    assert outcome.status is Status.AWAITING_CONSENT
    statuses = {result.address: result.status for result in outcome.results}
    assert statuses.pop(TARGET) is ResourceStatus.AWAITING_CONSENT
    assert set(statuses.values()) == {ResourceStatus.READY}
    assert outcome.shown()["consents"][0]["authorizationUrl"].startswith("https://")


async def test_nothing_is_sent_to_a_pending_target(world):
    """Applied again, also with another description, the pending target gets no call."""
    document = consent_stack()
    await world.apply(document)
    world.sent()
    assert (await world.apply(document)).status is Status.AWAITING_CONSENT
    document["gateways"]["payments"]["targets"]["target-0"]["description"] = "changed"
    assert (await world.apply(document)).status is Status.AWAITING_CONSENT
    assert world.sent() == []


async def test_the_same_request_goes_on_after_consent(world):
    """Consent given, the request delivered again ends READY without a change."""
    document = consent_stack()
    outcome = await world.apply(document, "request-a")
    world.plane.targets.consent.give(session_of(outcome))
    world.sent()
    assert (await world.apply(document, "request-a")).status is Status.READY
    assert world.sent() == []


async def test_an_unchanged_document_never_updates_a_consented_target(world):
    """An update would ask for consent again, so an unchanged document sends none, with the ledger and without."""
    document = consent_stack()
    outcome = await world.apply(document)
    world.plane.targets.consent.give(session_of(outcome))
    assert (await world.apply(document)).status is Status.READY
    world.sent()
    for _ in range(3):
        assert (await world.apply(document)).status is Status.READY
    assert world.sent() == []


@pytest.mark.parametrize("fails", [True, False])
async def test_expired_consent_is_asked_for_again(world, fails):
    """A session that nobody used fails the target, or leaves it pending; the next apply hands out a new URL."""
    world.behaviour.consent_expires = fails
    document = consent_stack()
    first = session_of(await world.apply(document))
    await anyio.sleep(world.behaviour.consent_seconds + 1)
    outcome = await world.apply(document)
    assert outcome.status is Status.AWAITING_CONSENT
    assert session_of(outcome) != first


async def test_removal_waits_for_consent_or_its_end(world):
    """Where a pending target takes neither deletion nor update, the removal waits until the session has ended."""
    world.behaviour.pending_takes_updates, world.behaviour.consent_expires = False, True
    document = consent_stack()
    await world.apply(document)
    outcome = await world.destroy(document)
    assert outcome.status is Status.IN_PROGRESS
    assert outcome.retry_after > 0
    await anyio.sleep(world.behaviour.consent_seconds + 1)
    assert (await world.destroy(document)).status is Status.DELETED
    assert world.live == {}


async def test_a_static_tool_schema_needs_no_consent(world):
    """With mcpToolSchema the target is READY without a person, and is never synchronized."""
    document = consent_stack()
    target = document["gateways"]["payments"]["targets"]["target-0"]
    target["targetConfiguration"]["mcp"]["mcpServer"]["mcpToolSchema"] = {"inlinePayload": '{"tools": []}'}
    assert (await world.apply(document)).status is Status.READY
    world.sent()
    outcome = await world.synchronize("payments.tools")
    assert outcome.status is Status.READY
    assert world.sent() == ["SynchronizeGatewayTargets"]
    reason = next(result.reason for result in outcome.results if result.address == TARGET)
    assert reason == "skipped: a target with a static tool schema does not synchronize"


def told(world) -> list[str]:
    return [kind.removeprefix("Gateway Stack ") for kind, _ in world.announced]


async def test_that_a_person_is_awaited_is_told_once(world):
    """A state machine looks every half minute; people hear of it once, and again when there is another URL."""
    request = provision(consent_stack(), "one")
    for _ in range(5):
        outcome = await world.run(request)
        assert (outcome.status, outcome.retry_after) == (Status.AWAITING_CONSENT, 30.0)
    assert told(world) == ["Accepted", "Awaiting Consent"]


async def test_consent_that_nobody_gives_is_given_up(world):
    """After the stack's own time the request has failed, by name of who did not act; a new request asks anew."""
    document = {**consent_stack(), "consentTimeoutSeconds": 300}
    request = provision(document, "one")
    assert (await world.run(request)).status is Status.AWAITING_CONSENT
    await anyio.sleep(301)
    outcome = await world.run(request)
    assert outcome.status is Status.FAILED
    (failure,) = outcome.failures
    assert (failure.resource, failure.code, failure.actor) == (TARGET, "ConsentTimeout", "END_USER")
    assert (await world.apply(document)).status is Status.AWAITING_CONSENT


async def test_consent_that_nobody_gives_rolls_back_where_that_is_declared(world):
    """The pending session ends by itself; then what was made is removed."""
    document = {**consent_stack(), "consentTimeoutSeconds": 300, "onFailure": "ROLLBACK"}
    request = provision(document, "one")
    await world.run(request)
    await anyio.sleep(301)
    for _ in range(60):
        outcome = await world.run(request, seconds=90, patience=30)
        if outcome.status is not Status.IN_PROGRESS:
            break
        await anyio.sleep(outcome.retry_after)
    assert outcome.status is Status.ROLLED_BACK
    assert world.live == {}


async def test_a_new_url_is_told_while_something_else_goes_on(world):
    """Sessions end after ten minutes; each URL is announced at once, whatever else the stack waits for."""
    world.behaviour.durations.harness = 1500.0
    document = {**consent_stack(), "harnesses": {"h": {"executionRoleArn": ROLE}}}
    asked: dict[str, float] = {}
    for _ in range(200):
        outcome = await world.run(provision(document, "one"), seconds=60, patience=1)
        for consent in outcome.asking.values():
            asked.setdefault(str(consent["authorizationUrl"]), anyio.current_time())
        if outcome.status is not Status.IN_PROGRESS:
            break
        await anyio.sleep(outcome.retry_after or 5.0)
    urls = [consent["authorizationUrl"] for _, one in world.announced for consent in one.get("consents", [])]
    assert len(asked) == 3
    assert set(asked) == set(urls)
    going_on = [one for kind, one in world.announced if kind == "Gateway Stack In Progress"]
    assert {consent["authorizationUrl"] for one in going_on for consent in one["consents"]} >= set(list(asked)[:2])


async def test_a_default_that_an_update_leaves_asks_for_no_consent_for_ever(world):
    """A member left the document whose last setting was in doubt; where it stood, the service shows its own default."""
    plain, dynamic = small_stack(1), small_stack(1)
    dynamic["gateways"]["payments"]["targets"]["target-0"]["targetConfiguration"]["mcp"]["mcpServer"]["listingMode"] = (
        "DYNAMIC"
    )
    await world.apply(plain, "one")
    learnt = Process()
    with SandboxWorld() as other:
        await other.apply(plain, "one")
        await run_once(other, learnt, provision(dynamic, "two"))
    dies = Process.struck(At.NOT_REMEMBERED, learnt.history.calls.index("update_gateway_target"))
    assert await run_once(world, dies, provision(dynamic, "two")) is None
    await anyio.sleep(400.0)
    assert (await world.apply(dynamic, "two")).status is Status.READY
    asked = 0
    for _ in range(6):
        outcome = await world.apply(consent_stack(), "three")
        if outcome.status is not Status.AWAITING_CONSENT:
            break
        asked += 1
        world.plane.targets.consent.give(session_of(outcome))
        await anyio.sleep(60.0)
    tried(
        "R15",
        "consent to an update that leaves the service's default",
        violations=int(outcome.status is not Status.READY),
    )
    assert outcome.status is Status.READY
    assert asked <= 2


def several(**options: dict) -> dict:
    """Targets that each ask for consent."""
    document, asks = small_stack(0), oauth("AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/return")
    document["gateways"]["payments"]["targets"] = {
        name: mcp_target(credentialProviderConfigurations=asks, **more) for name, more in options.items()
    }
    return document


def give_one(world, outcome) -> None:
    world.plane.targets.consent.give(outcome.shown()["consents"][0]["authorizationUrl"].rpartition("%3A")[2])


async def test_r15_everybody_has_the_time_to_consent(world):
    """Who is asked only after another one consented, late, is told and has as long."""
    after = {"gatewright": {"dependsOn": ["gateways.payments.targets.first"]}}
    document = {**several(first={}, second=after), "consentTimeoutSeconds": 600}
    outcome = await world.apply(document, "one")
    await anyio.sleep(590)
    give_one(world, outcome)
    await anyio.sleep(20)
    outcome = await world.apply(document, "one")
    told = [detail["consents"][0]["resource"] for _, detail in world.announced if detail.get("consents")]
    tried("R15", "one consent after another", violations=int(outcome.status is not Status.AWAITING_CONSENT))
    assert outcome.status is Status.AWAITING_CONSENT
    assert told[-1] == "gateways.payments.targets.second"
    await anyio.sleep(620)
    (failure,) = (await world.apply(document, "one")).failures
    assert (failure.resource, failure.code) == ("gateways.payments.targets.second", "ConsentTimeout")


async def test_r15_each_url_is_told_once(world):
    """However many others consent before."""
    document = several(a={}, b={}, c={}, d={})
    outcome = await world.apply(document, "one")
    for _ in range(4):
        give_one(world, outcome)
        await anyio.sleep(30)
        outcome = await world.apply(document, "one")
    assert outcome.status is Status.READY
    waiting = [detail for kind, detail in world.announced if kind == "Gateway Stack Awaiting Consent"]
    tried("R15", "four people who consent one after the other", 4, len(waiting) - 1)
    assert len(waiting) == 1


async def test_consent_is_not_asked_for_again_because_of_the_services_own_form(world):
    """It shows the names of headers in lower case: nothing is sent because of that."""
    document = several(t={"metadataConfiguration": {"allowedRequestHeaders": ["X-Team"]}})
    sent = []

    async def lower() -> None:
        while True:
            for name, record in world.live.items():
                if name == "target t":
                    record.request["metadataConfiguration"] = {"allowedRequestHeaders": ["x-team"]}
            await anyio.sleep(0.05)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lower)
        for _ in range(5):
            outcome = await world.apply(document, "one")
            sent += world.sent()
            if outcome.status is Status.AWAITING_CONSENT:
                give_one(world, outcome)
            await anyio.sleep(60)
        tasks.cancel_scope.cancel()
    assert outcome.status is Status.READY
    assert "shown-otherwise" in {one["rule"] for one in outcome.shown()["warnings"]}
    assert "UpdateGatewayTarget" not in sent
