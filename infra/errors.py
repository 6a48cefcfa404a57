"""What the ground raises. Each class says what a caller can do about it; texts hold no secrets."""

from enum import StrEnum


class Verdict(StrEnum):
    """What an error answer of AWS means for the caller."""

    THROTTLED = "THROTTLED"  # slow down, then the same call again
    UNKNOWN_OUTCOME = "UNKNOWN_OUTCOME"  # no answer, or 5xx: it may have taken effect
    BUSY = "BUSY"  # something is in transition: the same call again, later
    NOT_YET = "NOT_YET"  # a permission is not visible yet: again for about two minutes
    EXISTS = "EXISTS"  # the name is taken, perhaps by us
    GONE = "GONE"  # what the call names does not exist
    TOKEN_MISMATCH = "TOKEN_MISMATCH"  # noqa: S105 - the client token was used with other parameters
    IN_USE = "IN_USE"  # something still refers to it
    DENIED = "DENIED"  # the caller lacks a permission
    CREDENTIALS = "CREDENTIALS"  # the caller's credentials or clock are refused: this says nothing of any resource
    QUOTA = "QUOTA"  # a limit of the account is reached
    INVALID = "INVALID"  # the request itself is refused
    UNKNOWN = "UNKNOWN"  # an error that the table does not know


#: The code of the failure of what has not moved for so long that it was given up. It has a metric of its own.
STUCK = "Stuck"
#: What passes by itself: the same call may succeed later.
PASSING = frozenset({Verdict.THROTTLED, Verdict.BUSY, Verdict.UNKNOWN_OUTCOME})


class CallFailed(Exception):  # noqa: N818 - reads better where it is caught
    """An AWS call failed for good, or its retries are used up. `reasons` are the codes of a transaction's parts."""

    def __init__(
        self, operation: str, verdict: Verdict, code: str, message: str, reasons: tuple[str, ...] = ()
    ) -> None:
        super().__init__(f"{operation}: {code}: {message}")
        self.operation = operation
        self.verdict = verdict
        self.code = code
        self.message = message
        self.reasons = reasons
        #: Whether a try of this call had no answer before: it may have taken effect, whatever this refusal says.
        self.unanswered = False


class OutOfTime(Exception):  # noqa: N818 - reads better where it is caught
    """The run must end before this could be done; the next run goes on. `retry_after` is in seconds."""

    def __init__(self, what: str, retry_after: float) -> None:
        super().__init__(what)
        self.retry_after = retry_after
        #: The refusal after which there was no time for another try, where there was one.
        self.refused: CallFailed | None = None
