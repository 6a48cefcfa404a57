"""Classification of error responses: a table over (operation, code, message) that returns an ErrorClass.

The message matters because AgentCore reports "already exists", "has targets", "is in CREATING status" and "role not
visible yet" with ValidationException. The first matching row decides; an error without a row is UNKNOWN.
"""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from infra.errors import ErrorClass

#: Codes that mean "slow down" for any AWS service.
THROTTLES = frozenset({
    "ThrottlingException", "Throttling", "ThrottledException", "TooManyRequestsException", "RequestThrottled",
    "RequestLimitExceeded", "SlowDown", "RequestThrottledException", "ProvisionedThroughputExceededException",
})  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A glob of operations, error codes (empty: any), a pattern searched in the message, and the error class."""

    operation: str
    codes: frozenset[str]
    message: str
    error_class: ErrorClass


def _row(error_class: ErrorClass, message: str = "", *codes: str, operation: str = "*") -> Row:
    return Row(operation, frozenset(codes), message, error_class)


_NOT_VISIBLE = r"lacks permission|Role validation failed|Access denied while validating"
_TAKEN = r"already|\bexists\b|in use|taken|unique|[Dd]uplicate"
_REFUSALS = ("ValidationException", "ConflictException")
_TRANSITION = (
    r"(in|is|while|currently|being)\W+(in )?(the )?"
    r"(CREATING|UPDATING|DELETING|SYNCHRONIZING|creat(ed|ing)|updat(ed|ing)|delet(ed|ing)|synchroniz(ed|ing))\b"
)

#: Read top down. Sources: docs/service-notes.md (consistency, names taken, transitional states, deletion order).
TABLE: tuple[Row, ...] = (
    _row(ErrorClass.THROTTLED, "", *sorted(THROTTLES)),
    # Transactions of the ledger: a failed condition is a final response; every other cancellation is transient.
    _row(ErrorClass.INVALID, "ConditionalCheckFailed", "TransactionCanceledException"),
    _row(ErrorClass.BUSY, "", "TransactionCanceledException", "TransactionInProgressException",
         "TransactionConflictException"),
    _row(ErrorClass.TOKEN_MISMATCH, r"client ?token|[Ii]dempotent", "ValidationException", "ConflictException"),
    _row(ErrorClass.TOKEN_MISMATCH, "", "IdempotentParameterMismatchException"),
    _row(ErrorClass.NOT_YET, _NOT_VISIBLE, operation="Create*"),
    _row(ErrorClass.NOT_YET, _NOT_VISIBLE, operation="Update*"),
    _row(ErrorClass.NOT_YET, r"(cannot|unable to|not able to) assume|not authorized to assume", *_REFUSALS),
    _row(ErrorClass.EXISTS, r"already exists", *_REFUSALS, operation="Create*"),
    _row(ErrorClass.EXISTS, rf"([Nn]ame|called).*({_TAKEN})|({_TAKEN}).*[Nn]ame", *_REFUSALS, operation="Create*"),
    _row(ErrorClass.IN_USE, r"associated with it|has targets|still (in use|referenced)|is (used|referenced) by",
         *_REFUSALS),
    _row(ErrorClass.BUSY, _TRANSITION, *_REFUSALS),
    _row(ErrorClass.BUSY, r"not (yet )?(READY|ready|ACTIVE|active)|in (an? )?\w+ (status|state)", *_REFUSALS),
    _row(ErrorClass.BUSY, r"PENDING_AUTH|[Cc]oncurrent|in progress|try again", *_REFUSALS),
    _row(ErrorClass.BUSY, r"[Cc]oncurren|in flight|in progress|operations|at a time|[Ss]imultaneous|parallel",
         "ServiceQuotaExceededException", operation="*GatewayTarget*"),
    # A create that conflicts without a reason: the documented cause is the name (service-notes: names taken).
    _row(ErrorClass.EXISTS, "", "ConflictException", operation="Create*"),
    _row(ErrorClass.BUSY, "", "ConflictException", "RetryableConflictException", "ConcurrentModificationException"),
    _row(ErrorClass.GONE, "", "ResourceNotFoundException", "NotFoundException"),
    # Expired credentials and wrong clocks (AWS general reference, common errors). Every call would be refused, so the
    # refusal reveals nothing about the resource.
    _row(ErrorClass.CREDENTIALS, "", "ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException",
         "InvalidClientTokenId", "InvalidSignatureException", "IncompleteSignature", "IncompleteSignatureException",
         "SignatureDoesNotMatch", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
         "RequestExpired", "RequestTimeTooSkewed", "InvalidAccessKeyId", "TokenRefreshRequired"),
    _row(ErrorClass.DENIED, "", "AccessDeniedException", "UnauthorizedException", "AccessDenied", "NotAuthorized",
         "OptInRequired", "SubscriptionRequiredException"),
    _row(ErrorClass.DENIED, "", "EncryptionFailure", "DecryptionFailure"),
    _row(ErrorClass.QUOTA, "", "ServiceQuotaExceededException", "ResourceLimitExceededException",
         "LimitExceededException"),
    _row(ErrorClass.UNKNOWN_OUTCOME, "", "InternalServerException", "InternalServerError", "ServiceUnavailable",
         "ServiceUnavailableException", "InternalFailure", "InternalServiceError", "InternalServiceErrorException",
         "InternalException", "RequestTimeoutException", "RequestAbortedException"),
    # Reading a runtime checks its private identity provider, and fails now and then (service-notes: reads that fail).
    _row(ErrorClass.BUSY, "", "ValidationException", operation="GetAgentRuntime"),
    _row(ErrorClass.INVALID, "", "ValidationException", "InvalidParameterException", "InvalidRequestException",
         "SerializationException", "ParamValidationError", "ValidationError", "MalformedHttpRequestException",
         "RequestEntityTooLargeException", "UnknownOperationException"),
)  # fmt: skip


def classify(operation: str, code: str, message: str, *, status: int = 400) -> ErrorClass:
    """Return the error class of an error response; a 5xx status without a row is an unknown outcome."""
    for row in TABLE:
        fits = fnmatchcase(operation, row.operation) and (not row.codes or code in row.codes)
        if fits and (not row.message or re.search(row.message, message)):
            return row.error_class
    if status == 429:
        return ErrorClass.THROTTLED
    return ErrorClass.UNKNOWN_OUTCOME if status >= 500 else ErrorClass.UNKNOWN
