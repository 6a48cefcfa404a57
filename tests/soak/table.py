"""The ledger's table at the other end of the wire: moto's DynamoDB, in process."""

import copy
import json

from botocore.awsrequest import AWSPreparedRequest
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models import table as moto_table

from infra.ledger.packing import PARTITION, SORT
from tests.soak.faults import WRITE
from tests.soak.wire import Asked, Reply
from tests.worlds import REGION


class _Light(moto_table.Table):
    """A table whose copies, of which moto makes one for each transaction, share the items: those are only replaced."""

    def __deepcopy__(self, memo: object) -> "_Light":
        made = copy.copy(self)
        made.items = copy.copy(self.items)
        for partition, items in self.items.items():
            made.items[partition] = copy.copy(items)
        return made


class Table:
    """A table of its own in moto's DynamoDB, which forgets the tokens of writes: a token counts once here."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._writes: dict[str, Reply] = {}
        self._stubber = BotocoreStubber()
        self._backend = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION]
        self._backend.tables.pop(name, None)
        self._backend.create_table(
            name=name,
            schema=[{"AttributeName": PARTITION, "KeyType": "HASH"}, {"AttributeName": SORT, "KeyType": "RANGE"}],
            throughput=None,
            attr=[{"AttributeName": one, "AttributeType": "S"} for one in (PARTITION, SORT)],
            global_indexes=None,
            indexes=None,
            streams=None,
            billing_mode="PAY_PER_REQUEST",
            sse_specification=None,
            tags=[],
            deletion_protection_enabled=None,
            warm_throughput=None,
        )
        self._backend.tables[name].__class__ = _Light  # type: ignore[type-abstract]

    def answer(self, asked: Asked) -> Reply:
        """Return what DynamoDB would put on the wire."""
        token = json.loads(asked.body).get("ClientRequestToken") if asked.operation == WRITE else None
        if token in self._writes:
            return self._writes[token]
        request = AWSPreparedRequest(asked.method, str(asked.url), dict(asked.headers), asked.body, stream_output=False)
        found = self._stubber.process_request(request)
        assert found is not None
        status, headers, body = found
        reply = Reply(status, dict(headers), body.encode() if isinstance(body, str) else body)
        if token is not None and status == 200:
            self._writes[token] = reply
        return reply

    def close(self) -> None:
        """Forget the table."""
        self._backend.tables.pop(self.name, None)
