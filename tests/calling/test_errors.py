"""What an error of AWS means is read from one table, and the table knows every error of the model."""

import pytest

from infra import service_model
from infra.error_table import classify
from infra.errors import Verdict
from workflows.failures import OF_VERDICTS
from workflows.kinds import KINDS

OPERATIONS = sorted(
    {
        getattr(kind.operations, name)
        for kind in KINDS
        for name in ("create", "get", "update", "delete", "list", "synchronize")
        if getattr(kind.operations, name)
    }
    | {"ListTagsForResource", "TagResource", "UntagResource"}
)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_modelled_error_has_a_verdict(operation):
    """R12: no error that the model lists for an operation is unknown to the table."""
    for shape in service_model.operation(operation).error_shapes:
        assert classify(operation, shape.name, "") is not Verdict.UNKNOWN, shape.name


def test_every_verdict_says_who_must_act():
    """Whatever AWS refuses, somebody is told what to do."""
    assert set(OF_VERDICTS) == set(Verdict)


@pytest.mark.parametrize(
    ("operation", "code", "message", "verdict"),
    [
        ("CreateOauth2CredentialProvider", "ValidationException", "Credential provider with name: x already exists", Verdict.EXISTS),
        ("CreateGateway", "ConflictException", "A gateway with name x already exists", Verdict.EXISTS),
        ("CreateGatewayTarget", "ValidationException", "Cannot perform operation CreateGatewayTarget when gateway is in CREATING status", Verdict.BUSY),
        ("UpdateGatewayTarget", "ConflictException", "Target is being updated", Verdict.BUSY),
        ("DeleteGateway", "ValidationException", "Gateway g has targets associated with it. Delete all targets before deleting the gateway.", Verdict.IN_USE),
        ("CreateGatewayTarget", "ValidationException", "Gateway execution role lacks permission to invoke Lambda function f. Update the permission and retry", Verdict.NOT_YET),
        ("CreateGatewayTarget", "ServiceQuotaExceededException", "Too many concurrent target operations", Verdict.BUSY),
        ("CreateGateway", "ServiceQuotaExceededException", "The number of gateways has reached its limit", Verdict.QUOTA),
        ("CreateGateway", "ValidationException", "AuthorizerConfiguration is required for CUSTOM_JWT authorizer type", Verdict.INVALID),
        ("CreateGateway", "ValidationException", "The client token was used before with different parameters", Verdict.TOKEN_MISMATCH),
        ("GetGateway", "ResourceNotFoundException", "Gateway g not found", Verdict.GONE),
        ("GetGateway", "ThrottlingException", "Rate exceeded", Verdict.THROTTLED),
        ("GetGateway", "AccessDeniedException", "not authorized", Verdict.DENIED),
        ("CreateGateway", "SomethingNew", "?", Verdict.UNKNOWN),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_texts_that_were_observed(operation, code, message, verdict):
    """The same code means different things; the message tells them apart."""
    assert classify(operation, code, message) is verdict


def test_server_errors_leave_the_outcome_open():
    """Any 5xx that the table does not name may have taken effect."""
    assert classify("CreateGateway", "Whatever", "", status=503) is Verdict.UNKNOWN_OUTCOME
