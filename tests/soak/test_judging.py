"""What the judge of simulated lives takes for a violation, and what it does not."""

from collections import Counter
from random import Random
from typing import Any

import anyio

from infra.sandbox.behaviour import Behaviour
from tests.documents import oauth, small_stack
from tests.soak.nemesis import Others
from tests.soak.simulation import differences
from tests.worlds import SandboxWorld, provision, virtually


def test_differences_are_what_a_new_stack_would_not_have():
    """Of two states the members that say something in either are compared."""
    absent: dict[str, Any] = {"age0": {}}
    nothing = {"age0": {"metadataConfiguration": {"requireMMDSV2": False}, "tags": {}}}
    says = {"age0": {"metadataConfiguration": {"requireMMDSV2": True}}}
    assert not [*differences(nothing, absent, ""), *differences(absent, nothing, "")]
    assert len([*differences(says, absent, "")]) == len([*differences(says, nothing, "")]) == 1


def test_whoever_opens_expired_authorization_urls_goes_on():
    """Authorization URLs that have expired are no end of a life."""
    world = SandboxWorld(Behaviour(consent_seconds=60.0, consent_expires=False))
    others = Others(world, Random(0), Counter())
    document = small_stack(1)
    target = document["gateways"]["payments"]["targets"]["target-0"]
    target["credentialProviderConfigurations"] = oauth(
        "AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/return"
    )

    async def opened() -> tuple[int, int]:
        await world.run(provision(document, "first"), seconds=60.0)
        in_time = others.consent_to_all()
        await world.run(provision(document, "again"), seconds=60.0)
        for record in world.plane.world.records.live("target"):
            record.extra["consent"] = {"session": "old", "end": world.plane.world.now}
        await anyio.sleep(1.0)
        return in_time, others.consent_to_all()

    with world:
        assert virtually(opened) == (1, 0)
