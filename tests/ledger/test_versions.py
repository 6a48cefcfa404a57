"""What an older version wrote is read and gone on with; what a newer one wrote is left alone."""

import json
from pathlib import Path

import pytest

from infra.deadline import Deadline
from infra.ledger import Key, Put
from infra.ledger.sqlite import SqliteLedger
from tests.documents import small_stack
from tests.goals import tried
from tests.worlds import EPOCH, SandboxWorld, provision
from workflows.operating import history
from workflows.planner.outcome import Status
from workflows.records.items import SCHEMA, LedgerTooNew, stack_key
from workflows.service import RequestRef, resume
from workflows.status import stacks

#: Written by the first version: one stack READY, and one whose gateway was being created.
FIRST = json.loads((Path(__file__).parent / "golden" / "first-version.json").read_text("utf-8"))


def pending_stack() -> dict:
    document = small_stack(2)
    gateways = json.dumps({"pending": document["gateways"]["payments"]})
    return {
        "stack": "payments.pending",
        "oauth2CredentialProviders": {"idp-2": document["oauth2CredentialProviders"]["idp"]},
        "gateways": json.loads(gateways.replace("CredentialProviders.idp.", "CredentialProviders.idp-2.")),
    }


async def as_left_by_the_first_version(world: SandboxWorld) -> None:
    """Make the world in which that ledger was written, then put the ledger in place of today's."""
    await world.apply(small_stack(2))
    world.behaviour.durations.gateway = 300
    await world.run(provision(pending_stack(), "under-way"), seconds=60)
    for name in ("idp", "idp-2"):
        created = next(items for items in FIRST.values() if f"resource#oauth2CredentialProviders.{name}" in items)
        known = created[f"resource#oauth2CredentialProviders.{name}"]["created"]
        world.live[f"provider {name}"].created = float(known) - EPOCH.timestamp()
    assert isinstance(world.ledger, SqliteLedger)
    world.ledger.close()
    world.ledger = SqliteLedger()
    for partition, items in FIRST.items():
        for sort, item in items.items():
            await world.ledger.write(Put(Key(partition, sort), item))
    world.sent()


async def test_r22_a_ready_stack_is_known_and_nothing_is_sent(world):
    await as_left_by_the_first_version(world)
    outcome = await world.apply(small_stack(2))
    sent = world.sent()
    tried("R22", "a ledger of the first version, in every use", 1, sent)
    assert outcome.status is Status.READY
    assert sent == []


async def test_r22_what_was_under_way_goes_on(world):
    """By the name of its request, as the state machine of an upgraded deployment does."""
    await as_left_by_the_first_version(world)
    outcome = await resume(world.context(), RequestRef("payments.pending", 1, "under-way"), Deadline.within(600))
    again = world.sent().count("CreateGateway")
    tried("R22", "a ledger of the first version, in every use", 1, again)
    assert (outcome.status, again) == (Status.READY, 0)


async def test_r22_it_can_be_looked_at_and_removed(world):
    await as_left_by_the_first_version(world)
    assert {one["status"] for one in (await stacks(world.ledger)).values()} == {"READY", "IN_PROGRESS"}
    (runs,) = (await history(world.ledger, "payments.tools")).values()
    assert [run["status"] for run in runs] == ["READY"]
    tried("R22", "a ledger of the first version, in every use", 2)
    for document in (small_stack(2), pending_stack()):
        outcome = await world.destroy(document)
        assert (outcome.status, outcome.failures) == (Status.DELETED, [])
    assert world.live == {}


async def test_r22_a_ledger_of_a_newer_version_is_left_alone(world):
    """Nothing is called and nothing is written: the version that knows its words goes on with it."""
    await world.apply(small_stack(1))
    world.sent()
    key = stack_key("123456789012/us-east-1/payments.tools")
    newer = {**(await world.ledger.get(key)), "schema": SCHEMA + 1}
    await world.ledger.write(Put(key, newer))
    with pytest.raises(LedgerTooNew, match="upgrade"):
        await world.apply(small_stack(2))
    sent = world.sent()
    tried("R22", "a ledger of a newer version", 1, sent)
    assert sent == []
    assert await world.ledger.get(key) == newer
