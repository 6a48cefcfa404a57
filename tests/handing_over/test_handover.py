"""What goes on elsewhere is named so that nobody else's is meant, and is told once."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.aws import Aws
from infra.settings import read_settings
from tests.tables import services
from tests.worlds import REGION
from workflows.executions import ensure_running, execution_name

STACKS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}(\.[A-Za-z0-9][A-Za-z0-9_-]{0,20}){0,5}", fullmatch=True)


def test_a_name_says_which_request_it_is_for():
    assert execution_name("payments", "one", 1) == "payments-one-1"


@given(STACKS, st.text(min_size=1, max_size=128), st.integers(1, 999))
def test_a_name_fits_whatever_the_request_is_called(stack, request_id, attempt):
    """At most 80 characters that Step Functions takes."""
    name = execution_name(stack, request_id, attempt)
    assert len(name) <= 80
    assert re.fullmatch(r"[A-Za-z0-9_-]+", name)
    assert name.endswith(f"-{attempt}")


@pytest.mark.real_time
async def test_a_request_is_handed_over_once_and_never_taken_for_another(world, moto):
    """Two requests whose names look the same both go on; one that is delivered twice goes on once."""
    async with services(moto) as client:
        machines = await client("stepfunctions")
        role, wait = "arn:aws:iam::123456789012:role/x", {"Type": "Wait", "Seconds": 60, "End": True}
        definition = json.dumps({"StartAt": "A", "States": {"A": wait}})
        made = await machines.create_state_machine(name="converge", definition=definition, roleArn=role)
        arn = made["stateMachineArn"]
        settings = read_settings({"GATEWRIGHT_STATE_MACHINE_ARN": arn})
        context = replace(world.context(), aws=Aws(client, REGION), settings=settings)
        one = {"stack": "a-b", "generation": 1, "requestId": "c"}
        two = {"stack": "a", "generation": 1, "requestId": "b-c"}
        for given_ in (one, two, one, two):
            assert await ensure_running(context, given_)
        found = (await machines.list_executions(stateMachineArn=arn))["executions"]
        for execution in found:
            await machines.stop_execution(executionArn=execution["executionArn"])
        names = sorted(one["name"] for one in found)
        assert (len(names), names[0], all(name.endswith("-1") for name in names)) == (2, "a-b-c-1", True)
