"""The fault proxy: each fault does what its name says, and a client sees what it would see of a real connection."""

import json
from collections import Counter
from random import Random
from typing import Any

import anyio
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from multidict import CIMultiDict
from yarl import URL

from infra.service_model import CONTROL_PLANE
from tests.documents import gateway, mcp_target
from tests.soak import spoiling
from tests.soak.behind import Served
from tests.soak.faults import ON_TABLE, ON_WIRE, Fault, fitting
from tests.soak.proxy import SELDOM, Proxy, Weather
from tests.soak.striking import DO
from tests.soak.wire import Asked, Defect, Reply, WireClient, open_wire
from tests.worlds import SandboxWorld

_NOTHING = (ConnectionClosedError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError)


class Struck(Weather):
    """A weather of one fault, a number of times."""

    def __init__(self, fault: Fault, times: int = 1, seed: int = 0) -> None:
        super().__init__(Random(seed), 0.0, Counter())
        self.fault, self.times = fault, times

    def meets(self, asked: Asked) -> Fault | None:
        if self.times == 0 or self.fault not in fitting(asked):
            return None
        self.times -= 1
        return self.fault


class Line:
    """A world, and a client of it whose next fitting request meets a fault."""

    def __init__(self, world: SandboxWorld) -> None:
        self.world = world
        self.served = Served(world.plane)

    async def call(self, fault: Fault | None, method: str, *, seed: int = 0, **params: Any) -> Any:
        """Return the answer, or the exception that a caller sees."""
        await open_wire()
        weather = Struck(fault or Fault.SLOW, 1 if fault else 0, seed)
        proxy = Proxy(self.served.answer, weather, plane=self.world.plane)
        try:
            found = await getattr(WireClient(CONTROL_PLANE, proxy.carry), method)(**params)
            assert fault is None or weather.times == 0
        except Exception as error:  # noqa: BLE001 - what a caller sees
            return error
        return found

    async def make(self, fault: Fault | None = None, *, seed: int = 0, name: str = "payments") -> Any:
        body = {member: value for member, value in gateway().items() if member != "targets"}
        return await self.call(fault, "create_gateway", seed=seed, name=name, **body)

    @property
    def made(self) -> int:
        return len(list(self.world.plane.world.records.live("gateway")))


@pytest.fixture
def line(world: SandboxWorld) -> Line:
    return Line(world)


async def test_every_fault_is_carried_out_somewhere():
    assert set(DO) == set(Fault) == {*ON_WIRE, *ON_TABLE}


async def test_without_a_fault_a_client_sees_what_the_service_shows(line):
    made = await line.make()
    shown = await line.call(None, "get_gateway", gatewayIdentifier=made["gatewayId"])
    assert (made["ResponseMetadata"]["HTTPStatusCode"], shown["name"], line.made) == (202, "payments", 1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("fault", "made"),
    [
        (Fault.DROPPED, 0),
        (Fault.RESET, 0),
        (Fault.RESET_AFTER, 1),
        (Fault.CUT, 1),
    ],
)
async def test_a_connection_that_fails_is_one_exception_of_the_client(line, fault, made, seed):
    """Before the request took effect, or after it."""
    assert isinstance(await line.make(fault, seed=seed), _NOTHING)
    assert line.made == made


@pytest.mark.parametrize(
    ("fault", "code", "made"),
    [
        (Fault.THROTTLED, {"ThrottlingException"}, 0),
        (Fault.EXPIRED, {"ExpiredTokenException"}, 0),
        (Fault.SKEWED, {"InvalidSignatureException", "RequestTimeTooSkewed", "RequestExpired"}, 0),
    ],
)
async def test_a_refusal_of_the_caller_is_read_as_one(line, fault, code, made):
    found = await line.make(fault)
    assert isinstance(found, ClientError)
    assert (found.response["Error"]["Code"] in code, line.made) == (True, made)


@pytest.mark.parametrize(("fault", "made"), [(Fault.TROUBLE, 0), (Fault.TROUBLE_AFTER, 1)])
async def test_trouble_at_the_service_has_or_has_no_effect(line, fault, made):
    """Whatever its body is: some are no JSON objects, which botocore cannot read."""
    for seed in range(8):
        line.world.plane.world.records._places.clear()  # noqa: SLF001 - an account of its own for each
        found = await line.make(fault, seed=seed)
        assert isinstance(found, Exception)
        assert line.made == made


async def test_a_late_request_takes_effect_after_its_caller_gave_it_up(line):
    """The caller waits for its own timeout; five to forty seconds later the request is there."""
    began = anyio.current_time()
    assert isinstance(await line.make(Fault.LATE), ReadTimeoutError)
    assert (round(anyio.current_time() - began), line.made) == (20, 0)
    await anyio.sleep(41.0)
    assert line.made == 1


async def test_a_slow_answer_comes_or_comes_too_late(line):
    """Both happen, and the request takes effect either way."""
    found = [await line.make(Fault.SLOW, seed=seed, name=f"gateway-{seed}") for seed in range(12)]
    assert {type(one) for one in found} == {dict, ReadTimeoutError}
    assert line.made == 12


@pytest.mark.parametrize("fault", [Fault.EMPTY, Fault.PAGE, Fault.CUT_JSON])
async def test_an_answer_with_200_that_says_nothing(line, fault):
    """No member of it can be read, or the client cannot read it at all."""
    made = await line.make()
    for seed in range(6):
        found = await line.call(fault, "get_gateway", seed=seed, gatewayIdentifier=made["gatewayId"])
        assert isinstance(found, Exception) or "gatewayId" not in found


async def test_a_list_lacks_one_entry(line):
    for number in range(3):
        await line.make(name=f"gateway-{number}")
    found = await line.call(Fault.LACKS, "list_gateways")
    again = await line.call(None, "list_gateways")
    assert (len(found["items"]), len(again["items"])) == (2, 3)


async def test_what_exists_is_denied_once(line):
    made = await line.make()
    weather = Weather(Random(0), 1.0 * SELDOM, Counter(), frozenset({Fault.NOT_FOUND}))
    client: Any = WireClient(CONTROL_PLANE, Proxy(line.served.answer, weather, plane=line.world.plane).carry)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        await client.get_gateway(gatewayIdentifier=made["gatewayId"])
    assert (await client.get_gateway(gatewayIdentifier=made["gatewayId"]))["name"] == "payments"
    assert weather.met == {"wire: 404 once": 1}


@pytest.mark.parametrize("seed", range(4))
async def test_an_update_without_effect_is_answered_like_one_with_effect(line, seed):
    """What is read afterwards is what was there before; its time is another, or the same."""
    made = await line.make()
    await anyio.sleep(10.0)
    before = await line.call(None, "get_gateway", gatewayIdentifier=made["gatewayId"])
    body = {member: value for member, value in gateway().items() if member != "targets"}
    asked = {"gatewayIdentifier": made["gatewayId"], "name": "payments", **body, "description": "another"}
    answer = await line.call(Fault.WITHOUT_EFFECT, "update_gateway", seed=seed, **asked)
    after = await line.call(None, "get_gateway", gatewayIdentifier=made["gatewayId"])
    assert (answer["description"], answer["status"]) == ("another", "UPDATING")
    for shown in (before, after):
        shown.pop("ResponseMetadata")
    advanced = before.pop("updatedAt") != after.pop("updatedAt")
    assert before == after
    assert (advanced, line.world.plane.journal.calls[-2].operation) == (seed in (1, 3), "UpdateGateway")


async def test_a_synchronization_without_effect_leaves_the_target(line):
    made = await line.make()
    await anyio.sleep(10.0)
    target = await line.call(
        None, "create_gateway_target", gatewayIdentifier=made["gatewayId"], name="t", **mcp_target()
    )
    await anyio.sleep(10.0)
    asked = {"gatewayIdentifier": made["gatewayId"], "targetIdList": [target["targetId"]]}
    answer = await line.call(Fault.WITHOUT_EFFECT, "synchronize_gateway_targets", **asked)
    (record,) = line.world.plane.world.records.live("target")
    assert (answer["targets"][0]["status"], record.status) == ("SYNCHRONIZING", "READY")


def test_wrong_json_is_of_another_type_in_one_place():
    """Every place is met at some time, the whole of an answer too."""
    before: dict[str, Any] = {"items": [{"name": "a", "size": 1}], "more": True}
    kinds: set[str] = set()
    for seed in range(200):
        spoilt = spoiling.odd(Random(seed), Reply(200, {}, json.dumps(before).encode())).body
        assert spoilt != json.dumps(before).encode()
        after = json.loads(spoilt)
        if not isinstance(after, dict):
            kinds.add(type(after).__name__)
        else:
            kinds |= {name for name in before if json.dumps(after.get(name)) != json.dumps(before[name])}
    assert {"items", "more", "list", "NoneType"} < kinds


async def test_a_defect_of_the_soak_itself_is_no_fault_of_a_connection():
    """The client library would take it for one, and the worker would ride it out."""

    async def broken(_: Asked) -> Reply:
        raise ZeroDivisionError

    await open_wire()
    client: Any = WireClient(CONTROL_PLANE, broken)
    with pytest.raises(Defect):
        await client.list_gateways()


def test_the_weather_is_fair_and_ends():
    """Every kind that a life has is met where it fits, no more often than its rate; without a rate none is."""
    asked = _asked("UpdateGateway")
    weather = Weather(Random(0), 0.3, Counter())
    found = Counter(weather.meets(asked) for _ in range(5_000))
    assert set(found) == {None, *fitting(asked)}
    assert 0.65 < found[None] / 5_000 < 0.75
    seldom = Counter(weather.meets(_asked("GetGateway")) for _ in range(5_000))
    assert 0.87 < seldom[None] / 5_000 < 0.93
    weather.kinds = frozenset({Fault.WITHOUT_EFFECT, Fault.CONFLICT})
    assert {weather.meets(asked) for _ in range(100)} == {None, Fault.WITHOUT_EFFECT}
    weather.rate = 0.0
    assert {weather.meets(asked) for _ in range(100)} == {None}


def _asked(operation: str, service: str = CONTROL_PLANE) -> Asked:
    return Asked(service, operation, "PUT", URL("https://example.com/gateways/x"), CIMultiDict(), b"{}")
