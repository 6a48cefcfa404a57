"""What an error of AWS means is read from one table, and the table knows every error of the model."""

from contextlib import suppress
from functools import partial
from random import Random

import pytest
from botocore.model import StructureShape

from infra import service_model
from infra.deadline import Deadline
from infra.error_table import THROTTLES, classify
from infra.errors import TRANSIENT, CallFailed, ErrorClass
from infra.retry import BUDGETS, attempts
from infra.service_model import AGENT_REGISTRY, CONTROL_PLANE
from tests.goals import tried
from tests.worlds import virtually
from workflows.kinds import KINDS
from workflows.planner.failures import OF_ERROR_CLASSES, Actor

_V, _C, _Q = "ValidationException", "ConflictException", "ServiceQuotaExceededException"
#: Every operation that we call, by service.
OPERATIONS: dict[str, set[str]] = {
    CONTROL_PLANE: {"ListHarnessEndpoints", "DeleteHarnessEndpoint", "SynchronizeGatewayTargets"},
    AGENT_REGISTRY: set(),
    "secretsmanager": {"GetSecretValue", "DescribeSecret"},
    "sts": {"GetCallerIdentity"},
    "events": {"PutEvents"},
}
for _kind in KINDS:
    OPERATIONS[_kind.service] |= {getattr(_kind.operations, n) for n in ("create", "get", "update", "delete", "list")}
    OPERATIONS[_kind.service] |= {"ListTagsForResource", "TagResource", "UntagResource"}
#: Errors of any AWS service with their status: the page "Common errors", and the codes of its older services.
COMMON = {
    "AccessDeniedException": 403, "AccessDenied": 403, "ExpiredTokenException": 403, "ExpiredToken": 400,
    "IncompleteSignature": 403, "InternalFailure": 500, "InternalServerException": 500, "InternalServerError": 500,
    "InvalidClientTokenId": 403, "InvalidSignatureException": 403, "MalformedHttpRequestException": 400,
    "MissingAuthenticationToken": 403, "NotAuthorized": 401, "OptInRequired": 403, "RequestAbortedException": 400,
    "RequestEntityTooLargeException": 413, "RequestExpired": 400, "RequestTimeoutException": 408,
    "ServiceUnavailable": 503, "ServiceUnavailableException": 503, "SignatureDoesNotMatch": 403,
    "SerializationException": 400, "Throttling": 400, "ThrottlingException": 429, "TooManyRequestsException": 429,
    "UnknownOperationException": 404, "UnrecognizedClientException": 403, "ValidationError": 400,
    "ValidationException": 400, "BadGateway": 502, "GatewayTimeout": 504, "RequestLimitExceeded": 503,
}  # fmt: skip
#: Errors below 500 after which nobody knows whether the call took effect.
UNANSWERED = frozenset({"RequestTimeoutException", "RequestAbortedException"})
MODELLED = (CONTROL_PLANE, AGENT_REGISTRY)


def errors_of(service: str) -> dict[str, int]:
    """Return every error that the model of a service knows of any operation, and the common ones, by status."""
    model = service_model.service(service)
    shapes = [shape for name in model.operation_names for shape in model.operation_model(name).error_shapes]
    if service not in MODELLED:
        # Of a large neighbour only what its operations list.
        shapes = [shape for name in OPERATIONS[service] for shape in model.operation_model(name).error_shapes]
    return COMMON | {shape.name: _status(shape) for shape in shapes}


def _status(shape: StructureShape) -> int:
    """Return the status of an error; the models of neighbours do not say it."""
    return int(shape.metadata.get("error", {}).get("httpStatusCode", 500 if shape.name.startswith("Internal") else 400))


async def tries_of(operation: str, error_class: ErrorClass) -> int:
    """Return how often a call is sent that always fails with an error class; it is given up some time."""
    sent = 0
    with suppress(CallFailed):
        async for attempt in attempts(operation, Deadline(), Random(0).uniform):
            with attempt:
                sent += 1
                raise CallFailed(operation, error_class, "", "")
    return sent


@pytest.mark.parametrize("service", OPERATIONS)
def test_r12_every_error_of_every_operation_means_something(service):
    """It has an error class, somebody who must act and what to do; and it either passes or is final."""
    pairs = [(name, code, status) for name in OPERATIONS[service] for code, status in errors_of(service).items()]
    wrong = []
    for operation, code, status in sorted(pairs):
        error_class = classify(operation, code, "", status=status)
        actor, advice = OF_ERROR_CLASSES[error_class]
        fine = error_class is not ErrorClass.UNKNOWN and actor in Actor and advice.endswith(".")
        # What may have taken effect is told from a refusal, in both directions.
        open_end = (status >= 500 and code not in THROTTLES) or code in UNANSWERED
        fine = fine and (error_class is ErrorClass.UNKNOWN_OUTCOME) == open_end
        wrong += [] if fine else [f"{operation} {code}: {error_class}"]
    tried("R12", "errors of the models and of any AWS service, of every operation that is called", len(pairs), wrong)
    assert wrong == []


@pytest.mark.parametrize("error_class", list(ErrorClass))
@pytest.mark.parametrize("operation", ["CreateGateway", "GetGateway", "UpdateGateway", "DeleteGateway"])
def test_r12_what_passes_is_tried_again_and_what_is_final_is_not(operation, error_class):
    """An error class that passes has a budget, or is left to the next run; one that is final is sent once."""
    sent = virtually(partial(tries_of, operation, error_class))
    budget = BUDGETS.get(error_class)
    # Without an answer an update may have taken effect: the next step looks, and it passes all the same.
    blind = error_class is ErrorClass.UNKNOWN_OUTCOME and operation.startswith(("Update", "Delete"))
    fine = sent == 1 if budget is None or blind else 1 < sent <= budget.tries
    tried("R12", "error classes of creations, reads, updates and deletions", violations=not fine)
    assert fine, sent
    assert error_class not in TRANSIENT or budget is not None


def test_r12_every_verdict_says_who_must_act():
    """Whatever AWS refuses, somebody is told what to do."""
    tried("R12", "error classes that say who must act", len(ErrorClass), set(OF_ERROR_CLASSES) ^ set(ErrorClass))
    assert set(OF_ERROR_CLASSES) == set(ErrorClass)


def test_r12_an_unknown_error_is_final():
    """What neither a model nor the table knows is said in the service's words, and tried once more at most."""
    error_class = classify("CreateGateway", "NovelException", "?", status=418)
    tried("R12", "an unknown error")
    assert error_class is ErrorClass.UNKNOWN
    assert (BUDGETS[error_class].tries, error_class in TRANSIENT) == (2, False)


@pytest.mark.parametrize(
    ("operation", "code", "message", "error_class"),
    [
        ("CreateOauth2CredentialProvider", _V, "Credential provider with name: x already exists", ErrorClass.EXISTS),
        ("CreateGateway", _C, "A gateway with name x already exists", ErrorClass.EXISTS),
        ("CreateGatewayTarget", _V, "Cannot perform operation X when gateway is in CREATING status", ErrorClass.BUSY),
        ("UpdateGatewayTarget", _C, "Target is being updated", ErrorClass.BUSY),
        ("DeleteGateway", _V, "Gateway g has targets associated with it. Delete all targets", ErrorClass.IN_USE),
        ("CreateGatewayTarget", _V, "Gateway execution role lacks permission to invoke f", ErrorClass.NOT_YET),
        ("CreateGatewayTarget", _V, "Duplicate tool name: lookup", ErrorClass.INVALID),
        ("UpdateGatewayTarget", _V, "Duplicate tool name: lookup", ErrorClass.INVALID),
        ("GetObject", "NoSuchKey", "The specified key does not exist.", ErrorClass.GONE),
        ("CreateGatewayTarget", _Q, "Too many concurrent target operations", ErrorClass.BUSY),
        ("CreateGateway", _Q, "The number of gateways has reached its limit", ErrorClass.QUOTA),
        ("CreateGateway", _V, "AuthorizerConfiguration is required for CUSTOM_JWT", ErrorClass.INVALID),
        ("CreateGateway", _V, "The client token was used before with other parameters", ErrorClass.TOKEN_MISMATCH),
        ("UpdateGateway", _V, "Access denied while calling GetPolicyEngine", ErrorClass.NOT_YET),
        ("UpdateGatewayTarget", _V, "You don't have sufficient access to perform this", ErrorClass.NOT_YET),
        ("CreateHarness", _V, "Access denied: bedrock-agentcore:CreateMemory", ErrorClass.NOT_YET),
        ("CreateBrowser", _V, "Browser role validation failed", ErrorClass.NOT_YET),
        ("CreateGatewayTarget", _V, "Access denied when trying to read S3 object s3://b/k", ErrorClass.NOT_YET),
        (
            "CreateOauth2CredentialProvider",
            "AccessDeniedException",
            "Access denied when retrieving the provided secret",
            ErrorClass.NOT_YET,
        ),
        ("CreateAgentRuntime", _V, "Failed creating service linked role", ErrorClass.NOT_YET),
        (
            "CreateGatewayTarget",
            _V,
            "The web search integration is not available for this account",
            ErrorClass.UNSUPPORTED,
        ),
        ("GetGateway", "UnknownOperationException", "", ErrorClass.UNSUPPORTED),
        (
            "CreateApiKeyCredentialProvider",
            "InvalidRequestException",
            "a secret with this name is already scheduled for deletion",
            ErrorClass.INVALID,
        ),
        ("CreateApiKeyCredentialProvider", _C, "The secret is already scheduled for deletion", ErrorClass.INVALID),
        (
            "UpdateGateway",
            _V,
            "UpdateGateway operation can't be performed on gateway when it is in Failed state",
            ErrorClass.INVALID,
        ),
        ("UpdateGateway", _V, "operation can't be performed on gateway when it is in Updating state", ErrorClass.BUSY),
        ("GetGateway", "ResourceNotFoundException", "Gateway g not found", ErrorClass.GONE),
        ("GetGateway", "ThrottlingException", "Rate exceeded", ErrorClass.THROTTLED),
        ("GetGateway", "AccessDeniedException", "not authorized", ErrorClass.DENIED),
        ("CreateGateway", "SomethingNew", "?", ErrorClass.UNKNOWN),
    ],
    ids=lambda value: str(value)[:40],
)
def test_texts_that_were_observed(operation, code, message, error_class):
    """The same code means different things; the message tells them apart."""
    assert classify(operation, code, message) is error_class


def test_server_errors_leave_the_outcome_open():
    """Any 5xx that the table does not name may have taken effect."""
    assert classify("CreateGateway", "Whatever", "", status=503) is ErrorClass.UNKNOWN_OUTCOME
