"""R19: the service may quote a secret when it says why something failed; nobody else gets to read it there."""

import json

import pytest

from infra.deadline import Deadline
from infra.redaction import MASK
from infra.sandbox.faults import Effect, Fault
from infra.sandbox.world import Failure
from tests.documents import mcp_target, oauth, provider, small_stack
from tests.goals import tried
from tests.secrets import CONSENT, SENTINELS, secrets_in
from tests.worlds import provision
from workflows.planner.outcome import Outcome, Status
from workflows.planning import plan
from workflows.records.request_state import Mode
from workflows.requests.request import Request

QUOTED = Failure(-1, f"invalid_client: client_secret={SENTINELS[0]} was refused")
WHAT = "reasons of the service that quote a secret"


def judged(world, outcome: Outcome) -> None:
    shown = json.dumps(outcome.shown(), default=str)
    found = secrets_in(shown, str(world.announced), "\n".join(world.ledger.dump()))
    tried("R19", WHAT, violations=found)
    assert found == []
    assert MASK in shown


@pytest.mark.parametrize("name", ["idp", "target-0"])
async def test_r19_a_reason_that_quotes_a_secret_is_told_without_it(world, name):
    """Whether the provider's own or that of a target which uses it."""
    world.plane.world.failing[name] = QUOTED
    outcome = await world.apply(small_stack(1))
    assert outcome.status is Status.FAILED
    judged(world, outcome)


@pytest.mark.parametrize("asked", [Mode.PROVISION, Mode.REMOVE])
async def test_r19_so_is_one_that_another_process_reads_later(world, asked):
    """That process sent no secret, and finds out what it must not repeat."""
    await world.apply(small_stack(1))
    record = world.live["target target-0"]
    record.go("FAILED", now=world.plane.world.now)
    record.reasons = [QUOTED.reason]
    if asked is Mode.REMOVE:
        world.plane.world.failing["target-0"] = Failure(-1, QUOTED.reason, frozenset({"DELETE"}))
        request = Request(mode=asked, request_id="later", stack="payments.tools")
    else:
        world.plane.world.failing["target-0"] = QUOTED
        request = provision(small_stack(1), "later")
    outcome = await world.run(request)
    found = secrets_in(json.dumps(outcome.shown(), default=str), "\n".join(world.ledger.dump()), str(world.progress))
    tried("R19", WHAT, violations=found)
    assert found == []


async def test_r19_a_plan_tells_it_without_the_secret_too(world):
    await world.apply(small_stack(1))
    record = world.live["target target-0"]
    record.go("FAILED", now=world.plane.world.now)
    record.reasons = [QUOTED.reason]
    found = await plan(world.context(), small_stack(1), Deadline(), frozenset())
    tried("R19", WHAT, violations=secrets_in(str(found.shown())))
    assert MASK in str(found.shown())
    assert secrets_in(str(found.shown())) == []


async def test_r19_an_error_that_quotes_where_to_consent_is_told_without_it(world):
    """A consent URL is in the outcome's consents, and in no message that is kept or logged."""
    document = small_stack(0)
    asks = oauth("AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/back")
    document["gateways"]["payments"]["targets"] = {"asks": mcp_target(credentialProviderConfigurations=asks)}
    outcome = await world.run(provision(document, "one"))
    (consent,) = outcome.asking.values()
    text = f"cannot list: see {consent['authorizationUrl']}"
    world.plane.faults.add(Fault("ListGatewayTargets", Effect.REFUSE, -1, 1, "AccessDeniedException", text))
    # The first list shows the URL; the one that looks for the end of another target's creation is refused.
    document["gateways"]["payments"]["targets"]["other"] = mcp_target()
    outcome = await world.run(provision(document, "two"))
    assert [one.message for one in outcome.failures] == [f"ListGatewayTargets: cannot list: see {MASK}"]
    kept = "\n".join(world.ledger.dump())
    tried("R19", "errors that quote a consent URL", violations=kept.count(CONSENT))
    assert CONSENT not in kept


def quoting(world, name: str, *operations: str) -> None:
    world.plane.world.failing[name] = Failure(-1, QUOTED.reason, frozenset(operations))


async def test_r19_a_synchronization_that_fails_tells_it_without_the_secret(world):
    """It has no provider to look at, and its process sent nothing."""
    await world.apply(small_stack(1))
    quoting(world, "target-0", "SYNCHRONIZE")
    judged(world, await world.synchronize("payments.tools"))


async def test_r19_what_left_the_document_is_told_of_without_its_secret(world):
    """No document names that secret any more."""
    await world.apply({"stack": "s", "oauth2CredentialProviders": {"idp": provider()}})
    quoting(world, "idp", "DELETE")
    judged(world, await world.apply({"stack": "s"}, allow=frozenset({"oauth2CredentialProviders.idp"})))


async def test_r19_a_rollback_in_many_runs_tells_it_without_the_secret(world):
    world.behaviour.durations.delete = 100.0
    document = {"stack": "s", "onFailure": "ROLLBACK", "oauth2CredentialProviders": {"idp": provider()}}
    quoting(world, "idp", "CREATE", "DELETE")
    judged(world, await world.settle(provision(document, "one"), seconds=30.0))


def rotated(world, value: str) -> None:
    world.plane.world.secrets.put("payments/idp", json.dumps({"clientSecret": value}))


def refusing(world, text: str, operation: str = "UpdateOauth2CredentialProvider") -> None:
    world.plane.faults.add(Fault(operation, Effect.REFUSE, 50, 0, "ValidationException", text))


async def test_r19_an_error_that_quotes_the_version_before_is_told_without_it(world):
    """The secret was rotated, and the service says which one it could not replace."""
    await world.apply(small_stack(1))
    rotated(world, SENTINELS[2])
    refusing(world, f"could not replace {SENTINELS[0]} by {SENTINELS[2]}")
    outcome = await world.apply(small_stack(1))
    assert outcome.status is Status.FAILED
    judged(world, outcome)


async def test_r19_a_version_that_was_sent_is_known_when_it_has_no_label_any_more(world):
    """Rotated twice since: neither AWSCURRENT nor AWSPREVIOUS is what the service quotes."""
    await world.apply(small_stack(1))
    rotated(world, "harmless-second-value")
    rotated(world, "harmless-third-value")
    refusing(world, f"could not replace {SENTINELS[0]}")
    outcome = await world.apply(small_stack(1))
    assert outcome.status is Status.FAILED
    judged(world, outcome)


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException", "InternalServiceError"])
async def test_r19_a_reason_is_withheld_where_the_secret_cannot_be_read(world, code):
    """Whether it quotes the secret cannot be told, so nobody reads it; the secret is named."""
    await world.apply(small_stack(1))
    record = world.live["target target-0"]
    provider_of = world.live["provider idp"]
    provider_of.request["description"] = "x"
    record.go("FAILED", now=world.plane.world.now)
    record.reasons = [QUOTED.reason]
    world.plane.world.failing["target-0"] = Failure(-1, QUOTED.reason, frozenset({"DELETE", "CREATE"}))
    world.plane.faults.add(Fault("GetSecretValue", Effect.REFUSE, 5000, 0, code, "no"))
    outcome = await world.apply(oauth_target())
    shown = json.dumps(outcome.shown(), default=str)
    tried("R19", WHAT, violations=secrets_in(shown, str(world.announced), "\n".join(world.ledger.dump())))
    assert secrets_in(shown, str(world.announced), "\n".join(world.ledger.dump())) == []
    assert "withheld" in shown
    assert "payments/idp" in shown


def oauth_target() -> dict:
    made = small_stack(1)
    made["gateways"]["payments"]["targets"]["target-0"] = mcp_target(credentialProviderConfigurations=oauth())
    return made


async def test_r19_a_reason_of_what_uses_no_secret_is_told_as_it_is(world):
    """Also where the secrets of the rest of the stack cannot be read."""
    plain = {"stack": "payments.tools", "gateways": small_stack(0)["gateways"]}
    await world.apply(small_stack(0))
    refusing(world, "the audience is odd", "UpdateGateway")
    world.plane.faults.add(Fault("GetSecretValue", Effect.REFUSE, 5000, 0, "AccessDeniedException", "no"))
    plain["gateways"]["payments"]["description"] = "second"
    outcome = await world.apply({**small_stack(0), **plain})
    assert "the audience is odd" in str([one.message for one in outcome.failures])


async def test_secrets_are_known_for_one_request(world):
    """The next request of the same process masks none of the words of the one before."""
    redaction = world.context().aws.redaction
    await world.apply(small_stack(1))
    redaction.begin()
    redaction.add("orders-stack")
    assert redaction.text("the orders-stack is odd") == f"the {MASK} is odd"
    event = redaction.processor(None, "info", {"event": "outcome", "stack": "orders-stack", "reason": "orders-stack"})
    assert (event["stack"], event["reason"]) == ("orders-stack", MASK)
    redaction.begin()
    assert redaction.text("the orders-stack is odd") == "the orders-stack is odd"
