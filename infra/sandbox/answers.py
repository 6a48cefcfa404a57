"""Holds every answer against the service model: one that the service never gives would teach callers what is not so.

A violation is a mistake of the sandbox's own, so it is an AssertionError and never an answer.
"""

from infra import service_model
from infra.sandbox.refusals import Refusal
from infra.sandbox.response_types import error_type, output_type
from infra.sandbox.world import Body

#: Codes that any operation of any service may answer with, whether its model lists them or not.
GENERIC = frozenset({
    # The front door checks every request; the models of some deletions and reads do not list what it says then.
    "ValidationException",
    "ThrottlingException", "InternalServerException", "ServiceUnavailableException", "AccessDeniedException",
    "ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException", "UnknownOperationException",
})  # fmt: skip

#: The one refusal that no model knows: that a namespace was switched off, whatever code says so.
SWITCHED_OFF = frozenset({"CreateRegistry", "ListRegistries"})
#: What the service itself does not keep of its model, by the last member and pydantic's name for the mistake.
UNKEPT = frozenset({
    # Real ARNs are arn:aws:bedrock-agentcore:...; the model's pattern says arn:aws:acps:...
    ("credentialProviderArn", "string_pattern_mismatch"),
    # The member is required and its least length one, but there are targets without credentials.
    ("credentialProviderConfigurations", "too_short"),
})  # fmt: skip


def check_answer(service: str, operation: str, body: Body) -> None:
    """Raise AssertionError for an answer with unknown, missing or mistyped members."""
    found = output_type(operation, service).faults(body)
    wrong = [one for one in found if (one.path[-1], one.kind) not in UNKEPT]
    if wrong:
        texts = "; ".join(f"{'.'.join(map(str, one.path))}: {one.message}" for one in wrong)
        raise AssertionError(f"The sandbox answered {operation} as the model does not: {texts}")


def check_refusal(service: str, operation: str, refusal: Refusal) -> None:
    """Raise AssertionError for an error that the model knows neither of the operation nor of every one."""
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
