"""The deployed ledger over a stand-in for DynamoDB and S3."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from typing import Any

from aiobotocore.session import AioSession, get_session

from infra.aws import Aws
from infra.ledger.dynamodb import DynamoLedger
from infra.ledger.packing import PARTITION, SORT
from tests.worlds import REGION

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


@cache
def session() -> AioSession:
    """Return the session of this process: what it has read of the services' descriptions is read once."""
    return get_session()


@asynccontextmanager
async def services(endpoint: str) -> AsyncIterator[Callable[[str], Awaitable[Any]]]:
    """Yield a function that opens the client of a service, once."""
    clients: dict[str, Any] = {}
    async with AsyncExitStack() as stack:

        async def client(service: str) -> Any:
            if service not in clients:
                made = session().create_client(service, region_name=REGION, endpoint_url=endpoint, **KEYS)
                clients[service] = await stack.enter_async_context(made)
            return clients[service]

        yield client


@asynccontextmanager
async def table(endpoint: str) -> AsyncIterator[DynamoLedger]:
    """Yield a ledger on a table and a bucket of its own."""
    name = f"ledger-{uuid.uuid4().hex[:12]}"
    async with services(endpoint) as client:
        await (await client("dynamodb")).create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": PARTITION, "KeyType": "HASH"}, {"AttributeName": SORT, "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": one, "AttributeType": "S"} for one in (PARTITION, SORT)],
        )
        s3 = await client("s3")
        await s3.create_bucket(Bucket=name)
        await s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        yield DynamoLedger(Aws(client, REGION), name, name)
