"""Validates every response against the service model, because an unrealistic response would mislead callers.

A violation is a defect of the sandbox, and therefore an AssertionError instead of a response.
"""

from infra import service_model
from infra.sandbox.refusals import Refusal
from infra.sandbox.response_types import error_type, output_type
from infra.sandbox.world import Body

#: Error codes that any operation of any service may return, whether or not the model lists them.
GENERIC = frozenset({
    # The service validates every request; the models of some deletes and reads do not list the resulting error.
    "ValidationException",
    "ThrottlingException", "InternalServerException", "ServiceUnavailableException", "AccessDeniedException",
    "ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException", "UnknownOperationException",
})  # fmt: skip

#: The only refusal missing from all models: the namespace was switched off. The error code varies.
SWITCHED_OFF = frozenset({"CreateRegistry", "ListRegistries"})
#: Where the service deviates from its own model, by the last member and pydantic's name for the mistake.
UNKEPT = frozenset({
    # Real ARNs are arn:aws:bedrock-agentcore:...; the model's pattern says arn:aws:acps:...
    ("credentialProviderArn", "string_pattern_mismatch"),
    # The member is required and its minimum length is 1, but there are targets without credentials.
    ("credentialProviderConfigurations", "too_short"),
    # Reads show "" where no description was set (awscc 3186).
    ("description", "string_too_short"),
})  # fmt: skip


def check_answer(service: str, operation: str, body: Body) -> None:
    """Raise AssertionError for a response with unknown, missing or mistyped members."""
    found = output_type(operation, service).faults(body)
    wrong = [one for one in found if (one.path[-1], one.kind) not in UNKEPT]
    if wrong:
        texts = "; ".join(f"{'.'.join(map(str, one.path))}: {one.message}" for one in wrong)
        raise AssertionError(f"The sandbox answered {operation} as the model does not: {texts}")


def check_refusal(service: str, operation: str, refusal: Refusal) -> None:
    """Raise AssertionError for an error that the model lists neither for the operation nor for all operations."""
    code = refusal.code
    listed = service_model.error_codes(operation, service)
    closed = operation in SWITCHED_OFF and code == "ResourceNotFoundException"
    if code not in listed | GENERIC and not closed:
        raise AssertionError(f"The sandbox refused {operation} with {code}; the model lists {sorted(listed)}")
    model = service_model.service(service)
    if code in model.shape_names:
        text = "Message" if "Message" in model.shape_for(code).members else "message"
        wrong = error_type(code, service).faults({text: refusal.message, **refusal.members})
        if wrong:
            raise AssertionError(f"The sandbox refused {operation} with a {code} of another form: {wrong}")
