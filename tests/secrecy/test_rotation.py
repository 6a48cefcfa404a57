"""A secret that rotates while its provider is made and not shown yet is applied all the same."""

import json

from infra.sandbox.behaviour import Behaviour, Durations
from tests.documents import small_stack
from tests.secrets import SENTINELS
from tests.worlds import SandboxWorld, provision
from workflows.planner.outcome import Status


async def test_a_rotation_is_seen_before_the_provider_is():
    """The run that finds the provider READY has compared its secret's version, wherever reads lagged at its start."""
    with SandboxWorld(Behaviour(durations=Durations(visible_after=40.0))) as world:
        request = provision(small_stack(0), "one")
        assert (await world.run(request, seconds=30.0, patience=1.0)).status is Status.IN_PROGRESS
        world.plane.world.secrets.put("payments/idp", json.dumps({"clientSecret": SENTINELS[2]}))
        assert (await world.run(request)).status is Status.READY
        world.sent()
        assert (await world.apply(small_stack(0))).status is Status.READY
        assert world.sent() == []
