"""The errors that the sandbox answers with, worded as the service words them where that was observed."""

from infra import service_model


class Refusal(Exception):  # noqa: N818 - it is an answer of the service, not an error of ours
    """An error answer of the service: its code, text and HTTP status from the model."""

    def __init__(self, code: str, message: str, **members: object) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        # A ValidationException always gives one of the model's reasons.
        reason = {"reason": "FieldValidationFailed"} if code == "ValidationException" else {}
        self.members = {**reason, **members}

    @property
    def status(self) -> int:
        """The HTTP status of this code in the service model; 400 for codes of other services."""
        if self.code not in service_model.service().shape_names:
            return 400
        return int(service_model.service().shape_for(self.code).metadata["error"]["httpStatusCode"])


def invalid(message: str, **members: object) -> Refusal:
    """A ValidationException."""
    return Refusal("ValidationException", message, **members)


def missing(what: str) -> Refusal:
    """A ResourceNotFoundException."""
    return Refusal("ResourceNotFoundException", f"{what} not found")


def quota(message: str) -> Refusal:
    """A ServiceQuotaExceededException."""
    return Refusal("ServiceQuotaExceededException", message)


def busy(code: str, operation: str, what: str, status: str) -> Refusal:
    """A refusal because of a transitional status, in the words observed for CreateGatewayTarget."""
    listed = service_model.error_codes(operation)
    known = code if code in listed else "ConflictException"
    return Refusal(known, f"Cannot perform operation {operation} when {what} is in {status} status")
