"""The exceptions of this package. Each class tells a caller how to react; messages contain no secrets."""

from enum import StrEnum


class ErrorClass(StrEnum):
    """The meaning of an AWS error response for the caller."""

    THROTTLED = "THROTTLED"  # slow down, then repeat the call
    UNKNOWN_OUTCOME = "UNKNOWN_OUTCOME"  # no response, or 5xx: the call may have taken effect
    BUSY = "BUSY"  # a resource is in transition: repeat the call later
    AWAITING_CONSENT = "AWAITING_CONSENT"  # the resource waits for the consent of a person, which no retry gives
    NOT_YET = "NOT_YET"  # a permission is not visible yet: repeat for about two minutes
    EXISTS = "EXISTS"  # the name is taken, perhaps by this stack
    GONE = "GONE"  # the resource of the call does not exist
    TOKEN_MISMATCH = "TOKEN_MISMATCH"  # noqa: S105 - the client token was used with different parameters
    IN_USE = "IN_USE"  # another resource still refers to this resource
    DENIED = "DENIED"  # the caller lacks a permission
    CREDENTIALS = "CREDENTIALS"  # the caller's credentials or clock are refused: no statement about any resource
    UNREACHABLE = "UNREACHABLE"  # the caller's endpoint, Region or network leads to no service: nothing was sent
    QUOTA = "QUOTA"  # a limit of the account is reached
    UNSUPPORTED = "UNSUPPORTED"  # this account, Region or endpoint does not offer the operation
    INVALID = "INVALID"  # the request itself is invalid
    UNKNOWN = "UNKNOWN"  # an error that the table does not list


#: The failure code of work that made no progress until the timeout. A separate metric counts this code.
STUCK = "Stuck"
#: Transient error classes: the same call may succeed later.
TRANSIENT = frozenset({ErrorClass.THROTTLED, ErrorClass.BUSY, ErrorClass.UNKNOWN_OUTCOME})
#: The caller's own trouble: no call gets through, so a failed call says nothing about any resource.
CALLER_ERRORS = frozenset({ErrorClass.CREDENTIALS, ErrorClass.UNREACHABLE})


class CallFailed(Exception):  # noqa: N818 - reads better where it is caught
    """A call failed permanently, or the retries are exhausted. `reasons` are the codes of a canceled transaction."""

    def __init__(
        self, operation: str, error_class: ErrorClass, code: str, message: str, reasons: tuple[str, ...] = ()
    ) -> None:
        super().__init__(f"{operation}: {code}: {message}")
        self.operation = operation
        self.error_class = error_class
        self.code = code
        self.message = message
        self.reasons = reasons
        #: Whether an attempt of this call had an unknown outcome: no response, or 5xx. That attempt may have taken
        #: effect, even if a later attempt was refused.
        self.unanswered = False


class OutOfTime(Exception):  # noqa: N818 - reads better where it is caught
    """The run must end before the work is done; the next run continues. `retry_after` is in seconds."""

    def __init__(self, what: str, retry_after: float) -> None:
        super().__init__(what)
        self.retry_after = retry_after
        #: The failure of the last attempt, if the time for another attempt was too short.
        self.refused: CallFailed | None = None
