"""R0: every fault that the sandbox plays does what it says, and how often it says."""

from typing import Any

import anyio
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from infra.sandbox.faults import Effect, Fault
from infra.sandbox.world import Failure
from tests.documents import ROLE
from tests.goals import tried
from tests.worlds import SandboxWorld

MCP = {"mcp": {"mcpServer": {"endpoint": "https://ledger.example.com/mcp"}}}
GATEWAY = {"roleArn": ROLE, "authorizerType": "AWS_IAM"}


async def ended(awaitable) -> str:
    """Return the code of a refusal, `lost` where no answer came, `answered` where one did."""
    try:
        await awaitable
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    except ReadTimeoutError:
        return "lost"
    return "answered"


def names(world: SandboxWorld) -> list[str]:
    return sorted(world.live)


EFFECTS: dict[Effect, tuple[str, int, int]] = {
    # what the caller gets, gateways at once, gateways in the end
    Effect.THROTTLE: ("ThrottlingException", 0, 0),
    Effect.ERROR: ("InternalServerException", 0, 0),
    Effect.LOST: ("lost", 0, 0),
    Effect.LOST_ANSWER: ("lost", 1, 1),
    Effect.REFUSE: ("AccessDeniedException", 0, 0),
    Effect.LATE: ("lost", 0, 1),
    Effect.AGAIN: ("lost", 1, 1),
}


@pytest.mark.parametrize("effect", list(Effect))
async def test_r0_every_effect(world, effect):
    """What the caller meets, whether it took effect, and that the next call meets nothing."""
    world.plane.faults.add(Fault("Create*", effect, code="AccessDeniedException", message="no", seconds=20.0))
    found = await ended(world.client().create_gateway(name="g", **GATEWAY))
    at_once = len(world.live)
    await anyio.sleep(30)
    wrong = [] if (found, at_once, len(world.live)) == EFFECTS[effect] else [f"{effect}: {found}, {names(world)}"]
    wrong += [] if await ended(world.client().create_gateway(name="h", **GATEWAY)) == "answered" else ["played twice"]
    tried("R0", "effects of the sandbox's faults", 1, wrong)
    assert wrong == []


async def test_r0_a_late_request_arrives_at_its_own_moment(world):
    """Also when nobody calls meanwhile; what the service refuses by then has no effect."""
    world.plane.faults.add(Fault("CreateGateway", Effect.LATE, seconds=10.0))
    await ended(world.client().create_gateway(name="g", **GATEWAY))
    await ended(world.client().create_gateway(name="g", **GATEWAY))
    await anyio.sleep(60)
    (record,) = world.live.values()
    assert record.created < 1
    world.plane.faults.add(Fault("CreateGateway", Effect.LATE, seconds=10.0))
    await ended(world.client().create_gateway(name="late", **GATEWAY))
    began = anyio.current_time()
    await anyio.sleep(60)
    assert began + 9 < world.live["gateway late"].created < began + 11
    assert [call.refusal for call in world.plane.journal.calls] == [None, "ConflictException", None]


async def test_r0_faults_wait_their_turn(world):
    """`skip` lets calls pass, `times` ends it, -1 never does, a glob names several."""
    world.plane.faults.add(Fault("CreateGateway", Effect.ERROR, times=1, skip=1))
    world.plane.faults.add(Fault("Get*", Effect.THROTTLE, times=-1))
    client = world.client()
    made = [await ended(client.create_gateway(name=f"g{n}", **GATEWAY)) for n in range(3)]
    read = [await ended(client.get_gateway(gatewayIdentifier="g-0123456789")) for _ in range(3)]
    assert made == ["answered", "InternalServerException", "answered"]
    assert read == ["ThrottlingException"] * 3


async def test_r0_what_is_set_to_fail_fails_so_often(world):
    """An update that fails leaves the old configuration in force, or the new one, as the switch says."""
    client = world.client()
    made = await client.create_gateway(name="g", **GATEWAY)
    address = {"gatewayIdentifier": made["gatewayId"]}
    for keeps, shown in ((True, None), (False, "new")):
        world.behaviour.failed_update_keeps_old = keeps
        await anyio.sleep(5)
        world.plane.world.failing["g"] = Failure(1, "It did not work out", frozenset({"UPDATE"}))
        await client.update_gateway(**address, name="g", description="new", **GATEWAY)
        await anyio.sleep(5)
        failed = await client.get_gateway(**address)
        assert (failed["status"], failed["statusReasons"]) == ("UPDATE_UNSUCCESSFUL", ["It did not work out"])
        assert failed.get("description") == shown
    await client.delete_gateway(**address)
    await anyio.sleep(5)
    assert world.live == {}


async def test_r0_what_is_stuck_never_moves(world):
    world.plane.world.stuck.add("g")
    made = await world.client().create_gateway(name="g", **GATEWAY)
    await anyio.sleep(80_000)
    assert (await world.client().get_gateway(gatewayIdentifier=made["gatewayId"]))["status"] == "CREATING"


async def seen(world: SandboxWorld, seconds: float, step: float = 1.0, name: str = "g") -> list[Any]:
    """Return what lists and gets show of a gateway from its creation on; None: not there."""
    made = await world.client().create_gateway(name=name, **GATEWAY)
    found = []
    for _ in range(int(seconds / step)):
        listed = {one["name"]: one["status"] for one in (await world.client().list_gateways())["items"]}
        got = await ended(world.client().get_gateway(gatewayIdentifier=made["gatewayId"]))
        assert (got == "answered") == (name in listed)
        found.append(listed.get(name))
        await anyio.sleep(step - 2 * world.round_trip)
    return found


async def test_r0_a_fresh_resource_is_not_shown(world):
    """Lists and gets alike, for so long."""
    world.behaviour.durations.visible_after = 60.0
    found = await seen(world, 70, 10)
    assert found == [None] * 6 + ["READY"]


async def test_r0_reads_that_lag(world):
    """They show what was, of what is new, changed and gone."""
    world.behaviour.durations.reads_lag = 5.0
    assert await seen(world, 8) == [None] * 5 + ["CREATING"] * 2 + ["READY"]
    client, (record,) = world.client(), world.live.values()
    address = {"gatewayIdentifier": record.id}
    await client.update_gateway(**address, name="g", description="new", **GATEWAY)
    assert "description" not in await client.get_gateway(**address)
    await anyio.sleep(5.5)
    assert (await client.get_gateway(**address))["status"] == "UPDATING"
    await anyio.sleep(5)
    assert (await client.get_gateway(**address))["description"] == "new"
    await client.delete_gateway(**address)
    await anyio.sleep(3)
    assert world.live == {}
    assert (await client.get_gateway(**address))["status"] == "READY"
    await anyio.sleep(5)
    assert await ended(client.get_gateway(**address)) == "ResourceNotFoundException"


async def test_r0_ready_that_wavers(world):
    """READY shows, then the status before it, then READY for good."""
    world.behaviour.durations.flicker = 3.0
    assert await seen(world, 12) == ["CREATING"] * 2 + ["READY"] * 3 + ["CREATING"] * 3 + ["READY"] * 4


async def test_r0_a_private_endpoint_takes_its_time(world):
    world.behaviour.durations.private_endpoint = 100.0
    world.behaviour.durations.target = 10.0
    client = world.client()
    made = await client.create_gateway(name="g", **GATEWAY)
    await anyio.sleep(5)
    endpoint = {"selfManagedLatticeResource": {"resourceConfigurationIdentifier": "rcfg-0123456789abcdef0"}}
    address = {"gatewayIdentifier": made["gatewayId"]}
    target = await client.create_gateway_target(**address, name="t", targetConfiguration=MCP, privateEndpoint=endpoint)
    await anyio.sleep(100)
    assert (await client.get_gateway_target(**address, targetId=target["targetId"]))["status"] == "CREATING"
    await anyio.sleep(11)
    assert (await client.get_gateway_target(**address, targetId=target["targetId"]))["status"] == "READY"
