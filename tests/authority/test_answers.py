"""Answers under one id: whoever asked first keeps theirs."""

from infra.deadline import Deadline
from tests.authority.desk import ACCOUNT, PAYMENTS, deployed
from tests.worlds import REGION, provision
from workflows.requests.answers import answer_key, answer_to
from workflows.requests.authority import Submitter
from workflows.service import handle

QUEUE = Submitter(queue=f"arn:aws:sqs:{REGION}:{ACCOUNT}:payments", sender="AROAPAYMENTS:pipeline")


async def test_the_answer_to_one_submitter_is_not_replaced_by_that_to_another(world):
    """Both may ask about the stack, and both call their request by the same id."""
    context = deployed(world)
    await handle(context, provision({"stack": "payments.new"}, "release", submitter=PAYMENTS), Deadline.within(600))
    wrong = {"stack": "payments.new", "gateways": {"g": {}}}
    await handle(context, provision(wrong, "release", submitter=QUEUE), Deadline.within(600))
    held = await world.ledger.get(answer_key("payments.new", "release"))
    assert held["submitter"] == PAYMENTS.shown()
    assert (await answer_to(world.ledger, "payments.new", "release", PAYMENTS))["status"] == "READY"
