"""The ledger in the hands of a run: many resources write at once, and no two transactions touch the stack's item."""

import anyio

from infra.ledger import Change, Key
from infra.ledger.sqlite import SqliteLedger
from tests.documents import small_stack
from workflows.outcome import Status


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
