"""A damaged ledger: every fault is one line, and status, forget and `ledger check` still work."""

import json
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.aws import Aws
from infra.clients import open_clients
from infra.deadline import Deadline
from infra.errors import CallFailed, ErrorClass
from infra.ledger import ItemDamaged, Key, Put
from infra.ledger.dynamodb import DynamoLedger
from infra.ledger.packing import PLACE, REST
from infra.ledger.sqlite import SqliteLedger
from infra.redaction import Redaction
from tests.documents import small_stack
from tests.ledger.test_dynamodb import LONG, Table
from tests.twists import TwistedWorld
from tests.worlds import REGION, SandboxWorld
from workflows.document.problems import Invalid
from workflows.ledger_check import faults_of
from workflows.operating import FORGOTTEN, forget, history
from workflows.planner.outcome import Status
from workflows.reconcile.lease import lease_key
from workflows.records.items import resource_key, stack_key
from workflows.requests.request import GREATEST, GREATEST_STATED, read_request
from workflows.status import stacks

PARTITION = "123456789012/us-east-1/payments.tools"
STACK = stack_key(PARTITION)
GATEWAY = resource_key(PARTITION, "gateways.payments")
#: Texts in place of an item: none is a record.
TEXTS = {"no JSON": "{", "no object": "[]", "another record": '{"schema": 3, "requests": 5, "operations": [5]}'}


@pytest.fixture
def world():
    with SandboxWorld() as made:
        yield made


def spoil(world: SandboxWorld, key: Key, text: str) -> None:
    assert isinstance(world.ledger, SqliteLedger)
    world.ledger._db.execute(  # noqa: SLF001 - what no writer writes
        "UPDATE items SET item = ?, plain = NULL WHERE partition = ? AND sort = ?", (text, key.partition, key.sort)
    )


async def forgotten(world: SandboxWorld) -> None:
    said = await forget(world.ledger, "payments.tools", world.context().now())
    assert [text.startswith(FORGOTTEN) for text in said.values()] == [True]


@pytest.mark.parametrize("key", [STACK, GATEWAY], ids=["stack", "resource"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_one_unreadable_item(world: SandboxWorld, key: Key, text: str):
    """A run ends with one line that names the item; the tools say the same, and forget begins anew."""
    stack = small_stack(1)
    await world.apply(stack)
    spoil(world, key, text)
    with pytest.raises(ItemDamaged, match=rf"{key.sort} of {PARTITION} cannot be read"):
        await world.apply(stack, "two")
    shown = (await stacks(world.ledger))[PARTITION]
    assert [key.sort in line for line in shown["damaged"]] == [True]
    assert len(shown["resources"]) == (2 if key == GATEWAY else 3)
    _, faults = await faults_of(world.ledger)
    assert [(fault.partition, fault.item) for fault in faults] == [(PARTITION, key.sort)]
    await forgotten(world)
    world.sent()
    assert (await world.apply(stack, "three")).status is Status.READY
    assert world.sent() == []


async def test_a_run_that_cannot_read_its_records_lets_go_of_the_lease(world):
    """Whoever repairs the item need not wait for anything."""
    await world.apply(small_stack(1))
    item = await world.ledger.get(GATEWAY)
    spoil(world, GATEWAY, "{")
    for _ in range(2):
        with pytest.raises(ItemDamaged):
            await world.apply(small_stack(1), "two")
        lease = await world.ledger.get(lease_key(PARTITION))
        assert lease is not None
        assert lease["holder"] is None
    await world.ledger.write(Put(GATEWAY, item))
    assert (await world.apply(small_stack(1), "two")).status is Status.READY


async def test_damaged_pages_are_one_line_each(tmp_path: Path):
    """Bytes of each page of the file are overwritten: every method works, or raises OSError."""
    source = tmp_path / "ledger.sqlite"
    ledger = SqliteLedger(source)
    with SandboxWorld(ledger=ledger) as world:
        await world.apply(small_stack(40))
        ledger._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # noqa: SLF001 - so that the file is whole
    octets, random, found = source.read_bytes(), Random(5), []
    for page in range(len(octets) // 4096):
        damaged = tmp_path / f"damaged-{page}.sqlite"
        begin = page * 4096 + (100 if page == 0 else 0)
        damaged.write_bytes(octets[:begin] + random.randbytes(2000) + octets[begin + 2000 :])
        found.append(await _raises_only_oserror(damaged))
    assert sum(fault for fault, _ in found) > len(octets) // 4096 // 2
    assert any(partly for _, partly in found)


async def _raises_only_oserror(path: Path) -> tuple[bool, bool]:
    """Use a ledger in every way; return whether its check finds a fault, and whether the status tells of one stack."""
    try:
        ledger = SqliteLedger(path)
    except OSError:
        return True, False
    try:
        for use in (history(ledger, ""), ledger.query(PARTITION), ledger.keys(PARTITION), ledger.get(STACK)):
            with suppress(OSError):
                await use
        shown = {}
        with suppress(OSError):
            shown = await stacks(ledger)
        _, faults = await faults_of(ledger)
        assert not [fault for fault in faults if "\n" in fault.fault]
        return bool(faults), "the file of the ledger is damaged" in str([one["damaged"] for one in shown.values()])
    finally:
        ledger.close()


async def test_a_sound_ledger_has_no_faults(world):
    await world.apply(small_stack(2))
    sound, faults = await faults_of(world.ledger)
    assert (sound > 4, faults) == (True, [])


async def test_a_record_under_another_key_is_found(world):
    await world.apply(small_stack(1))
    item = await world.ledger.get(GATEWAY)
    await world.ledger.write(Put(resource_key(PARTITION, "gateways.other"), item))
    _, faults = await faults_of(world.ledger)
    assert [fault.fault for fault in faults] == ["it is the record of gateways.payments"]


class _Lost(Table):
    """A table whose bucket has lost its objects."""

    async def get_object(self, **params: Any) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": "NoSuchKey", "Message": f"no {params['Key']}"}}, "GetObject")


def _dynamo(table: Table, bucket: str = "bucket") -> DynamoLedger:
    async def client(service: str) -> Table:
        del service
        return table

    return DynamoLedger(Aws(client, REGION), "ledger", bucket)


async def test_a_missing_object_of_the_bucket_is_one_damaged_item():
    """The other items are read, and the keys name them all."""
    table = _Lost()
    ledger = _dynamo(table)
    await ledger.write(Put(Key("p", "a"), {"long": [LONG]}), Put(Key("p", "b"), {"short": 1}))
    with pytest.raises(ItemDamaged, match=r"a of p cannot be read: the object ledger/.* does not exist"):
        await ledger.get(Key("p", "a"))
    assert await ledger.get(Key("p", "b")) == {"short": 1}
    assert await ledger.keys("p") == ["a", "b"]


BROKEN: Mapping[str, Mapping[str, Any]] = {
    "cut JSON": {REST: {"S": '{"a": '}},
    "no compressed data": {REST: {"B": b"none"}},
    "cut data": {REST: {"B": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"}},
    "a place of another type": {PLACE: {"N": "5"}},
    "a list in place of an object": {REST: {"S": "[1]"}},
}


@pytest.mark.parametrize("attributes", BROKEN.values(), ids=BROKEN)
async def test_attributes_of_another_form_are_one_damaged_item(attributes):
    table = Table()
    ledger = _dynamo(table)
    await ledger.write(Put(Key("p", "a"), {"short": {"n": 1}}))
    table.items["p", "a"] = {**table.items["p", "a"], **attributes}
    with pytest.raises(ItemDamaged, match="a of p cannot be read"):
        await ledger.get(Key("p", "a"))


async def test_generations_stay_within_what_every_entry_point_takes(world):
    """A stated generation leaves as many for requests that state none; a ledger beyond them is found."""
    await world.apply(small_stack(1), "great", generation=GREATEST_STATED)
    asked = {"stack": small_stack(1), "generation": GREATEST_STATED + 1}
    with pytest.raises(Invalid):
        read_request("Gateway Stack Requested", asked, default_id="over")
    outcome = await world.apply(small_stack(1), "next")
    assert (outcome.status, outcome.generation) == (Status.READY, GREATEST_STATED + 1)
    assert outcome.generation < GREATEST
    item = await world.ledger.get(STACK)
    await world.ledger.write(Put(STACK, {**item, "generation": GREATEST + 1}))
    _, faults = await faults_of(world.ledger)
    assert ["forget the stack" in fault.fault for fault in faults] == [True]


@pytest.fixture
def twisted():
    with TwistedWorld() as made:
        yield made


async def test_an_account_that_the_environment_states_is_compared(twisted):
    """A variable may be left over from other credentials: nothing is begun, and the line names both accounts."""
    aws = twisted.context().aws
    stated = {"AWS_ACCOUNT_ID": "123456789012", "GATEWRIGHT_ACCOUNT_ID": "999999999999"}
    calls = replace(aws, stated_accounts=stated, known={}).within(Deadline())
    with pytest.raises(CallFailed, match=r"GATEWRIGHT_ACCOUNT_ID says 9{12}, and .* account 123456789012") as failed:
        await calls.account()
    assert failed.value.error_class is ErrorClass.CREDENTIALS
    same = replace(aws, stated_accounts=dict.fromkeys(stated, "123456789012"), known={}).within(Deadline())
    assert await same.account() == "123456789012"


@pytest.mark.parametrize(("function", "known"), [("", None), ("worker", "999999999999")])
async def test_only_a_function_believes_the_account_of_its_settings(monkeypatch, function, known):
    """The template states the account of the function's role; a terminal may have credentials of another one."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME", raising=False)
    if function:
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", function)
    async with AsyncExitStack() as stack:
        aws = await open_clients(stack, Redaction(), account="999999999999")
        assert (aws.known.get("account"), dict(aws.stated_accounts)["GATEWRIGHT_ACCOUNT_ID"]) == (known, "999999999999")


@pytest.mark.real_time
def test_the_command_tells_what_is_damaged(tmp_path, commands):
    """As a table for people, as JSON for programs; the exit code is 1."""
    path = tmp_path / "ledger.sqlite"
    ledger = SqliteLedger(path)
    ledger._db.execute(  # noqa: SLF001 - what no writer writes
        "INSERT INTO items (partition, sort, item) VALUES (?, ?, '{')", (PARTITION, "stack")
    )
    ledger.close()
    done = commands.run(["ledger", "check", "--json", "--ledger", f"sqlite:{path}"], {"HOME": str(tmp_path)})
    assert done.returncode == 1
    assert [fault["item"] for fault in json.loads(done.stdout)["faults"]] == ["stack"]
    people = commands.run(["ledger", "check", "--ledger", f"sqlite:{path}"], {"HOME": str(tmp_path)})
    assert "its text is no JSON object" in people.stdout
    status = commands.run(["status", "--ledger", f"sqlite:{path}"], {"HOME": str(tmp_path)})
    assert (status.returncode, "Traceback" in status.stderr) == (0, False)


async def test_a_query_that_shows_the_same_page_again_ends():
    class Endless(Table):
        async def query(self, **params: Any) -> dict[str, Any]:
            del params
            return {"Items": [], "LastEvaluatedKey": {"_partition": {"S": "p"}, "_sort": {"S": "a"}}}

    with pytest.raises(OSError, match="the same page again"):
        await _dynamo(Endless()).query("p")


#: Values of another type, by sort key and member.
OTHER_TYPES = [
    (GATEWAY, "address", {}), (GATEWAY, "incarnation", "one"), (GATEWAY, "deposed", 5), (STACK, "generation", "two"),
    (STACK, "requests", []), (STACK, "request_id", 7), (STACK, "retained", 3),
    (STACK, "schema", float("inf")),
]  # fmt: skip


@pytest.mark.parametrize(("key", "member", "value"), OTHER_TYPES, ids=lambda one: getattr(one, "sort", str(one)))
async def test_members_of_another_type_are_damage(world: SandboxWorld, key: Key, member: str, value: Any):
    """They are found by the check, and by every run; status shows the rest, and forget works."""
    await world.apply(small_stack(1))
    item = await world.ledger.get(key)
    spoil(world, key, json.dumps({**(item or {}), member: value}))
    with pytest.raises(ItemDamaged):
        await world.apply(small_stack(1), "two")
    _, faults = await faults_of(world.ledger)
    assert [fault.item for fault in faults] == [key.sort]
    assert (await stacks(world.ledger))[PARTITION]["damaged"]
    await forgotten(world)


async def test_a_newer_item_of_one_stack_hides_no_other(world: SandboxWorld):
    await world.apply(small_stack(1))
    await world.apply({"stack": "other", "apiKeyCredentialProviders": {}})
    other = stack_key(PARTITION.replace("payments.tools", "other"))
    item = await world.ledger.get(other)
    spoil(world, other, json.dumps({**(item or {}), "schema": 99}))
    shown = await stacks(world.ledger)
    assert shown[PARTITION]["status"] == "READY"
    assert "form 99" in str(shown[other.partition]["damaged"])


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"status": 5}',
        '{"status": "READY"}',
        '{"finishedAt": "t", "requestId": "", "status": "READY", "reason": "", "calls": []}',
    ],
)
async def test_a_damaged_outcome_hides_no_other(world: SandboxWorld, text: str):
    for request_id in ("one", "two"):
        await world.apply(small_stack(1), request_id)
    first, _ = [sort for sort in await world.ledger.keys(PARTITION) if sort.startswith("run#")]
    spoil(world, Key(PARTITION, first), text)
    sound, damaged = (await history(world.ledger, "payments.tools"))[PARTITION]
    assert (sound["requestId"], first in damaged.get("damaged", "")) == ("two", True)
    assert [fault.item for fault in (await faults_of(world.ledger))[1]] == [first]


async def test_a_damaged_lease_is_forgotten_with_its_stack(world: SandboxWorld):
    await world.apply(small_stack(1))
    spoil(world, lease_key(PARTITION), '{"counter": "x", "death": [null], "holder": "run"}')
    with pytest.raises(ItemDamaged):
        await world.apply(small_stack(1), "two")
    assert "item lease of" in str((await stacks(world.ledger))[PARTITION]["damaged"])
    assert [fault.item for fault in (await faults_of(world.ledger))[1]] == ["lease"]
    await forgotten(world)
    assert (await world.apply(small_stack(1), "three")).status is Status.READY


@pytest.mark.parametrize("member", ["partition", "sort"])
async def test_a_key_that_is_no_text_is_a_fault_of_the_store(world: SandboxWorld, member: str):
    """Nothing can name the item: the check finds it, and every stack is shown, run and forgotten without it."""
    await world.apply(small_stack(1))
    await world.apply({"stack": "other", "apiKeyCredentialProviders": {}})
    assert isinstance(world.ledger, SqliteLedger)
    world.ledger._db.execute(  # noqa: SLF001 - what no writer writes
        f"UPDATE items SET {member} = CAST({member} || X'FF' AS TEXT) "  # noqa: S608 - one of two constants
        "WHERE partition = ? AND sort LIKE 'run#%'",
        (PARTITION,),
    )
    assert ["no UTF-8 text" in fault.fault for fault in (await faults_of(world.ledger))[1]] == [True]
    assert {one["status"] for one in (await stacks(world.ledger)).values()} == {"READY"}
    assert (await history(world.ledger, "payments.tools"))[PARTITION] == []
    assert (await world.apply(small_stack(1), "two")).status is Status.READY
    await forgotten(world)


@pytest.mark.parametrize("key", [STACK, GATEWAY, lease_key(PARTITION)], ids=["stack", "resource", "lease"])
async def test_forget_names_what_lives_on_beside_damage(world: SandboxWorld, key: Key):
    """It is the last moment at which anybody can learn the ids."""
    await world.apply(small_stack(1))
    spoil(world, key, "{")
    (said,) = (await forget(world.ledger, "payments.tools", world.context().now())).values()
    assert str(world.live["target target-0"].id) in said
    assert ("gateways.payments (" in said) == (key != GATEWAY)
    assert ("there may be more: the ledger item" in said) == (key == GATEWAY)
