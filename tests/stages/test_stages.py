"""Stages for users' own state machines: one section at a time, in whatever order the dependencies allow."""

import pytest

from infra.deadline import Deadline
from tests.documents import small_stack
from tests.worlds import provision
from workflows.planner.outcome import ResourceStatus, Status
from workflows.records.request_state import Mode
from workflows.requests.request import Request
from workflows.service import RequestRef, resume


async def staged(world, stage: str):
    return await world.run(provision(small_stack(2), "one", stage=stage))


async def test_each_stage_makes_its_section_and_the_whole_finds_nothing_left_to_do(world):
    for stage, sent in (
        ("oauth2CredentialProviders", {"CreateOauth2CredentialProvider"}),
        ("gateways", {"CreateGateway"}),
        ("targets", {"CreateGatewayTarget"}),
    ):
        outcome = await staged(world, stage)
        assert outcome.status is Status.READY
        assert {result.address.split(".")[-2] for result in outcome.results} == {stage}
        assert set(world.sent()) == sent
    assert (await staged(world, "")).status is Status.READY
    assert world.sent() == []


async def test_what_a_stage_needs_and_is_not_there_blocks_it(world):
    """The graph decides, not the order: nothing is made out of turn, and the outcome says what is awaited."""
    outcome = await staged(world, "targets")
    assert outcome.status is Status.FAILED
    assert {result.status for result in outcome.results} == {ResourceStatus.BLOCKED}
    told = {(one.code, one.message.removeprefix("it depends on ").partition(",")[0]) for one in outcome.failures}
    assert told == {("OutOfTurn", "gateways.payments")}
    assert world.sent() == []
    await staged(world, "gateways")
    await staged(world, "oauth2CredentialProviders")
    assert (await staged(world, "targets")).status is Status.READY


async def test_a_part_of_a_request_finishes_none(world):
    """After a stage the request is still to be done; named again without a stage, the rest is."""
    await staged(world, "gateways")
    outcome = await resume(world.context(), RequestRef("payments.tools", 1, "one"), Deadline.within(600))
    assert outcome.status is Status.READY
    assert len(outcome.results) == 4


@pytest.mark.parametrize("times", [1, 2])
async def test_synchronization_is_a_stage_too(world, times):
    await world.apply(small_stack(2), "one")
    world.sent()
    named = RequestRef("payments.tools", 1, "tools", stage="synchronization")
    for _ in range(times):
        assert (await resume(world.context(), named, Deadline.within(600))).status is Status.READY
    assert world.sent() == ["SynchronizeGatewayTargets"] * 2


async def test_a_removal_by_stages_says_deleted_of_what_is(world):
    """Out of turn, a stage of a removal names what must go first; in turn everything goes."""
    await world.apply(small_stack(2), "one")
    for stage in ("oauth2CredentialProviders", "gateways"):
        outcome = await world.run(removal(stage))
        assert outcome.status is Status.FAILED
        assert {one.code for one in outcome.failures} == {"OutOfTurn"}
    assert len(world.live) == 4
    for stage in ("targets", "gateways", "oauth2CredentialProviders"):
        assert (await world.run(removal(stage))).status is Status.DELETED
    assert world.live == {}


async def test_what_is_retained_outside_a_stage_is_in_nobodys_way(world):
    """A provider whose gateway stays on purpose cannot go; a stage says so as the whole does."""
    document = small_stack(1)
    document["gateways"]["payments"]["gatewright"] = {"deletion": "RETAIN"}
    document["gateways"]["payments"]["targets"] = {}
    await world.apply(document, "one")
    outcome = await world.run(removal("oauth2CredentialProviders"))
    assert (outcome.status, list(world.live)) == (Status.DELETED, ["gateway payments"])


def removal(stage: str) -> Request:
    return Request(mode=Mode.REMOVE, request_id="removal", stack="payments.tools", stage=stage)
