"""R17: what others change or delete between two runs is seen by the next one and repaired; a further one is idle.

What they add where nothing is declared stays: it is theirs.
"""

import copy
from functools import partial
from typing import Any

import anyio
import pytest

from infra.sandbox.records import GONE
from infra.sandbox.world import Failure
from tests.crash.test_single_faults import quick
from tests.documents import mcp_target, small_stack
from tests.everything.states import state
from tests.everything.test_kinds import LEAST, MEMBERS, address, document, each_kind, holds, the, values
from tests.goals import tried
from tests.slices import sliced
from tests.worlds import SandboxWorld, virtually
from workflows.kinds import Kind
from workflows.kinds.kind import Property
from workflows.planner.outcome import Status

pytestmark = pytest.mark.sweep

#: Members that no read shows as they are declared, so that nobody can see that they were changed.
UNSEEN = {kind.section: kind.secrets | kind.delete_parameters | kind.having(Property.DERIVED) for kind, _ in MEMBERS}
UNSEEN["apiKeyCredentialProviders"] |= {"apiKeySecretConfig"}
#: What the service fills in at once where it is taken away.
FILLED_IN = frozenset({("registries", "authorizerType")})


def with_secrets(world: SandboxWorld) -> SandboxWorld:
    world.plane.world.secrets.put("payments/idp", '{"clientSecret": "a", "other": "b"}')
    return world


async def as_the_service_keeps(kind: Kind, declared: dict[str, Any]) -> dict[str, Any]:
    """Return the request of a resource that is declared like this."""
    with with_secrets(quick()) as world:
        assert (await world.apply(document(kind, declared))).status is Status.READY
        return copy.deepcopy(the(world, kind).request)


async def mended(world: SandboxWorld, kind: Kind, whole: dict[str, Any], was: dict[str, Any], what: str) -> list[str]:
    """Apply once more and then again; return what is wrong with that. `was` is the request that was in force."""
    allow = frozenset({address(kind)})
    outcome = await world.apply(whole, allow=allow)
    wrong = [] if outcome.status is Status.READY else [f"{what}: {outcome.status} {outcome.failures}"]
    there = the(world, kind)
    wrong += [] if there is not None and holds(there.request, was) else [f"{what}: not as it was"]
    world.sent()
    again = await world.apply(whole, allow=allow)
    wrong += [] if again.status is Status.READY else [f"{what}: then {again.status}"]
    return wrong + ([f"{what}: then sent {sent}"] if (sent := world.sent()) else [])


async def changed_by_hand(kind: Kind, name: str) -> tuple[int, list[str]]:
    """Set a member to another value, and take it away; return how often, and what is wrong with the next runs."""
    declared = values(kind, name)
    if not declared or name in UNSEEN[kind.section]:
        return 0, []
    others = [await as_the_service_keeps(kind, one) for one in declared[1:]] + [{}]
    with with_secrets(quick()) as world:
        whole, cases, wrong = document(kind, declared[0]), 0, []
        assert (await world.apply(whole)).status is Status.READY
        was = copy.deepcopy(the(world, kind).request)
        for other in others:
            record = the(world, kind)
            if name not in record.request or record.request[name] == other.get(name):
                continue
            if name not in other and (name in LEAST[kind.section] or (kind.section, name) in FILLED_IN):
                continue  # there is none without it
            record.request = {n: v for n, v in record.request.items() if n != name}
            record.request |= {name: copy.deepcopy(other[name])} if name in other else {}
            record.updated += 1000
            cases += 1
            wrong += await mended(world, kind, whole, was, f"{kind.section}.{name}")
        return cases, wrong


@pytest.mark.parametrize(
    ("kind", "name"), sliced(MEMBERS, 6), ids=lambda one: one if isinstance(one, str) else one.section
)
def test_r17_each_member_that_others_change_is_put_back(kind, name):
    """Set to another value by hand, or taken away, it is as declared after the next run."""
    cases, wrong = virtually(partial(changed_by_hand, kind, name))
    tried("R17", "members of every kind, changed or taken away by hand", cases, wrong)
    assert wrong == []


async def deleted_by_hand(kind: Kind) -> list[str]:
    with quick() as world:
        whole = document(kind, LEAST[kind.section])
        assert (await world.apply(whole)).status is Status.READY
        was = copy.deepcopy(the(world, kind).request)
        the(world, kind).status = GONE
        return await mended(world, kind, whole, was, kind.section)


@each_kind
def test_r17_what_others_delete_is_made_again(kind):
    """Deleted by hand, it is there again after the next run, and once."""
    wrong = virtually(partial(deleted_by_hand, kind))
    tried("R17", "resources of every kind, deleted by hand", violations=wrong)
    assert wrong == []


@pytest.mark.parametrize("gone", ["gateway", "target", "provider", "gateway target", "gateway target provider"])
async def test_r17_a_whole_stack_is_made_again(gone):
    """Whatever of a stack was deleted together, the next run makes it anew, with what refers to it."""
    with quick() as world:
        assert (await world.apply(small_stack(2))).status is Status.READY
        was = state(world)
        for record in world.live.values():
            inside = record.kind == "target" and "gateway" in gone
            record.status = GONE if record.kind in gone or inside else record.status
        outcome = await world.apply(small_stack(2))
        world.sent()
        wrong = [] if outcome.status is Status.READY and state(world) == was else [f"{outcome.status}"]
        assert (await world.apply(small_stack(2))).status is Status.READY
        wrong += world.sent()
        tried("R17", "stacks of which others deleted a part", violations=wrong)
        assert wrong == []


async def test_r17_what_failed_and_was_put_back_by_hand_is_sent_again(world):
    """That the old value stands there again is no form of the service's own."""

    def document(host: str) -> dict:
        made = small_stack(0)
        made["gateways"]["payments"]["targets"]["t"] = mcp_target(f"https://{host}.example.com/mcp")
        return made

    def endpoint() -> str:
        return str(world.live["target t"].request["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"])

    await world.apply(document("old"))
    world.plane.world.failing["t"] = Failure(3, "cannot connect", frozenset({"UPDATE"}))
    assert (await world.apply(document("new"))).status is Status.FAILED
    record = world.live["target t"]
    old = mcp_target("https://old.example.com/mcp")
    await world.client().update_gateway_target(gatewayIdentifier=record.parent, targetId=record.id, name="t", **old)
    await anyio.sleep(30)
    assert (world.live["target t"].status, endpoint()) == ("READY", "https://old.example.com/mcp")
    assert (await world.apply(document("new"))).status is Status.READY
    tried("R17", "a failed update that was put back by hand", violations=int("new" not in endpoint()))
    assert endpoint() == "https://new.example.com/mcp"
