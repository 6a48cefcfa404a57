"""R1: what is retained keeps what it needs, wherever the run that lets go of it is cut off."""

from functools import partial

import anyio
import pytest

from tests.crash.harness import At, Process, run_once
from tests.crash.test_single_faults import quick
from tests.documents import ROLE, SECRET
from tests.goals import tried
from tests.worlds import provision, virtually
from workflows.planner.outcome import Status

KEY = "${apiKeyCredentialProviders.key.credentialProviderArn}"
DOCUMENT = {
    "stack": "s",
    "apiKeyCredentialProviders": {"key": {"apiKey": SECRET}},
    "harnesses": {
        "h": {
            "gatewright": {"deletion": "RETAIN"},
            "executionRoleArn": ROLE,
            "model": {"openAiModelConfig": {"modelId": "gpt-5", "apiKeyArn": KEY}},
        }
    },
}
ALLOW = frozenset({"harnesses.h", "apiKeyCredentialProviders.key"})


@pytest.mark.parametrize("at", [At.BEFORE_WRITE, At.AFTER_WRITE])
def test_r1_what_a_retained_resource_needs_outlives_any_crash(at):
    """A harness and its provider leave the document, with leave; the next run still knows why the provider stays."""

    async def lost_at(index: int) -> tuple[bool, set[str]]:
        with quick() as world:
            await world.apply(DOCUMENT)
            process = Process.struck(at, index)
            outcome = await run_once(world, process, provision({"stack": "s"}, "two", allow=ALLOW))
            struck = bool(process.history.struck)
            await anyio.sleep(400)
            outcome = await run_once(world, Process(), provision({"stack": "s"}, "two", allow=ALLOW))
            assert outcome is not None
            assert outcome.status is Status.READY
            return struck, {"apiKey key", "harness h"} - set(world.live)

    index, struck = 0, True
    while struck:
        struck, lost = virtually(partial(lost_at, index))
        tried("R1", "a retained resource and what it needs, killed at every write", violations=lost)
        assert not lost
        index += 1
    assert index > 3
