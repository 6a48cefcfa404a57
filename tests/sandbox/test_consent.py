"""R0: a person consents, refuses, or does neither; what follows is as the switches say."""

import anyio
import pytest

from infra.sandbox.refusals import Refusal
from infra.sandbox.seed import sow
from tests.contract.places import in_process
from tests.contract.targets import consenting
from tests.goals import tried


@pytest.fixture
async def pending():
    """A target that waits for consent: the service, its address, its session."""
    async with in_process() as service:
        assert service.plane is not None
        sow(service.plane)
        service.plane.behaviour.consent_expires = True
        gateway_id = await service.ready_gateway()
        target_id = await service.target(gateway_id, credentialProviderConfigurations=await consenting(service))
        shown = await service.target_at_rest(gateway_id, target_id)
        session = shown["authorizationData"]["oauth2"]["authorizationUrl"].rpartition("%3A")[2]
        yield service, {"gatewayIdentifier": gateway_id, "targetId": target_id}, session


async def status(service, address) -> str:
    return str((await service.client.get_gateway_target(**address))["status"])


@pytest.mark.parametrize(("hops", "after"), [(True, "CREATING"), (False, "READY")])
async def test_r0_consent_given(pending, hops, after):
    service, address, session = pending
    service.plane.behaviour.consent_hops = hops
    uri = f"urn:ietf:params:oauth:request_uri:{session}"
    body = {"sessionUri": uri, "userIdentifier": {"userId": "gateway"}}
    assert service.plane.answer_neighbour("bedrock-agentcore", "CompleteResourceTokenAuth", body) == {}
    found = await status(service, address)
    tried("R0", "consent in the sandbox: given, refused, expired, unknown", 1, int(found != after))
    assert found == after
    await anyio.sleep(5)
    assert await status(service, address) == "READY"
    with pytest.raises(Refusal, match="unknown or has expired"):
        service.plane.targets.consent.give(session)


@pytest.mark.parametrize(("fails", "after"), [(True, "FAILED"), (False, "CREATE_PENDING_AUTH")])
async def test_r0_consent_refused(pending, fails, after):
    """The session is of no more use, whether the status says so at once or when it ends."""
    service, address, session = pending
    service.plane.behaviour.denial_fails = fails
    service.plane.targets.consent.deny(session)
    found = await status(service, address)
    tried("R0", "consent in the sandbox: given, refused, expired, unknown", 1, int(found != after))
    assert found == after
    with pytest.raises(Refusal):
        service.plane.targets.consent.give(session)
    await anyio.sleep(601)
    shown = await service.client.get_gateway_target(**address)
    assert (shown["status"], len(shown["statusReasons"])) == ("FAILED", 1)
    assert "authorizationData" not in shown


@pytest.mark.parametrize(("expires", "after"), [(True, "FAILED"), (False, "CREATE_PENDING_AUTH")])
async def test_r0_consent_expired(pending, expires, after):
    """Also when nobody looked meanwhile: the session began when the target came to wait."""
    service, address, _ = pending
    service.plane.behaviour.consent_expires = expires
    made = await service.client.create_gateway_target(
        gatewayIdentifier=address["gatewayIdentifier"],
        name="another",
        targetConfiguration=service.mcp(),
        credentialProviderConfigurations=(await service.client.get_gateway_target(**address))[
            "credentialProviderConfigurations"
        ],
    )
    await anyio.sleep(602)
    found = await status(service, {**address, "targetId": made["targetId"]})
    tried("R0", "consent in the sandbox: given, refused, expired, unknown", 1, int(found != after))
    assert found == after
    for record in service.plane.world.records.live("target"):
        if "consent" in record.extra:
            with pytest.raises(Refusal):
                service.plane.targets.consent.give(record.extra["consent"]["session"])
