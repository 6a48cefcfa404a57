"""Credentials that expired and clocks that are wrong say nothing of a resource: nothing is judged, nothing undone."""

import socket
from dataclasses import replace

import anyio
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    MetadataRetrievalError,
    ProxyConnectionError,
    SSLError,
    SSOTokenLoadError,
)
from botocore.parsers import ResponseParserError

from infra.deadline import Deadline
from infra.errors import CallFailed, ErrorClass
from tests.documents import changed, small_stack
from tests.goals import tried
from tests.twists import Twist, TwistedWorld, raising, refused
from tests.worlds import provision
from workflows.planner.failures import OF_ERROR_CLASSES
from workflows.planner.outcome import Status

CODES = ["ExpiredTokenException", "InvalidSignatureException", "RequestExpired", "UnrecognizedClientException"]
ADVICE = OF_ERROR_CLASSES[ErrorClass.CREDENTIALS][1]


@pytest.fixture
def world():
    with TwistedWorld() as made:
        yield made


def wanted() -> dict:
    made = changed(small_stack(2), {"gateways.payments.description": "second"})
    return {**made, "onFailure": "ROLLBACK"}


@pytest.mark.parametrize("operation", ["GetGateway", "ListGatewayTargets", "UpdateGateway", "CreateGatewayTarget"])
@pytest.mark.parametrize("code", CODES)
async def test_a_refused_caller_rolls_nothing_back(world, code, operation):
    """The request is in progress, with advice; once the credentials are right, the same request ends READY."""
    await world.apply(small_stack(1))
    world.twists.append(Twist(operation, refused(code, "the token included in the request is expired"), times=-1))
    world.sent()
    outcome = await world.apply(wanted(), "two")
    deleted = [one for one in world.sent() if one.startswith("Delete")]
    tried("R13", "credentials that expire and clocks that are wrong, at every sort of call", violations=deleted)
    assert (outcome.status, deleted, outcome.failures) == (Status.IN_PROGRESS, [], [])
    (warning,) = [one for one in outcome.warnings if one.rule == "credentials"]
    assert ADVICE in warning.message
    assert code in warning.message
    assert outcome.retry_after is not None
    world.twists.clear()
    assert (await world.apply(wanted(), "two")).status is Status.READY
    assert world.live["gateway payments"].request["description"] == "second"


@pytest.mark.parametrize("code", CODES)
async def test_one_refusal_alone_is_ridden_out(world, code):
    """Temporary credentials are renewed beside the calls that use them."""
    await world.apply(small_stack(1))
    world.twists.append(Twist("GetGateway", refused(code)))
    outcome = await world.apply(wanted(), "two")
    tried("R13", "credentials that expire and clocks that are wrong, at every sort of call")
    assert (outcome.status, outcome.warnings) == (Status.READY, ())


#: Failures to renew credentials, as botocore and aiobotocore raise them.
RENEWALS: dict[str, Exception] = {
    "a program that fails": CredentialRetrievalError(provider="custom-process", error_msg="exit 1"),
    "a role that may not be assumed": ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole"),
    "an identity provider that is away": ClientError(
        {"Error": {"Code": "IDPCommunicationError", "Message": "no"}}, "AssumeRoleWithWebIdentity"
    ),
    "a session that has ended": ClientError(
        {"Error": {"Code": "UnauthorizedException", "Message": "no"}}, "GetRoleCredentials"
    ),
    "no token": SSOTokenLoadError(error_msg="missing"),
    "no metadata": MetadataRetrievalError(error_msg="no answer"),
    "credentials that are expired": RuntimeError("the refreshed credentials are still expired"),
    "a file that is gone": FileNotFoundError("token"),
}


@pytest.mark.parametrize("error", RENEWALS.values(), ids=RENEWALS)
async def test_credentials_that_cannot_be_renewed_roll_nothing_back(world, error):
    """For hours: whichever service, program or file refuses the renewal, it is no answer about a resource."""
    await world.apply(small_stack(1))

    async def renew() -> None:
        raise error

    world.renew = renew
    world.sent()
    for _ in range(130):
        outcome = await world.run(provision(wanted(), "two"), seconds=300.0)
        assert (outcome.status, outcome.failures) == (Status.IN_PROGRESS, [])
        assert ADVICE in outcome.warnings[0].message
        await anyio.sleep(60)
    tried("R13", "credentials that cannot be renewed, for hours", violations=world.sent())
    world.renew = None
    assert (await world.apply(wanted(), "two")).status is Status.READY


@pytest.mark.parametrize("operation", ["GetGateway", "UpdateGateway", "CreateGatewayTarget"])
@pytest.mark.parametrize("by", ["AssumeRole", "AssumeRoleWithWebIdentity", "GetRoleCredentials"])
async def test_a_renewal_within_a_call_is_no_refusal_of_the_call(world, by, operation):
    await world.apply(small_stack(1))
    world.twists.append(Twist(operation, refused("AccessDenied", "not authorized", by), times=-1, instead=True))
    world.sent()
    outcome = await world.apply(wanted(), "two")
    deleted = [one for one in world.sent() if one.startswith("Delete")]
    assert (outcome.status, deleted, outcome.failures) == (Status.IN_PROGRESS, [], [])
    assert f"{by} was refused" in next(one.message for one in outcome.warnings if one.rule == "credentials")
    world.twists.clear()
    assert (await world.apply(wanted(), "two")).status is Status.READY


async def test_before_anything_is_known_of_the_account(world):
    """Nothing was accepted, and the request comes again."""
    world.twists.append(Twist("GetCallerIdentity", refused("ExpiredToken"), times=-1))
    outcome = await world.apply(small_stack(1), "one")
    assert outcome.status is Status.IN_PROGRESS
    assert ADVICE in outcome.warnings[0].message
    assert (world.live, await world.ledger.partitions()) == ({}, [])


async def test_credentials_that_are_refused_for_hours_roll_nothing_back(world):
    """Nothing moves, and nothing can be judged: the request waits, and goes on when the credentials are right."""
    await world.apply(small_stack(1))
    world.twists.append(Twist("*Gateway*", refused("ExpiredTokenException"), times=-1))
    world.sent()
    for _ in range(130):
        outcome = await world.apply(wanted(), "two")
        assert outcome.status is Status.IN_PROGRESS
        await anyio.sleep(60)
    tried("R13", "credentials that expire and clocks that are wrong, at every sort of call", violations=world.sent())
    world.twists.clear()
    assert (await world.apply(wanted(), "two")).status is Status.READY


UNCONNECTED = {
    "no such host": EndpointConnectionError(endpoint_url="https://x", error=socket.gaierror("no such host")),
    "no connection": ConnectTimeoutError(endpoint_url="https://x"),
    "another's certificate": SSLError(endpoint_url="https://x", error="certificate"),
    "a proxy": ProxyConnectionError(proxy_url="https://proxy"),
    "a page": ResponseParserError("no JSON"),
}


@pytest.mark.parametrize("error", UNCONNECTED.values(), ids=UNCONNECTED)
async def test_an_endpoint_that_leads_nowhere_rolls_nothing_back(world, error):
    """For hours, and whatever the call: the request is in progress with advice, and goes on afterwards."""
    await world.apply(small_stack(1))
    world.twists.append(Twist("*Gateway*", raising(error), times=-1, instead=True))
    world.sent()
    for _ in range(130):
        outcome = await world.run(provision(wanted(), "two"), seconds=300.0)
        assert outcome.status is Status.IN_PROGRESS
        await anyio.sleep(60)
    tried("R13", "endpoints, networks and proxies that lead to no service, for hours", violations=world.sent())
    assert "Check the Region" in next(one.message for one in outcome.warnings if one.rule == "network")
    world.twists.clear()
    assert (await world.apply(wanted(), "two")).status is Status.READY


@pytest.mark.parametrize("code", ["ExpiredTokenException", ""])
async def test_time_without_calls_counts_for_no_refusal(world, code):
    """A change that is busy for nine minutes, an hour without calls, then busy again: it has ten minutes more."""
    trouble = refused(code) if code else raising(UNCONNECTED["no connection"])
    await world.apply(small_stack(1))
    stack = changed(small_stack(1), {"gateways.payments.description": "second"})
    busy = Twist("UpdateGateway", refused("ConflictException", "In progress"), -1, instead=True)

    async def running(minutes: int) -> Status:
        outcome = None
        for _ in range(minutes):
            outcome = await world.run(provision(stack, "two"), seconds=30.0)
            await anyio.sleep(30)
        assert outcome is not None
        return Status(outcome.status)

    world.twists[:] = [busy]
    assert await running(9) is Status.IN_PROGRESS
    world.twists[:] = [Twist("*Gateway*", trouble, times=-1, instead=True)]
    assert await running(60) is Status.IN_PROGRESS
    world.twists[:] = [busy]
    assert await running(9) is Status.IN_PROGRESS
    assert await running(12) is Status.FAILED


async def test_a_refused_caller_gets_no_account_that_is_made_up(world):
    """Also beside an endpoint on this machine, which has one for callers that no STS knows."""
    calls = replace(world.context().aws, default_account="000000000000").within(Deadline())
    world.twists.append(Twist("GetCallerIdentity", refused("InvalidClientTokenId"), times=-1))
    with pytest.raises(CallFailed):
        await calls.account()
    world.twists[:] = [Twist("GetCallerIdentity", refused("UnknownOperationException"), times=-1)]
    assert await calls.account() == "000000000000"
