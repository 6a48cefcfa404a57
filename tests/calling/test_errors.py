"""What an error of AWS means is read from one table, and the table knows every error of the model."""

import pytest

from infra import service_model
from infra.error_table import classify
from infra.errors import Verdict
from workflows.failures import OF_VERDICTS
from workflows.kinds import KINDS

_V, _C, _Q = "ValidationException", "ConflictException", "ServiceQuotaExceededException"
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
        ("CreateOauth2CredentialProvider", _V, "Credential provider with name: x already exists", Verdict.EXISTS),
        ("CreateGateway", _C, "A gateway with name x already exists", Verdict.EXISTS),
        ("CreateGatewayTarget", _V, "Cannot perform operation X when gateway is in CREATING status", Verdict.BUSY),
        ("UpdateGatewayTarget", _C, "Target is being updated", Verdict.BUSY),
        ("DeleteGateway", _V, "Gateway g has targets associated with it. Delete all targets", Verdict.IN_USE),
        ("CreateGatewayTarget", _V, "Gateway execution role lacks permission to invoke f", Verdict.NOT_YET),
        ("CreateGatewayTarget", _Q, "Too many concurrent target operations", Verdict.BUSY),
        ("CreateGateway", _Q, "The number of gateways has reached its limit", Verdict.QUOTA),
        ("CreateGateway", _V, "AuthorizerConfiguration is required for CUSTOM_JWT", Verdict.INVALID),
        ("CreateGateway", _V, "The client token was used before with other parameters", Verdict.TOKEN_MISMATCH),
        ("GetGateway", "ResourceNotFoundException", "Gateway g not found", Verdict.GONE),
        ("GetGateway", "ThrottlingException", "Rate exceeded", Verdict.THROTTLED),
        ("GetGateway", "AccessDeniedException", "not authorized", Verdict.DENIED),
        ("CreateGateway", "SomethingNew", "?", Verdict.UNKNOWN),
    ],
    ids=lambda value: str(value)[:40],
)
def test_texts_that_were_observed(operation, code, message, verdict):
    """The same code means different things; the message tells them apart."""
    assert classify(operation, code, message) is verdict


def test_server_errors_leave_the_outcome_open():
    """Any 5xx that the table does not name may have taken effect."""
    assert classify("CreateGateway", "Whatever", "", status=503) is Verdict.UNKNOWN_OUTCOME
