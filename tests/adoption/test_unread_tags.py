"""A tag that cannot be read does not stop the removal of what the ledger knows by its id and time of creation."""

import anyio
import pytest

from tests.documents import changed, gateway, provider, small_stack
from tests.everything.test_kinds import LEAST, document, each_kind
from tests.goals import tried
from tests.twists import Twist, TwistedWorld, refused
from workflows.kinds import GATEWAY, OAUTH2_CREDENTIAL_PROVIDER
from workflows.kinds.observed import ObservedState
from workflows.planner.outcome import Status
from workflows.records.declaration import RemoteObject
from workflows.records.identity import identifies
from workflows.records.resource import ResourceRecord

CODES = ["AccessDeniedException", "ValidationException"]
WHAT = "removals where tags cannot be read"


@pytest.fixture
def world():
    with TwistedWorld() as made:
        yield made


@each_kind
@pytest.mark.parametrize("code", CODES)
async def test_what_the_ledger_knows_is_removed(world, kind, code):
    """Of every kind; the outcome warns that only the recorded id said whose it was."""
    await world.apply(document(kind, LEAST[kind.section]))
    await anyio.sleep(200)
    world.twists.append(Twist("ListTagsForResource", refused(code), times=-1))
    outcome = await world.destroy(document(kind, LEAST[kind.section]))
    tried("R1", WHAT, violations=len(world.live))
    assert (outcome.status, [name for name in world.live if not name.startswith("memory")]) == (Status.DELETED, [])
    warned = {one.rule for one in outcome.warnings}
    assert ("tags-unread" in warned) is (kind.tagged or kind.parent is not None)


async def test_what_somebody_made_anew_under_our_name_is_not(world):
    """Its time of creation is another one, so the recorded id, which is its name, does not say that it is ours."""
    stack = {"stack": "s", "oauth2CredentialProviders": {"idp": provider()}}
    await world.apply(stack)
    world.live["provider idp"].created += 1000
    world.twists.append(Twist("ListTagsForResource", refused("AccessDeniedException"), times=-1))
    outcome = await world.destroy(stack)
    tried("R1", WHAT, violations=int("provider idp" not in world.live))
    assert outcome.status is Status.FAILED
    assert "provider idp" in world.live
    (failure,) = outcome.failures
    assert (str(failure.actor), "tags" in failure.advice) == ("PLATFORM", True)


async def test_what_another_stack_of_the_ledger_has_taken_over_stays(world):
    """Its tag says so, and cannot be read; the ledger that both share knows it."""
    await world.apply({"stack": "first", "gateways": {"g": gateway()}})
    await world.apply({"stack": "second", "gateways": {"g": gateway(gatewright={"adopt": True})}})
    world.twists.append(Twist("ListTagsForResource", refused("AccessDeniedException"), times=-1))
    outcome = await world.destroy({"stack": "first"})
    tried("R1", WHAT, violations=int("gateway g" not in world.live))
    assert (outcome.status, "gateway g" in world.live) == (Status.FAILED, True)


async def test_a_refused_tag_has_advice_of_its_own(world):
    await world.apply(small_stack(0))
    world.twists.append(Twist("TagResource", refused("ValidationException", "invalid ARN"), times=-1))
    outcome = await world.apply(changed(small_stack(0), {"gateways.payments.tags": {"team": "payments"}}))
    (failure,) = outcome.failures
    assert (str(failure.actor), failure.code) == ("PLATFORM", "ValidationException")
    assert "set the tags" in failure.advice


@pytest.mark.parametrize(
    ("kind", "recorded", "shown", "known"),
    [
        (OAUTH2_CREDENTIAL_PROVIDER, "1", "1", True),
        (OAUTH2_CREDENTIAL_PROVIDER, "1", "2", False),
        (OAUTH2_CREDENTIAL_PROVIDER, "", "1", False),
        (GATEWAY, "", "1", True),
    ],
)
def test_an_id_that_is_a_name_needs_the_time_of_creation_beside_it(kind, recorded, shown, known):
    memory = ResourceRecord("a.one", kind.section, "one", object=RemoteObject("one", created=recorded))
    assert identifies(memory, ObservedState(kind, "one", {kind.created_member: shown})) is known
    assert not identifies(memory, ObservedState(kind, "two", {kind.created_member: shown}))
