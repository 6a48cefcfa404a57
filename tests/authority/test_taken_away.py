"""What is taken away is gone: grants are asked for again whenever a request is gone on with, whatever it asks for."""

from typing import Any

import anyio
import pytest

from handlers.step_functions import accepted_before
from infra.deadline import Deadline
from tests.authority.desk import ACCOUNT, FILE, OBJECTS, PAYMENTS, Shelf, deployed
from tests.documents import small_stack
from tests.goals import tried
from tests.worlds import provision
from workflows.planner.outcome import Status
from workflows.records.request_state import Mode
from workflows.requests.authority import Submitter
from workflows.requests.request import Request
from workflows.service import handle, resume

REQUESTS = ["provision", "remove", "synchronize", "plan"]


def grants(*requests: str, **may_name: list[str]) -> dict[str, Any]:
    """Return grants of these requests to the payments team, which may name anything that is not said here."""
    every = {name: ["*"] for grant in FILE["grants"]["grants"] for name in grant.get("mayName", {})}
    one = {
        "submitters": [{"account": ACCOUNT, "source": PAYMENTS.source}],
        "stacks": ["payments.*"],
        "requests": list(requests),
        "mayName": {**every, **may_name},
    }
    return {"version": 1, "grants": [one] if requests else []}


def of(sender: Submitter, *requests: str) -> dict[str, Any]:
    """Return the same grants to another submitter."""
    made = grants(*requests)
    made["grants"][0]["submitters"] = [{"account": ACCOUNT, "source": sender.source}]
    return made


async def begun(world: Any, mode: Mode, sender: Submitter = PAYMENTS) -> dict[str, Any]:
    """Return the name of a request that was accepted and could not be settled in its first run."""
    first = provision(small_stack(2), "one").model_copy(update={"submitter": PAYMENTS})
    outcome = await handle(deployed(world, grants(*REQUESTS)), first, Deadline.within(600))
    assert outcome.status is Status.READY, outcome.problems
    world.behaviour.durations.delete = world.behaviour.durations.synchronize = 60.0
    second = Request(mode=mode, request_id="two", stack="payments.tools", submitter=sender)
    outcome = await handle(deployed(world, of(sender, *REQUESTS)), second, Deadline.within(30.0))
    assert outcome.status is Status.IN_PROGRESS
    world.sent()
    await anyio.sleep(60)
    more = {"synchronize": True} if mode is Mode.SYNCHRONIZE else {}
    return {"stack": "payments.tools", "generation": outcome.generation, "requestId": "two", **more}


ENDS = {Mode.REMOVE: Status.DELETED, Mode.SYNCHRONIZE: Status.READY}
NEEDS = {Mode.REMOVE: "remove", Mode.SYNCHRONIZE: "synchronize"}


@pytest.mark.parametrize("mode", ENDS)
async def test_what_is_still_granted_goes_on(world, mode):
    named = await begun(world, mode)
    outcome = await resume(deployed(world, grants(NEEDS[mode])), accepted_before(named), Deadline.within(600))
    assert outcome.status is ENDS[mode]


@pytest.mark.parametrize("left", [(), ("provision", "plan")], ids=["no grant", "other grants"])
@pytest.mark.parametrize("mode", ENDS)
async def test_what_is_granted_no_more_goes_on_no_further(world, mode, left):
    """Rejected by the rule of authority, and nothing more is sent."""
    named = await begun(world, mode)
    was = set(world.live)
    outcome = await resume(deployed(world, grants(*left)), accepted_before(named), Deadline.within(600))
    sent = world.sent()
    tried("R20", "requests that go on after their grants were taken away", violations=len(sent))
    assert (outcome.status, sent, set(world.live)) == (Status.REJECTED, [], was)
    assert {problem.rule for problem in outcome.problems} == {"authority"}


async def test_a_synchronization_goes_on_for_who_asked_for_it(world):
    """Not for who sent the document that is in force, whose grants are another's."""
    other = Submitter(account=ACCOUNT, source="com.example.other")
    named = await begun(world, Mode.SYNCHRONIZE, other)
    outcome = await resume(deployed(world, of(other, "synchronize")), accepted_before(named), Deadline.within(600))
    assert outcome.status is Status.READY


async def test_a_synchronization_whose_grants_are_withdrawn_has_ended(world):
    """It is not continued when the grants are back, and another one is made."""
    other = Submitter(account=ACCOUNT, source="com.example.other")
    named = await begun(world, Mode.SYNCHRONIZE, other)
    for now in (grants("synchronize"), of(other, "synchronize")):
        outcome = await resume(deployed(world, now), accepted_before(named), Deadline.within(600))
        assert (outcome.status, world.sent()) == (Status.REJECTED, [])
    again = Request(mode=Mode.SYNCHRONIZE, request_id="three", stack="payments.tools", submitter=other)
    outcome = await handle(deployed(world, of(other, "synchronize")), again, Deadline.within(600))
    assert outcome.status is Status.READY


#: A URI, and the object that it names.
URIS = [
    ("s3://payments-stacks/tools.yaml", ("payments-stacks", "tools.yaml")),
    ("s3://payments-stacks/tools%2Eyaml", ("payments-stacks", "tools.yaml")),
    ("s3://payments-stacks/tools.yaml?versionId=3", ("payments-stacks", "tools.yaml")),
    ("s3://payments-stacks/tools%2Eyaml?versionId=3#billing.yaml", ("payments-stacks", "tools.yaml")),
]


@pytest.mark.parametrize(("uri", "named"), URIS, ids=[row[0] for row in URIS])
async def test_the_object_that_is_fetched_is_the_one_that_was_checked(world, uri, named):
    """With a grant of exactly that object it is fetched, and with one of any other spelling nothing is."""
    assert named in OBJECTS
    shelf = Shelf()
    request = Request(mode=Mode.PROVISION, request_id="one", stack="", uri=uri, submitter=PAYMENTS)
    exact = f"s3://{named[0]}/{named[1]}"
    await handle(deployed(world, grants(*REQUESTS, documents=[exact]), shelf), request, Deadline.within(60))
    assert shelf.asked == [named]
    shelf = Shelf()
    spelled = [uri.replace("tools", "other"), f"{exact}?*", exact.replace(".", "%2E")]
    outcome = await handle(deployed(world, grants(*REQUESTS, documents=spelled), shelf), request, Deadline.within(60))
    tried("R20", "documents elsewhere, under several encodings", 1, shelf.asked)
    assert (outcome.status, shelf.asked) == (Status.REJECTED, [])


async def test_a_grant_of_another_stack_lets_a_document_come_from_nowhere(world):
    """Who may write to the place of one stack must not decide another one's document."""
    mine, shelf = grants(*REQUESTS, documents=["s3://elsewhere/*"]), Shelf()
    other = {**grants(*REQUESTS)["grants"][0], "stacks": ["development.*"]}
    mine["grants"].append({**other, "mayName": {"documents": ["s3://payments-stacks/*"]}})
    uri = "s3://payments-stacks/tools.yaml"
    request = Request(mode=Mode.PROVISION, request_id="one", stack="", uri=uri, submitter=PAYMENTS)
    outcome = await handle(deployed(world, mine, shelf), request, Deadline.within(60))
    tried("R20", "documents elsewhere, under several encodings", violations=int(outcome.status is Status.READY))
    assert (outcome.status, [one.path for one in outcome.problems]) == (Status.REJECTED, ["stackUri"])
