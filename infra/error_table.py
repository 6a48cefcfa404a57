"""Classification of error responses: a table over (operation, code, message) that returns an ErrorClass.

The message matters because AgentCore reports "already exists", "has targets", "is in CREATING status" and "role not
visible yet" with ValidationException. The first matching row decides; an error without a row is UNKNOWN.

Permissions that are not visible yet also end accepted operations: the resource then shows a failed status with the
reason. `propagates` recognizes such a reason.
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
    """A glob of operations, error codes (empty: any), a pattern searched in the message, and the error class.

    `advice` is said instead of the advice for the class of error.
    """

    operation: str
    codes: frozenset[str]
    message: str
    error_class: ErrorClass
    advice: str = ""


def _row(error_class: ErrorClass, message: str = "", *codes: str, operation: str = "*", advice: str = "") -> Row:
    return Row(operation, frozenset(codes), message, error_class, advice)


_NOT_VISIBLE = (
    r"lacks permission|[Rr]ole validation failed|Access denied while (validating|calling)"
    r"|Access denied when (retrieving the provided secret|trying to read S3 object)|Failed creating service linked role"
)
#: Reasons of failed statuses that a new grant resolves once it is visible.
_PROPAGATION = re.compile(
    r"not authorized to (perform|assume)|(cannot|unable to|not able to) (assume|be assumed)"
    rf"|\b401\b.*ListModels|ListModels.*\b401\b|{_NOT_VISIBLE}",
    re.IGNORECASE,
)
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
    # Passes in days, so that no retry helps; "deletion" would otherwise read as a transition.
    _row(ErrorClass.INVALID, r"scheduled for deletion",
         advice="Restore the secret, or wait until Secrets Manager has deleted it (7 to 30 days); then resend."),
    _row(ErrorClass.INVALID, r"when it is in (the )?(FAILED|Failed) (status|state)", *_REFUSALS,
         advice="The service takes no update of it any more: delete the resource and have it created again."),
    _row(ErrorClass.UNSUPPORTED, r"integration is not available for this account"),
    _row(ErrorClass.NOT_YET, _NOT_VISIBLE, operation="Create*"),
    _row(ErrorClass.NOT_YET, _NOT_VISIBLE, operation="Update*"),
    _row(ErrorClass.NOT_YET, r"You don't have sufficient access", operation="*GatewayTarget"),
    # Terraform's acceptance tests repeat these for two minutes.
    _row(ErrorClass.NOT_YET, r"Access denied", operation="CreateHarness"),
    _row(ErrorClass.NOT_YET, r"(cannot|unable to|not able to) assume|not authorized to assume", *_REFUSALS),
    # Tools of one target, whose names are in its declaration; not the name of the target.
    _row(ErrorClass.INVALID, r"(?i)duplicate tool", *_REFUSALS, operation="*GatewayTarget"),
    _row(ErrorClass.EXISTS, r"already exists", *_REFUSALS, operation="Create*"),
    _row(ErrorClass.EXISTS, rf"([Nn]ame|called).*({_TAKEN})|({_TAKEN}).*[Nn]ame", *_REFUSALS, operation="Create*"),
    _row(ErrorClass.IN_USE, r"associated with it|has targets|still (in use|referenced)|is (used|referenced) by",
         *_REFUSALS),
    _row(ErrorClass.AWAITING_CONSENT, r"(?i)pending[ _]?auth", *_REFUSALS),
    _row(ErrorClass.BUSY, _TRANSITION, *_REFUSALS),
    _row(ErrorClass.BUSY, r"not (yet )?(READY|ready|ACTIVE|active)|in (an? )?\w+ (status|state)", *_REFUSALS),
    _row(ErrorClass.BUSY, r"[Cc]oncurrent|in progress|try again", *_REFUSALS),
    _row(ErrorClass.BUSY, r"[Cc]oncurren|in flight|in progress|operations|at a time|[Ss]imultaneous|parallel",
         "ServiceQuotaExceededException", operation="*GatewayTarget*"),
    # A create that conflicts without a reason: the documented cause is the name (service-notes: names taken).
    _row(ErrorClass.EXISTS, "", "ConflictException", operation="Create*"),
    _row(ErrorClass.BUSY, "", "ConflictException", "RetryableConflictException", "ConcurrentModificationException"),
    _row(ErrorClass.GONE, "", "ResourceNotFoundException", "NotFoundException", "NoSuchEntity", "NoSuchKey",
         "NoSuchVersion"),
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
         "RequestEntityTooLargeException"),
    _row(ErrorClass.UNKNOWN, "", "DuplicateName",
         advice="Delete or rename the others, so that the name tells which resource is meant; then resend."),
    # An old endpoint, or an emulator.
    _row(ErrorClass.UNSUPPORTED, "", "UnknownOperationException", "UnknownOperation", "NotImplemented"),
)  # fmt: skip


def row_of(operation: str, code: str, message: str) -> Row | None:
    """Return the row that decides about an error response; None: the table does not list the error."""
    for row in TABLE:
        fits = fnmatchcase(operation, row.operation) and (not row.codes or code in row.codes)
        if fits and (not row.message or re.search(row.message, message)):
            return row
    return None


def propagates(reasons: str) -> bool:
    """Return whether the reasons of a failed status name a permission, which may not be visible yet."""
    return _PROPAGATION.search(reasons) is not None


def classify(operation: str, code: str, message: str, *, status: int = 400) -> ErrorClass:
    """Return the error class of an error response; a 5xx status without a row is an unknown outcome."""
    row = row_of(operation, code, message)
    if row is not None:
        return row.error_class
    if status == 429:
        return ErrorClass.THROTTLED
    return ErrorClass.UNKNOWN_OUTCOME if status >= 500 else ErrorClass.UNKNOWN
