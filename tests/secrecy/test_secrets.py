"""Secrets are resolved at the last moment, seen to rotate, and get out nowhere."""

import json

import pytest
import structlog

from infra.ledger.sqlite import SqliteLedger
from infra.redaction import MASK, Redaction
from infra.sandbox.faults import Effect, Fault
from infra.secrets import SecretReference
from infra.telemetry import set_up_logs
from tests.documents import provider, small_stack
from tests.goals import tried
from tests.secrets import SENTINELS, encodings, secrets_in
from workflows.planner.outcome import Status


async def test_the_service_gets_the_secret(world):
    """The resolved value reaches the provider, and nobody else."""
    await world.apply(small_stack(0))
    kept = world.plane.world.secrets.find("bedrock-agentcore-identity!default/oauth2/idp")
    assert kept.versions[kept.current] == SENTINELS[0]


async def test_a_rotated_secret_is_applied_once(world):
    """A new version is seen by its id, applied by one update, and then rests."""
    await world.apply(small_stack(0))
    world.plane.world.secrets.put("payments/idp", json.dumps({"clientSecret": SENTINELS[2]}))
    world.sent()
    await world.apply(small_stack(0))
    assert world.sent() == ["UpdateOauth2CredentialProvider"]
    kept = world.plane.world.secrets.find("bedrock-agentcore-identity!default/oauth2/idp")
    assert kept.versions[kept.current] == SENTINELS[2]
    await world.apply(small_stack(0))
    assert world.sent() == []


@pytest.mark.parametrize(
    ("reference", "what"),
    [
        ("{{resolve:secretsmanager:nowhere:SecretString:clientSecret}}", "find"),
        ("{{resolve:secretsmanager:payments/idp:SecretString:nothing}}", "no JSON object with a member 'nothing'"),
    ],
)
async def test_a_secret_that_cannot_be_resolved_fails_its_provider(world, reference, what):
    """The failure names the secret and what is wrong, and nothing of its text."""
    document = {"stack": "x", "oauth2CredentialProviders": {"idp": provider(clientSecret=reference)}}
    outcome = await world.apply(document)
    assert outcome.status is Status.FAILED
    assert what in outcome.failures[0].message
    assert world.live == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{resolve:secretsmanager:a}}", SecretReference("a")),
        ("{{resolve:secretsmanager:a/b:SecretString:k}}", SecretReference("a/b", "k")),
        ("{{resolve:secretsmanager:a:SecretString:k:AWSPREVIOUS}}", SecretReference("a", "k", "AWSPREVIOUS")),
        ("{{resolve:secretsmanager:a:SecretString:k::0123}}", SecretReference("a", "k", "", "0123")),
        ("{{resolve:secretsmanager:a:SecretString:k:S:0123}}", None),
        ("{{resolve:secretsmanager:}}", None),
        (
            "{{resolve:secretsmanager:arn:aws:secretsmanager:us-east-1:123456789012:secret:a-b1:SecretString:k}}",
            SecretReference("arn:aws:secretsmanager:us-east-1:123456789012:secret:a-b1", "k"),
        ),
    ],
)
def test_references_are_cloudformation_s(text, expected):
    """Name or ARN, JSON key, staging label or version id."""
    assert SecretReference.parse(text) == expected


@pytest.mark.parametrize("secret", SENTINELS)
def test_redaction_blots_out_every_spelling(secret):
    """A secret that was seen is blotted out raw, escaped and encoded."""
    redaction = Redaction()
    redaction.add(secret)
    for spelling in encodings(secret):
        assert not secrets_in(redaction.text(f"before {spelling} after"))


class Off(Redaction):
    """A redaction that blots nothing out."""

    def text(self, text: str) -> str:
        return text


async def test_r19_without_redaction_the_search_of_every_test_finds_the_secret(world, logs):
    """A service that quotes the secret gets it into outcome, ledger and log at once, and the search sees it there."""
    world.redaction = Off
    secret = SENTINELS[0]
    fault = Fault("CreateOauth2CredentialProvider", Effect.REFUSE, -1, 0, "ValidationException", f"bad value {secret}")
    world.plane.faults.add(fault)
    outcome = await world.apply(small_stack(1))
    found = [bool(secrets_in(text)) for text in (str(outcome.shown()), "\n".join(world.ledger.dump()))]
    tried("R19", "redaction off: the search finds the secret", len(found), found.count(False))
    world.announced.clear()
    world.progress.clear()
    world.ledger.close()
    world.ledger = SqliteLedger()
    assert found == [True, True]


def test_without_redaction_the_search_finds_the_secret():
    """The search bites: what redaction would blot out is found when it is off."""
    for secret in SENTINELS:
        for spelling in encodings(secret):
            assert secrets_in(f"before {spelling} after")


def test_logs_hide_consent_urls(logs):
    """Consent URLs act as bearer tokens: no log shows them, however deep they stand."""
    set_up_logs(Redaction(), stream=logs)
    url = "https://example.com/authorize?request_uri=x"
    structlog.get_logger().info("seen", target={"authorizationData": {"oauth2": {"authorizationUrl": url}}})
    assert url not in logs.getvalue()
    assert MASK in logs.getvalue()


@pytest.mark.parametrize("more", ["", ":key", ":key:AWSPREVIOUS", "::AWSCURRENT", ":key::8b6e"])
def test_a_reference_is_written_as_it_is_read(more):
    """It is remembered as text."""
    for name in ("payments/idp", "arn:aws:secretsmanager:us-east-1:123456789012:secret:payments/idp-AbCdEf"):
        reference = SecretReference.parse(f"{{{{resolve:secretsmanager:{name}:SecretString{more}}}}}")
        assert reference is not None
        assert SecretReference.parse(str(reference)) == reference
