"""R0: what nobody knows of the service is a switch, and the worker keeps its promise in either position."""

from functools import partial
from itertools import product

import anyio
import pytest

from infra.ledger.sqlite import SqliteLedger
from infra.sandbox.behaviour import Behaviour
from infra.sandbox.world import Failure
from tests.crash.harness import At, Point, Scenario, learn, strike
from tests.crash.test_single_faults import applied, changed, nothing, remove
from tests.documents import oauth, small_stack
from tests.goals import tried
from tests.slices import sliced
from tests.unknowns.switches import IDS, OTHERS, POSITIONS, QUESTIONS, declared_unknown, named
from tests.worlds import SandboxWorld, provision, virtually
from workflows.planner.outcome import Outcome, Status

pytestmark = pytest.mark.sweep

#: How many of a scenario's calls lose their answer, spread over it.
_STRUCK = 2


def world_of(position) -> SandboxWorld:
    return SandboxWorld(Behaviour(**position))


def test_r0_every_unknown_has_a_switch_that_the_table_knows():
    """A member of Behaviour that nobody knows the truth of is in the table, and each position is another one."""
    fresh = Behaviour()
    wrong = sorted(declared_unknown() - set(OTHERS))
    wrong += [name for name, positions in OTHERS.items() for one in positions if one[name] == getattr(fresh, name)]
    wrong += sorted({switch for switches in QUESTIONS.values() for switch in switches} - set(OTHERS))
    tried("R0", "unknowns of the service that have a switch", len(OTHERS), wrong)
    assert wrong == []
    assert len(QUESTIONS) == 10


SCENARIOS = [
    ("provision", nothing, provision(small_stack(), "create")),
    ("update", applied, provision(changed(), "update")),
    ("removal", applied, remove(small_stack())),
]


@pytest.mark.parametrize(
    ("path", "position"),
    sliced(product(SCENARIOS, POSITIONS), 10),
    ids=lambda one: one[0] if isinstance(one, tuple) else named(one),
)
def test_r0_lost_answers_under_every_position(path, position):
    """Provisioned, updated, removed, with an answer lost here and there: as declared, nothing doubled."""
    name, prepare, request = path
    scenario = Scenario(name, prepare, request, partial(world_of, position))
    trace = virtually(partial(learn, scenario))
    assert trace.status in (Status.READY, Status.DELETED)
    points = [trace.calls * (2 * place + 1) // (2 * _STRUCK) for place in range(_STRUCK)]
    wrong = [one for at in points for one in virtually(partial(strike, scenario, trace, Point(At.ANSWER_LOST, at)))[1]]
    tried("R0", "switch positions of the unknown, with lost answers", len(points), wrong)
    assert wrong == []


@pytest.mark.parametrize("position", POSITIONS, ids=IDS)
async def test_r0_adoption_under_every_position(position):
    """Without a ledger everything is found again, changed as declared and removed."""
    with world_of(position) as world:
        assert (await world.apply(small_stack())).status is Status.READY
        before = {name: record.id for name, record in world.live.items()}
        assert isinstance(world.ledger, SqliteLedger)
        world.ledger.close()
        world.ledger = SqliteLedger()
        world.sent()
        assert (await world.apply(small_stack())).status is Status.READY
        sent = world.sent()
        after = {name: record.id for name, record in world.live.items()}
        assert (await world.apply(changed())).status is Status.READY
        gone = await world.destroy(changed())
        # What an earlier life left in the document's place and nobody knows without a ledger keeps the gateway.
        wrong = [*sent, *(world.plane.world.records.doubles)] + ([] if before == after else ["other resources"])
        tried("R0", "switch positions of the unknown, without a ledger", 1, wrong)
        assert wrong == []
        assert gone.status in (Status.DELETED, Status.FAILED)
        if gone.status is Status.FAILED:
            assert [failure.code for failure in gone.failures] == ["UnmanagedTargets"]


def consented() -> dict:
    document = small_stack(2)
    document["gateways"]["payments"]["targets"]["target-0"]["credentialProviderConfigurations"] = oauth(
        "AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/return"
    )
    return document


async def settled(world: SandboxWorld, request) -> Outcome:
    """Deliver a request until it is settled: what is refused for long is given up after some deliveries."""
    for _ in range(60):
        outcome = await world.run(request)
        if outcome.status is not Status.IN_PROGRESS:
            break
        assert outcome.retry_after is not None
        await anyio.sleep(outcome.retry_after)
    return outcome


def session_of(outcome) -> str:
    (consent,) = outcome.shown()["consents"]
    return str(consent["authorizationUrl"].rpartition("%3A")[2])


@pytest.mark.parametrize("position", POSITIONS, ids=IDS)
async def test_r0_consent_under_every_position(position):
    """Given, it goes on; a removal meanwhile comes back; expired or refused, the stack stands in a named state."""
    with world_of(position) as world:
        outcome = await world.apply(consented())
        assert outcome.status is Status.AWAITING_CONSENT
        takes = world.behaviour
        # An update that clears nothing leaves the grant in force, for which consent is asked.
        stays = not (takes.pending_takes_deletions or (takes.pending_takes_updates and takes.put_clears))
        removed = (await world.destroy(consented())).status
        assert removed is (Status.IN_PROGRESS if stays else Status.DELETED)
        outcome = await world.apply(consented())
        world.plane.targets.consent.give(session_of(outcome))
        given = (await world.apply(consented())).status
        assert (await world.destroy(consented())).status is Status.DELETED
        refused = await world.apply(consented())
        world.plane.targets.consent.deny(session_of(refused))
        after = (await world.apply(consented())).status
        await anyio.sleep(world.behaviour.consent_seconds + 1)
        expired = (await world.apply(consented())).status
        wrong = [] if given is Status.READY else [f"given: {given}"]
        wrong += [f"{one}" for one in (after, expired) if one is not Status.AWAITING_CONSENT]
        tried("R0", "switch positions of the unknown, with consent given, refused and expired", 3, wrong)
        assert wrong == []
        assert world.plane.world.records.doubles == []


@pytest.mark.parametrize(
    ("name", "position"), sliced(product(["target-0", "payments", "idp"], POSITIONS), 10), ids=named
)
async def test_r0_what_failed_once_under_every_position(name, position):
    """A creation and an update that fail once are mended, or the stack stands in a named state and loses nothing."""
    with world_of(position) as world:
        world.plane.world.failing[name] = Failure(1, "It did not work out")
        made = await world.apply(small_stack())
        world.plane.world.failing[name] = Failure(1, "It did not work out")
        first = await settled(world, provision(changed(), "first"))
        second = await settled(world, provision(changed(), "second"))
        takes = world.behaviour.updates_failed and world.behaviour.updates_unsuccessful
        wrong = [f"creation: {made.status}"] if made.status is not Status.READY else []
        ends = {Status.READY} if takes else {Status.READY, Status.FAILED}
        wrong += [f"update: {one.status}" for one in (first, second) if one.status not in ends]
        wrong += world.plane.world.records.doubles
        tried("R0", "switch positions of the unknown, with a creation and an update that fail once", 2, wrong)
        assert wrong == []
        assert {"gateway payments", "provider idp"} <= set(world.live)
