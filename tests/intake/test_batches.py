"""R8: of a batch exactly what failed comes again, in the batch's order, and a group of a FIFO queue keeps its own."""

import json
from collections import Counter

import pytest

from handlers import environment, sqs
from handlers.environment import Environment
from handlers.sqs import take
from infra.deadline import Deadline
from infra.settings import read_settings
from tests.goals import tried
from tests.intake.batches import (
    HOPELESS,
    STANDARD,
    Graves,
    Queue,
    TornLedger,
    broken,
    deployed,
    record,
    refused,
    request,
)
from tests.slices import sliced
from tests.worlds import SandboxWorld
from workflows.requests.request import NotARequest

pytestmark = pytest.mark.sweep

PATTERNS = range(2**10)
_SHARES = 4


@pytest.fixture
def world():
    made = SandboxWorld(ledger=TornLedger())
    yield made
    made.close()


def poisoned(pattern: int) -> list[bool]:
    return [bool(pattern >> place & 1) for place in range(10)]


def poison(pattern: int, place: int, request_id: str) -> object:
    """A body that fails: one of those that are no requests, or one whose run raises."""
    kinds = [*HOPELESS[:3], broken(request_id)]
    return kinds[(pattern + place) % len(kinds)]


def answered(world: SandboxWorld) -> Counter[str]:
    """How often each request was answered."""
    return Counter(detail["requestId"] for kind, detail in world.announced if kind == "Gateway Stack Rejected")


@pytest.mark.parametrize("share", range(_SHARES))
async def test_r8_every_pattern_of_poison_in_a_batch_of_ten(world, share):
    """What is poisoned comes again and nothing else does; what is not was answered, once."""
    context, wrong, patterns = deployed(world), [], sliced(PATTERNS[share::_SHARES], 8, share)
    for pattern in patterns:
        bad = poisoned(pattern)
        ids = [f"p{pattern}-{place}" for place in range(10)]
        bodies = [poison(pattern, n, ids[n]) if bad[n] else refused(ids[n]) for n in range(10)]
        world.announced.clear()
        found = await take(context, [record(*one) for one in zip(ids, bodies, strict=True)], Deadline.within(600))
        expected = [name for name, poisonous in zip(ids, bad, strict=True) if poisonous]
        done = Counter(name for name in ids if name not in expected)
        wrong += [pattern] if found != expected or answered(world) != done else []
    tried("R8", "every pattern of poison in a batch of ten", len(patterns), wrong)
    assert wrong == []


@pytest.mark.parametrize("buries", [False, True], ids=["no dead-letter queue", "a dead-letter queue"])
@pytest.mark.parametrize("share", range(_SHARES))
async def test_r8_every_pattern_of_poison_in_a_batch_of_a_fifo_queue(world, share, buries):
    """What follows in a group waits, untouched, for what comes again before it; nobody waits for what was buried."""
    context, wrong = deployed(world, Graves() if buries else None), []
    patterns = sliced(PATTERNS[share::_SHARES], 8, share, buries)
    for pattern in patterns:
        bad, groups = poisoned(pattern), [f"group-{n * (1 + pattern % 3) % 4}" for n in range(10)]
        ids = [f"p{pattern}-{place}" for place in range(10)]
        bodies = [poison(pattern, n, ids[n]) if bad[n] else refused(ids[n]) for n in range(10)]
        world.announced.clear()
        batch = [record(*one) for one in zip(ids, bodies, groups, strict=True)]
        found = await take(context, batch, Deadline.within(600))
        expected: list[str] = []
        blocked = set()
        for name, body, group, poisonous in zip(ids, bodies, groups, bad, strict=True):
            if group in blocked or (poisonous and (not buries or body == broken(name))):
                expected.append(name)
                blocked.add(group)
        done = Counter(n for n, poisonous in zip(ids, bad, strict=True) if not poisonous and n not in expected)
        wrong += [pattern] if found != expected or answered(world) != done else []
    tried("R8", "every pattern of poison in a batch of ten of a FIFO queue", len(patterns), wrong)
    assert wrong == []


async def test_r8_a_group_of_a_standard_queue_has_no_order(world):
    """A fair queue names groups, too; nothing in it waits for another message."""
    batch = [record("a", "{", "g"), record("b", refused("b"), "g")]
    for one in batch:
        one["eventSourceARN"] = STANDARD
    found = await take(deployed(world), batch, Deadline.within(60))
    tried("R8", "groups that have no order", 1, found != ["a"])
    assert found == ["a"]
    assert answered(world) == {"b": 1}


async def test_r8_runs_that_are_ready_raise_or_take_long_in_one_batch(world):
    """Real runs: two become READY, one raises, one is not settled in time; the last two come again."""
    world.behaviour.durations.gateway = 30
    batch = [record(name, request(name, name)) for name in ("one", "two")]
    batch += [record("torn", broken("torn")), record("slow", request("slow", "slow"))]
    context = deployed(world)
    assert await take(context, batch[:2], Deadline.within(600)) == []
    world.behaviour.durations.gateway = 3000
    found = await take(context, batch, Deadline.within(600, patience=5))
    tried("R8", "runs that are ready, raise or take long, in one batch", 4, found != ["torn", "slow"])
    assert found == ["torn", "slow"]


@pytest.mark.parametrize("fifo", [False, True], ids=["standard", "fifo"])
@pytest.mark.parametrize("closed", [False, True], ids=["buries", "cannot bury"])
async def test_r8_poison_ends_in_the_dead_letter_queue_and_never_loops(world, fifo, closed):
    """Each is put there by the worker with its reason or, where that fails, by the queue; the rest is answered."""
    # What no queue takes cannot be buried; in a group it would hold the others until they are spent with it.
    hopeless = [body for body in HOPELESS if body != "\ud800" or not fifo]
    bodies = {f"bad-{n}": body for n, body in enumerate(hopeless)} | {"bad-torn": broken("bad-torn")}
    bodies = {**bodies, **{f"good-{n}": refused(f"good-{n}") for n in range(13)}}
    groups = {name: f"group-{n % 3}" for n, name in enumerate(bodies)} if fifo else {}
    graves = Graves(closed=closed)
    queue, context = Queue(bodies, groups), deployed(world, graves)
    await queue.drain(lambda batch: take(context, batch, Deadline.within(600)))
    ends = {"buried": len(graves.bodies), "moved": len(queue.moved)}
    wrong = [name for name in bodies if queue.counts[name] > queue.most + 1]
    tried("R8", "poison that ends in the dead-letter queue", len(bodies), wrong)
    assert wrong == []
    assert queue.rounds < 100
    assert sum(ends.values()) >= len(hopeless) + 1
    if not closed:
        assert {name for name in bodies if name.startswith("good")} == set(answered(world))
        assert all(count == 1 for count in answered(world).values())


@pytest.mark.parametrize(
    "strange",
    [None, 1, "text", [], {}, {"body": "{}"}, {"messageId": None}, {"messageId": 7}, {"messageId": ""}],
    ids=repr,
)
async def test_r8_what_is_no_message_of_a_queue_fails_no_neighbour(world, strange):
    """It has no id by which it could come again."""
    batch = [record("a", refused("a")), strange, record("b", "{")]
    found = await take(deployed(world), batch, Deadline.within(60))
    tried("R8", "records that are no messages", 1, found != ["b"])
    assert found == ["b"]
    assert answered(world) == {"a": 1}


@pytest.mark.parametrize(
    "change",
    [{"attributes": None}, {"attributes": {"ApproximateReceiveCount": "many"}}, {"attributes": []},
     {"eventSourceARN": None}, {"attributes": {"MessageGroupId": 4}}, {"body": None}, {"body": 5}, {"body": {}}],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("buries", [False, True])
async def test_r8_strange_members_of_a_message_are_its_own_trouble(world, change, buries):
    context = deployed(world, Graves() if buries else None)
    batch = [record("a", refused("a")), {**record("b", "{"), **change}, record("c", refused("c"))]
    found = await take(context, batch, Deadline.within(60))
    expected = [] if buries else ["b"]
    tried("R8", "strange members of messages", 1, found != expected)
    assert found == expected
    assert answered(world) == {"a": 1, "c": 1}


class Invocation:
    """A Lambda context."""

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class Broken:
    """A Lambda context that cannot tell how much time is left."""


@pytest.fixture
def worker(monkeypatch):
    """The handler's environment, with nothing around it that could be called."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    made = Environment(read_settings({"GATEWRIGHT_LEDGER": ":memory:"}))
    environment.use(made)
    yield made
    environment.use(None)
    made.close()


def test_r8_the_handler_answers_every_eleventh_pattern(worker):
    """The same through the handler that Lambda calls."""
    wrong = []
    patterns = sliced(PATTERNS[::11], 4)
    for pattern in patterns:
        bad = poisoned(pattern)
        ids = [f"p{pattern}-{place}" for place in range(10)]
        batch = [record(ids[n], "{" if bad[n] else refused(ids[n])) for n in range(10)]
        expected = [{"itemIdentifier": name} for name, poisonous in zip(ids, bad, strict=True) if poisonous]
        wrong += [pattern] if sqs.handler({"Records": batch}, Invocation()) != {"batchItemFailures": expected} else []
    tried("R8", "patterns of poison through the handler", len(patterns), wrong)
    assert wrong == []


def every_id(batch: list[dict]) -> dict:
    return {"batchItemFailures": [{"itemIdentifier": one["messageId"]} for one in batch]}


BATCH = [record(f"m{n}", refused(f"m{n}")) for n in range(10)]


@pytest.mark.parametrize("ledger", ["nonsense", "sqlite:/dev/null/no/ledger"], ids=["settings", "ledger"])
def test_r8_a_batch_that_no_worker_can_take_comes_again(monkeypatch, logs, ledger):
    """The environment cannot be made: every message comes again, and a line says why."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("GATEWRIGHT_LEDGER", ledger)
    made = Environment(read_settings()) if ledger != "nonsense" else None
    environment.use(made)
    found = [sqs.handler({"Records": [*BATCH, None]}, Invocation()) for _ in range(2)]
    environment.use(None)
    if made is not None:
        made.close()
    tried("R8", "batches that no worker can take", 2, sum(one != every_id(BATCH) for one in found))
    assert found == [every_id(BATCH)] * 2
    assert [json.loads(line)["event"] for line in logs.getvalue().splitlines()].count("batch failed") == 2


def test_r8_trouble_outside_a_message_brings_the_whole_batch_again(worker):
    found = sqs.handler({"Records": BATCH}, Broken())
    tried("R8", "batches that no worker can take", 1, found != every_id(BATCH))
    assert found == every_id(BATCH)
    assert sqs.handler({"Records": BATCH}, Invocation()) == {"batchItemFailures": []}


@pytest.mark.parametrize("event", [[], {"Records": []}], ids=repr)
def test_r8_an_empty_batch_is_answered(worker, event):
    assert sqs.handler(event, Invocation()) == {"batchItemFailures": []}


DETAIL = {"detailType": "Gateway Stack Requested", "stack": {"stack": "s"}}
WHOLE = {"detail-type": "Gateway Stack Requested", "id": "e", "source": "x", "detail": {"stack": {"stack": "s"}}}


@pytest.mark.parametrize(
    "event",
    [{}, None, "text", {"Records": None}, {"Records": {}}, [None], [DETAIL], {"Records": [DETAIL]}, DETAIL, WHOLE],
    ids=repr,
)
def test_r8_an_event_of_an_unknown_form_is_an_error(worker, logs, event):
    """Answered with no failures, its messages would be taken for done: EventBridge Pipes, direct invocations."""
    with pytest.raises(NotARequest, match="records of an SQS queue"):
        sqs.handler(event, Invocation())
    (line,) = [json.loads(one) for one in logs.getvalue().splitlines()]
    tried("R8", "events that are no batch", violations=int(line["event"] != "invocation failed"))
    assert any("handlers/sqs.py" in frame and frame.endswith("records_of") for frame in line["frames"])


def test_r8_a_bare_array_of_records_is_a_batch(worker):
    """EventBridge Pipes hands over what it read from the queue without a wrapper, and takes the same answer."""
    batch = [record("a", refused("a")), record("b", "{")]
    found = sqs.handler(batch, Invocation())
    tried("R8", "events that are no batch", violations=int(found != {"batchItemFailures": [{"itemIdentifier": "b"}]}))
    assert found == {"batchItemFailures": [{"itemIdentifier": "b"}]}
