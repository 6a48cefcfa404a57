"""What becomes of a creation or an update without an answer when the next document wants something else."""

import copy
from functools import partial
from typing import Any

import anyio
import pytest

from infra.sandbox.world import Failure
from tests.crash.harness import At, History, Point, Process, run_once, run_until_settled, unknown_to_ledger
from tests.crash.test_single_faults import quick
from tests.documents import gateway, small_stack
from tests.goals import tried
from tests.worlds import provision, virtually
from workflows.planner.outcome import Status
from workflows.records.operation import Verb
from workflows.records.resource_items import read_record

REGISTRY = {"stack": "payments.tools", "registries": {"catalog": {"description": "one"}}}
#: A dead process holds the stack for as long as its run might have gone on.
LEASE_SECONDS = 400.0
PROVIDER = frozenset({"oauth2CredentialProviders.idp"})


async def index_of(operation: str, document: dict) -> int:
    """Return the place of an operation among the calls of a first apply."""
    process = Process()
    with quick() as world:
        await run_once(world, process, provision(document, "learn"))
    return process.history.calls.index(operation)


def other_client() -> dict:
    document = small_stack(0)
    config = document["oauth2CredentialProviders"]["idp"]["oauth2ProviderConfigInput"]["customOauth2ProviderConfig"]
    config["clientId"] = "another"
    return document


async def updated_in_doubt(at: At, index: int) -> tuple[bool, list[str]]:
    """Create a provider without an answer, update it in a run that is cut off, then leave it out."""
    with quick() as world:
        first = Process.struck(At.NOT_REMEMBERED, await index_of("create_oauth2_credential_provider", small_stack(0)))
        assert await run_once(world, first, provision(small_stack(0), "first")) is None
        await anyio.sleep(LEASE_SECONDS)
        history = History((Point(at, index),))
        await run_once(world, Process(history), provision(other_client(), "second"))
        await anyio.sleep(LEASE_SECONDS)
        bare = small_stack(0)
        del bare["oauth2CredentialProviders"]
        await run_until_settled(world, History(), provision(bare, "third", allow=PROVIDER))
        left = [name for name in world.live if name.startswith("provider")]
        return bool(history.struck), [*left, *await unknown_to_ledger(world)]


def test_r1_what_was_updated_while_its_creation_was_in_doubt_is_known():
    """Wherever the run that updates it is cut off, the provider is not forgotten: left out, it goes."""
    wrong, cases = [], 0
    for at in (At.NOT_REMEMBERED, At.AFTER_WRITE):
        for index in range(40):
            struck, left = virtually(partial(updated_in_doubt, at, index))
            if not struck:
                break
            cases += 1
            wrong += left
    tried("R1", "a creation in doubt, updated by a run that is cut off, then left out", cases, wrong)
    assert cases > 10
    assert wrong == []


@pytest.mark.parametrize("lost", [At.NOT_REMEMBERED, At.ANSWER_LOST, At.LATE])
async def test_r2_an_untagged_creation_without_an_answer_is_known_by_its_token(lost):
    """The next document declares it otherwise: what the earlier token made is found, changed, and can be removed."""
    with quick() as world:
        history = History((Point(lost, await index_of("create_registry", REGISTRY)),))
        await run_once(world, Process(history), provision(REGISTRY, "first"))
        await anyio.sleep(LEASE_SECONDS)
        document: dict[str, Any] = copy.deepcopy(REGISTRY)
        document["registries"]["catalog"]["description"] = "another"
        outcome = await run_until_settled(world, history, provision(document, "second"))
        tried("R2", "an untagged creation without an answer, then declared otherwise", violations=len(world.live) - 1)
        assert outcome.status is Status.READY, [failure.message for failure in outcome.failures]
        assert world.live["registry catalog"].request["description"] == "another"
        assert await unknown_to_ledger(world) == []
        assert (await world.destroy(document)).status is Status.DELETED
        assert world.live == {}


async def test_a_failed_update_gives_way_to_a_replacement():
    """What failed to be updated is not updated again when the next document wants what no update can do."""
    with quick() as world:
        await world.apply(small_stack(0))
        world.plane.world.failing["payments"] = Failure(-1, "internal", frozenset({"UPDATE"}))
        document = small_stack(0)
        document["gateways"]["payments"]["description"] = "new"
        assert (await world.apply(document)).status is Status.FAILED
        document["gateways"]["payments"]["authorizerType"] = "AWS_IAM"
        del document["gateways"]["payments"]["authorizerConfiguration"]
        outcome = await world.apply(document, allow=frozenset({"gateways.payments"}))
        assert outcome.status is Status.READY, [failure.message for failure in outcome.failures]
        assert world.live["gateway payments"].request["authorizerType"] == "AWS_IAM"


async def test_a_failed_synchronization_gives_way_to_a_change():
    """A target whose tools cannot be read is changed first when the document says so, and not synchronized in vain."""
    with quick() as world:
        await world.apply(small_stack(1))
        world.plane.world.failing["target-0"] = Failure(1, "no such host", frozenset({"SYNCHRONIZE"}))
        await world.synchronize("payments.tools")
        record = world.live["target target-0"]
        record.go("SYNCHRONIZE_UNSUCCESSFUL", now=world.plane.world.now)
        world.sent()
        document = small_stack(1)
        target = document["gateways"]["payments"]["targets"]["target-0"]
        target["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"] = "https://other.example.com/mcp"
        assert (await world.apply(document)).status is Status.READY
        assert world.sent() == ["UpdateGatewayTarget"]


async def test_r18_an_untagged_resource_that_reads_hid_for_long_is_known_again():
    """A registry that is hidden for longer than anybody waits is ours when its name turns out to be taken."""
    with quick() as world:
        assert (await world.apply(REGISTRY)).status is Status.READY
        record = world.live["registry catalog"]
        record.visible = world.plane.world.now + 2 * LEASE_SECONDS
        await anyio.sleep(LEASE_SECONDS)
        request = provision(REGISTRY, "again")
        assert (await world.run(request, seconds=100.0, patience=5.0)).status is Status.IN_PROGRESS
        await anyio.sleep(LEASE_SECONDS)
        outcome = await world.run(request)
        tried("R18", "an untagged resource that reads hid for long", violations=len(world.live) - 1)
        assert outcome.status is Status.READY, [failure.message for failure in outcome.failures]
        assert await unknown_to_ledger(world) == []


def described(text: str) -> dict:
    """Return a stack of one target with a description, or with none."""
    document = small_stack(1)
    document["gateways"]["payments"]["targets"]["target-0"] |= {"description": text} if text else {}
    return document


@pytest.mark.parametrize("meanwhile", [described(""), small_stack(0)], ids=["declared", "left out"])
async def test_r18_what_was_declared_of_what_reads_hid_is_cleared_once_it_shows(meanwhile):
    """A target that is hidden for longer than anybody waits is taken for gone; what it holds is known all the same."""
    with quick() as world:
        assert (await world.apply(described("old"))).status is Status.READY
        world.live["target target-0"].visible = world.plane.world.now + 2 * LEASE_SECONDS
        await anyio.sleep(LEASE_SECONDS)
        await world.run(provision(meanwhile, "meanwhile"), seconds=100.0, patience=5.0)
        await anyio.sleep(LEASE_SECONDS)
        outcome = await world.run(provision(described(""), "later"))
        kept = "description" in world.live["target target-0"].request
        tried("R18", "a target that reads hid for long, then declared with less", violations=int(kept))
        assert outcome.status is Status.READY, [failure.message for failure in outcome.failures]
        assert not kept


async def test_r18_a_creation_that_arrives_late_and_is_hidden_then_is_waited_for():
    """It has no answer, takes effect after forty seconds and shows a minute later: left out meanwhile, it goes."""
    with quick() as world:
        world.behaviour.durations.visible_after = 60.0
        document, index = small_stack(0), await index_of("create_gateway", small_stack(0))
        history = History((Point(At.LATE, index), Point(At.BEFORE_SENDING, index + 1)))
        assert await run_once(world, Process(history), provision(document, "first"), seconds=25.0) is None
        del document["gateways"]
        allow = frozenset({"gateways.payments"})
        outcome = await run_until_settled(world, history, provision(document, "second", allow=allow))
        await history.all_arrived()
        await anyio.sleep(100.0)
        left = [name for name in world.live if name.startswith("gateway")]
        tried("R18", "a creation that arrives late and is hidden then", violations=left)
        assert outcome.status is Status.READY
        assert left == []


async def test_r2_tags_of_a_creation_in_doubt_are_set_though_an_update_came_between():
    """Neither it nor an update was heard of; the next document adds a tag: an update sends none, so a call does."""
    bare = {"stack": "s", "gateways": {"g": gateway()}}
    more = {"stack": "s", "gateways": {"g": {**gateway(), "description": "new"}}}
    tagged = {"stack": "s", "gateways": {"g": {**gateway(), "description": "newer", "tags": {"team": "a"}}}}
    with quick() as world:
        dies = Process.struck(At.NOT_REMEMBERED, await index_of("create_gateway", bare))
        assert await run_once(world, dies, provision(bare, "first")) is None
        await anyio.sleep(LEASE_SECONDS)
        for index in range(20):
            if await run_once(world, Process.struck(At.BEFORE_SENDING, index), provision(more, "second")) is None:
                await anyio.sleep(LEASE_SECONDS)
            (item,) = (await world.ledger.query((await world.ledger.partitions())[0], "resource#")).values()
            intent = read_record(item).log.intent
            if intent is not None and intent.verb is Verb.UPDATE:
                break
        assert intent is not None
        assert intent.verb is Verb.UPDATE
        outcome = await run_until_settled(world, History(), provision(tagged, "third"))
        record = world.live["gateway g"]
        lacks = int(record.tags.get("team") != "a")
        tried("R2", "a creation and an update in doubt, then declared with a tag more", violations=lacks)
        assert (outcome.status, lacks, record.request["description"]) == (Status.READY, 0, "newer")
        world.sent()
        await world.apply(tagged, "fourth")
        assert world.sent() == []
