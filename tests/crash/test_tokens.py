"""R2: a creation keeps its client token over every process that tries it; another life of the name has another."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
from botocore import xform_name

from infra.deadline import Deadline
from infra.ledger import Put
from infra.ledger.sqlite import SqliteLedger
from infra.tasks import first_of
from tests.crash.harness import Crash
from tests.crash.test_single_faults import quick, remove, sample
from tests.documents import gateway
from tests.goals import tried
from tests.worlds import SandboxWorld, provision
from workflows.kinds import KINDS
from workflows.planner.outcome import Status
from workflows.records.items import stack_key
from workflows.requests.request import Request
from workflows.service import handle

#: The service takes no shorter ones.
SHORTEST = 33


@dataclass
class Tokens:
    """The tokens that were sent, by operation and name. The process that sends a creation first dies of it."""

    sent: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))

    def client(self, client: Any) -> Any:
        tokens = self.sent

        class Deadly:
            def __getattr__(self, method: str) -> Callable[..., Any]:
                async def call(**params: Any) -> dict[str, Any]:
                    if "clientToken" in params and method.startswith("create"):
                        found = tokens[method, str(params.get("name") or params.get("agentRuntimeName"))]
                        found.append(params["clientToken"])
                        if len(found) == 1:
                            raise Crash
                    answer: dict[str, Any] = await getattr(client, method)(**params)
                    return answer

                return call

        return Deadly()

    async def run(self, world: SandboxWorld, request: Request) -> Status | None:
        """Run in a process of its own; None when it died."""
        context = world.context()

        async def client(service: str) -> Any:
            return self.client(world.client(service))

        context = replace(context, aws=replace(context.aws, client=client))
        try:
            return (await handle(context, request, Deadline.within(300))).status
        except BaseException as error:
            if isinstance(first_of(error), Crash):
                return None
            raise

    async def settled(self, world: SandboxWorld, request: Request) -> Status:
        for _ in range(60):
            status = await self.run(world, request)
            if status not in (None, Status.IN_PROGRESS):
                return status
            await anyio.sleep(400)
        raise AssertionError("sixty processes did not settle the request")


async def test_r2_a_creation_keeps_its_token():
    """One of every kind, each creation's first process killed: the next sends its token; a new life has its own."""
    with quick() as world:
        document, lives = sample("every-kind.yaml"), (Tokens(), Tokens())
        assert await lives[0].settled(world, provision(document, "first")) is Status.READY
        assert (await world.run(remove(document))).status is Status.DELETED
        assert await lives[1].settled(world, provision(document, "second")) is Status.READY
    sent = {(life, *what): tokens for life, one in enumerate(lives) for what, tokens in one.sent.items()}
    wrong = [f"{what} was sent under {tokens}" for what, tokens in sent.items() if len(set(tokens)) != 1]
    wrong += [f"{what} was sent once" for what, tokens in sent.items() if len(tokens) == 1]
    wrong += [f"{what}: too short" for what, tokens in sent.items() if len(tokens[0]) < SHORTEST]
    wrong += [f"{what}: a new life has the old token" for what in lives[0].sent if sent[0, *what] == sent[1, *what]]
    tried("R2", "creations whose first process died, of every kind that has a token, in two lives", len(sent), wrong)
    assert wrong == []
    assert {method for method, _ in lives[0].sent} == {
        xform_name(kind.operations.create) for kind in KINDS if kind.token
    }


async def test_r2_a_fresh_ledger_repeats_no_token_of_an_earlier_life():
    """Removed, and made again by somebody without the ledger: the service may remember tokens longer than resources."""
    with quick() as world:
        document, lives = sample("every-kind.yaml"), (Tokens(), Tokens())
        assert await lives[0].settled(world, provision(document, "first")) is Status.READY
        assert (await world.run(remove(document))).status is Status.DELETED
        assert isinstance(world.ledger, SqliteLedger)
        world.ledger.close()
        world.ledger = SqliteLedger()
        assert await lives[1].settled(world, provision(document, "first")) is Status.READY
    repeated = [what for what, tokens in lives[0].sent.items() if set(tokens) & set(lives[1].sent[what])]
    tried("R2", "creations by a fresh ledger, of every kind that has a token", len(lives[0].sent), repeated)
    assert repeated == []
    assert lives[0].sent.keys() == lives[1].sent.keys()


async def test_r2_an_unanswered_creation_of_an_earlier_version_keeps_its_token():
    """The record of that version has no id; the token that it recorded is repeated."""
    with quick() as world:
        tokens, document = Tokens(), {"stack": "s", "gateways": {"g": gateway()}}
        assert await tokens.run(world, provision(document, "first")) is None
        (partition,) = await world.ledger.partitions()
        key = stack_key(partition)
        item = await world.ledger.get(key)
        assert item is not None
        await world.ledger.write(Put(key, {**item, "id": ""}))
        await anyio.sleep(30.0)
        assert await tokens.settled(world, provision(document, "first")) is Status.READY
    ((_, sent),) = tokens.sent.items()
    assert len(sent) == 2
    assert len(set(sent)) == 1


async def test_r2_tokens_are_derived():
    """The same creations of the same stack have the same tokens, whoever sends them."""
    worlds = (Tokens(), Tokens())
    for tokens in worlds:
        with quick() as world:
            assert await tokens.settled(world, provision(sample("every-kind.yaml"), "first")) is Status.READY
    tried("R2", "creations that were made twice in the same way", len(worlds[0].sent))
    assert worlds[0].sent == worlds[1].sent
    assert worlds[0].sent
