"""Stages for users' own state machines: one section at a time, in whatever order the dependencies allow."""

import pytest

from infra.deadline import Deadline
from tests.documents import small_stack
from tests.worlds import provision
from workflows.fulfil import Named, resume
from workflows.outcome import ResourceStatus, Status


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
    assert outcome.status is not Status.READY
    assert {result.status for result in outcome.results} == {ResourceStatus.BLOCKED}
    assert world.sent() == []
    await staged(world, "gateways")
    await staged(world, "oauth2CredentialProviders")
    assert (await staged(world, "targets")).status is Status.READY


async def test_a_part_of_a_request_finishes_none(world):
    """After a stage the request is still to be done; named again without a stage, the rest is."""
    await staged(world, "gateways")
    outcome = await resume(world.context(), Named("payments.tools", 1, "one"), Deadline.within(600))
    assert outcome.status is Status.READY
    assert len(outcome.results) == 4


@pytest.mark.parametrize("times", [1, 2])
async def test_synchronization_is_a_stage_too(world, times):
    await world.apply(small_stack(2), "one")
    world.sent()
    named = Named("payments.tools", 1, "tools", stage="synchronization")
    for _ in range(times):
        assert (await resume(world.context(), named, Deadline.within(600))).status is Status.READY
    assert world.sent() == ["SynchronizeGatewayTargets"] * 2
