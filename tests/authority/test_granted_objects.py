"""Grants that are taken away, and objects whose names are written in two ways: what counts is what is asked for now."""

import copy
from typing import Any

import pytest

from handlers.step_functions import accepted_before
from infra.deadline import Deadline
from tests.authority.desk import ACCOUNT, FILE, PAYMENTS, deployed
from tests.documents import gateway
from tests.intake.objects import Held
from tests.worlds import provision
from workflows.planner.outcome import Status
from workflows.records.request_state import Mode
from workflows.requests.request import Request
from workflows.service import handle, resume

DOCUMENT = {"stack": "payments.new", "gateways": {"g": gateway(roleArn=f"arn:aws:iam::{ACCOUNT}:role/payments-g")}}
NAMED = {"stack": "payments.new", "generation": 1, "requestId": "r"}


def without_roles() -> dict[str, Any]:
    grants: dict[str, Any] = copy.deepcopy(FILE["grants"])
    for grant in grants["grants"]:
        grant.get("mayName", {}).pop("roles", None)
    return grants


@pytest.mark.parametrize("taken", [True, False], ids=["taken away", "still there"])
async def test_a_request_that_goes_on_by_its_name_needs_its_grants_still(world, taken):
    """The state machine goes on with what was accepted, and creates nothing for which the grant is gone."""
    request = provision(DOCUMENT, "r", submitter=PAYMENTS)
    first = await handle(deployed(world), request, Deadline.within(15))
    assert (first.status, world.live) == (Status.IN_PROGRESS, {})
    context = deployed(world, without_roles()) if taken else deployed(world)
    outcome = await resume(context, accepted_before(NAMED), Deadline.within(600))
    assert outcome.status is (Status.REJECTED if taken else Status.READY)
    assert [one.path for one in outcome.problems] == (["gateways.g.roleArn"] if taken else [])
    assert list(world.live) == ([] if taken else ["gateway g"])


class Asked(Held):
    """An S3 client that notes which keys were asked for."""

    keys: tuple[str, ...] = ()

    async def get_object(self, **params: Any) -> dict[str, Any]:
        self.keys = (*self.keys, params["Key"])
        return await super().get_object(**params)


@pytest.mark.parametrize(
    ("granted", "uri", "key"),
    [
        ("s3://payments-stacks/my tools.yaml", "s3://payments-stacks/my%20tools.yaml", "my tools.yaml"),
        ("s3://payments-stacks/50%25.yaml", "s3://payments-stacks/50%2525.yaml", "50%25.yaml"),
        ("s3://payments-stacks/50%25.yaml", "s3://payments-stacks/50%25.yaml", None),
    ],
    ids=["a space", "a percent sign in a key", "another key that is written alike"],
)
async def test_a_grant_is_of_the_object_that_is_read(world, granted, uri, key):
    """The key that is fetched is the one that was checked, however the URI writes it; another one is not fetched."""
    grants = copy.deepcopy(FILE["grants"])
    grants["grants"][0]["mayName"]["documents"] = [granted]
    shelf = Asked({"stack": "payments.new"})
    request = Request(mode=Mode.PROVISION, request_id="r", stack="", uri=uri, submitter=PAYMENTS)
    outcome = await handle(deployed(world, grants, shelf), request, Deadline.within(600))
    assert shelf.keys == (() if key is None else (key,))
    assert outcome.status is (Status.REJECTED if key is None else Status.READY)
