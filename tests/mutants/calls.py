"""Mutants of calls to AWS: retries, rates, error classes, time."""

from tests.mutants.mutant import Mutant

_AWS = "infra/aws.py"
_RETRY = "infra/retry.py"
_PACE = "infra/pace.py"
_TABLE = "infra/error_table.py"
_BUDGETS = ("tests/calling/test_budgets.py",)
_ERRORS = ("tests/calling/test_errors.py",)
_CALLS = ("tests/calling/test_calls.py",)

MUTANTS = (
    Mutant("incomplete-believed", "an answer without its required members counts as one", _AWS,
           "    if missing:\n", "    if missing and not operation:\n", ("tests/observing/test_answers.py",),
           goal="R18"),
    Mutant("refused-callers-are-denied", "expired credentials are a missing permission", _TABLE,
           '_row(ErrorClass.CREDENTIALS, "", "ExpiredTokenException"',
           '_row(ErrorClass.DENIED, "", "ExpiredTokenException"',
           ("tests/failing/test_credentials.py",), goal="R13"),
    Mutant("two-retry-layers", "botocore tries again too, below our own retries", _AWS,
           '"retries": {"total_max_attempts": 1}', '"retries": {"total_max_attempts": 2}',
           ("tests/doors/test_doors.py::test_only_our_own_retry_layer_is_active",), goal="R11"),
    Mutant("retry-and", "a call is given up only when both its tries and its time are spent", _RETRY,
           ">= budget.tries or anyio", ">= budget.tries and anyio", _BUDGETS, goal="R11"),
    Mutant("retry-blind-sync", "a synchronization without an answer is sent again", _RETRY,
           '("Update", "Delete", "Synchronize")', '("Update", "Delete")', _CALLS, goal="R2"),
    Mutant("jitterless", "what was throttled together comes back together", _RETRY,
           "return self._jitter(0.2 * ceiling, ceiling)", "return self._jitter(ceiling, ceiling)",
           _BUDGETS, goal="R11"),
    Mutant("no-backoff", "the waits between two tries do not grow", _RETRY,
           "budget.first * 2.0 **", "budget.first * 1.0 **", _BUDGETS, goal="R11"),
    Mutant("pace-no-refund", "who cannot wait for a place takes it all the same", _PACE,
           "                bucket.tokens += 1\n", "", _BUDGETS, goal="R11"),
    Mutant("pace-winback", "one answer wins the whole rate back", _PACE,
           "bucket.factor + _WIN_BACK)", "bucket.factor + 1.0)", _BUDGETS, goal="R11"),
    Mutant("pace-unshared", "every worker takes the account's whole rate", _PACE,
           "RATES.get(operation, DEFAULT_RATE) * self._share", "RATES.get(operation, DEFAULT_RATE)", _BUDGETS,
           goal="R11"),
    Mutant("throttled-unheard", "throttling slows nothing down", _PACE,
           "max(_LEAST, bucket.factor / 2)", "max(_LEAST, bucket.factor)",
           _BUDGETS, goal="R11"),
    Mutant("begun-too-late", "a change is begun that the function's time may not see ended", _AWS,
           "            self.deadline.require(CALL_SECONDS, operation)\n", "            pass\n", _CALLS, goal="R9"),
    Mutant("reads-outlive", "a read that hangs outlives the run", _AWS,
           "max(0.0, self.deadline.remaining())):", "None):",
           ("tests/failing/test_failures.py::test_an_endless_read_does_not_outlive_the_run",), goal="R9"),
    Mutant("errors-quote", "an error of the service is passed on with the secret that it quotes", _AWS,
           "self.aws.redaction.text(message), _reasons", "message, _reasons",
           ("tests/failing/test_failures.py::test_the_service_s_words_never_carry_the_secret",), goal="R19"),
    Mutant("server-errors-final", "an unknown error of the server counts as a refusal without effect", _TABLE,
           "return ErrorClass.UNKNOWN_OUTCOME if status >= 500 else ErrorClass.UNKNOWN", "return ErrorClass.UNKNOWN",
           _ERRORS, goal="R12"),
    Mutant("quota-for-busy", "too many operations at once count as a quota", _TABLE,
           '"ServiceQuotaExceededException", operation="*GatewayTarget*"', '"Nothing", operation="*GatewayTarget*"',
           _ERRORS, goal="R12"),
    Mutant("taken-anywhere", "a refusal that only sounds like a taken name counts as one", _TABLE,
           '_row(ErrorClass.EXISTS, r"already exists", *_REFUSALS',
           '_row(ErrorClass.EXISTS, r"exists|duplicate", *_REFUSALS',
           ("tests/failing/test_refusals.py::test_words_that_only_sound_like_a_taken_name",), goal="R12"),
    Mutant("not-yet-never", "a permission that IAM does not show yet fails at once", _RETRY,
           "ErrorClass.NOT_YET: Budget(tries=30,", "ErrorClass.NOT_YET: Budget(tries=1,",
           ("tests/failing/test_failures.py::test_a_permission_that_is_not_visible_yet_is_waited_for",)),
)  # fmt: skip
