"""What only a sandbox shows, and what the worker knows of the service model."""

import anyio
import pytest
from botocore.exceptions import ClientError

from workflows.kinds import KINDS
from workflows.kinds.gateway_target import GATEWAY_TARGET


async def refusal(awaitable) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        await awaitable
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


async def test_r0_rates_are_limited(world):
    """Beyond a burst of two seconds' worth, calls are refused; the next second brings the next ten."""
    world.round_trip = 0.0
    quick = world.client()
    codes = []
    for _ in range(25):
        codes.append((await refusal(quick.get_gateway(gatewayIdentifier="nothing-0123456789")))[0])
    assert codes == ["ResourceNotFoundException"] * 20 + ["ThrottlingException"] * 5
    await anyio.sleep(1)
    code, _ = await refusal(quick.get_gateway(gatewayIdentifier="nothing-0123456789"))
    assert code == "ResourceNotFoundException"


def test_every_status_of_the_model_has_a_meaning():
    """A status that the service model gains must be given a meaning before it is met."""
    for kind in KINDS:
        status = kind.response.members.get("status")
        assert set(kind.statuses) == set(status.enum if status is not None else ()), kind.noun


def test_every_declarable_member_is_one_of_the_model():
    """What can be declared is exactly what create and update take, less what is filled in."""
    assert "targetConfiguration" in GATEWAY_TARGET.declarable.members
    assert not set(GATEWAY_TARGET.declarable.members) & {"name", "clientToken", "gatewayIdentifier", "targetId"}
