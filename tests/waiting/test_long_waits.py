"""Hours of waiting, in milliseconds: slow, throttled and pending targets in one stack."""

import anyio

from infra.sandbox.faults import Effect, Fault
from tests.documents import gateway, mcp_target, oauth, provider
from workflows.planner.outcome import Status

HOUR = 3600.0


async def test_three_hours_of_a_slow_a_throttled_and_a_pending_target(world):
    """A stack whose targets take an hour, are throttled for minutes and wait for a person is READY in the end."""
    world.behaviour.durations.target = HOUR
    world.behaviour.consent_seconds = 2 * HOUR
    consent = oauth("AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/return")
    targets = {"slow": mcp_target(), "pending": mcp_target(credentialProviderConfigurations=consent)}
    document = {
        "stack": "payments.tools",
        "oauth2CredentialProviders": {"idp": provider()},
        "gateways": {"payments": gateway(targets)},
    }
    world.plane.faults.add(Fault("CreateGatewayTarget", Effect.THROTTLE, times=20))
    outcome = await world.apply(document, "request-a")
    assert outcome.status is Status.AWAITING_CONSENT
    await anyio.sleep(HOUR)
    session = outcome.shown()["consents"][0]["authorizationUrl"].rpartition("%3A")[2]
    world.plane.targets.consent.give(session)
    assert (await world.apply(document, "request-a")).status is Status.READY
    assert world.plane.world.now > 3 * HOUR
    assert world.sent().count("CreateGatewayTarget") == 20 + 2
    assert len(world.live) == 4


async def test_a_wait_of_an_hour_takes_few_reads(world):
    """The longer an operation takes, the rarer it is asked about."""
    world.behaviour.durations.target = HOUR
    outcome = await world.apply({"stack": "x", "gateways": {"g": gateway({"a": mcp_target(), "b": mcp_target()})}})
    assert outcome.status is Status.READY
    assert outcome.calls["ListGatewayTargets"] < 350
