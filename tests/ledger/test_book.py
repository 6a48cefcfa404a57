"""The ledger in the hands of a run: many resources write at once, and no two transactions touch the stack's item."""

from typing import Any

import anyio
import pytest
from botocore.exceptions import ClientError

from infra.aws import Aws
from infra.ledger import Change, ConditionFailed, Key, Put
from infra.ledger.dynamodb import DynamoLedger
from infra.ledger.sqlite import SqliteLedger
from infra.redaction import Redaction
from tests.documents import small_stack
from tests.worlds import REGION
from workflows.planner.outcome import Status


class Transactions(SqliteLedger):
    """A ledger that takes its time, and refuses nothing: it notes which items two transactions touched at once.

    DynamoDB cancels a transaction that touches an item of another one, condition checks included.
    """

    def __init__(self) -> None:
        super().__init__()
        self.busy: set[Key] = set()
        self.conflicts = 0

    async def write(self, *changes: Change) -> None:
        keys = {change.key for change in changes}
        self.conflicts += bool(keys & self.busy)
        self.busy |= keys
        await anyio.sleep(0.02)
        self.busy -= keys
        await super().write(*changes)


async def test_the_writes_of_a_run_do_not_hinder_each_other(world):
    world.ledger.close()
    world.ledger = ledger = Transactions()
    assert (await world.apply(small_stack(12))).status is Status.READY
    assert ledger.conflicts == 0


class Cancelled:
    """A client whose transactions lose a race."""

    async def transact_write_items(self, **_: Any) -> None:
        text = "Transaction cancelled, please refer cancellation reasons for specific reasons [ConditionalCheckFailed]"
        error = {"Code": "TransactionCanceledException", "Message": text}
        reasons = [{"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}]
        answer = {"Error": error, "CancellationReasons": reasons, "ResponseMetadata": {"HTTPStatusCode": 400}}
        raise ClientError(answer, "TransactWriteItems")


@pytest.mark.parametrize("secret", ["", "Check", "Failed]", "Condition"])
async def test_a_secret_that_looks_like_a_word_of_the_ledger_hinders_nobody(secret):
    """Texts are redacted; what the program reads is not taken from them."""
    redaction = Redaction()
    redaction.add(secret)

    async def client(_: str) -> Any:
        return Cancelled()

    ledger = DynamoLedger(Aws(client, REGION, redaction=redaction), "table")
    with pytest.raises(ConditionFailed):
        await ledger.write(Put(Key("p", "stack"), {"version": 2}, when={"version": 1}))
