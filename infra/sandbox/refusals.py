"""The error responses of the sandbox, with the service's wording where it was observed."""

from infra import service_model


class Refusal(Exception):  # noqa: N818 - an answer of the service, not an error of ours
    """An error response of the service: code, message, and the HTTP status of the model."""

    def __init__(self, code: str, message: str, **members: object) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        # A ValidationException always contains a reason from the model.
        reason = {"reason": "FieldValidationFailed"} if code == "ValidationException" else {}
        self.members = {**reason, **members}

    @property
    def status(self) -> int:
        """The HTTP status of this code in the service model; 400 for codes of other services."""
        if self.code not in service_model.service().shape_names:
            return 400
        return int(service_model.service().shape_for(self.code).metadata["error"]["httpStatusCode"])


def invalid(message: str, **members: object) -> Refusal:
    """Return a ValidationException."""
    return Refusal("ValidationException", message, **members)


def missing(what: str) -> Refusal:
    """Return a ResourceNotFoundException."""
    return Refusal("ResourceNotFoundException", f"{what} not found")


def quota(message: str) -> Refusal:
    """Return a ServiceQuotaExceededException."""
    return Refusal("ServiceQuotaExceededException", message)


def busy(code: str, operation: str, what: str, status: str) -> Refusal:
    """Return the refusal for a transitional status, with the wording observed for CreateGatewayTarget."""
    listed = service_model.error_codes(operation)
    known = code if code in listed else "ConflictException"
    return Refusal(known, f"Cannot perform operation {operation} when {what} is in {status} status")
