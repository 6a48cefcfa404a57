"""The faults of the proxy between worker and AWS, and which requests each of them can strike."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from infra.aws import PACED
from infra.service_model import is_mutating
from tests.soak.wire import Asked

WRITE = "TransactWriteItems"


class Fault(StrEnum):
    """What the proxy does to a request."""

    DROPPED = "dropped"
    RESET = "reset before its effect"
    RESET_AFTER = "reset after its effect"
    LATE = "effect after the timeout"
    TROUBLE = "5xx without effect"
    TROUBLE_AFTER = "5xx with effect"
    PAGE = "HTML with 200"
    EMPTY = "{} with 200"
    CUT = "body cut off"
    CUT_JSON = "JSON cut off"
    SLOW = "slow"
    ODD = "wrong JSON"
    THROTTLED = "throttled"
    EXPIRED = "expired credentials"
    SKEWED = "skewed clock"
    LACKS = "list lacks an entry"
    WITHOUT_EFFECT = "update without effect"
    NOT_FOUND = "404 once"
    CONFLICT = "transaction conflict"


#: What happens to requests of the ledger: DynamoDB's answers are signed with a checksum, and it tells no lies.
ON_TABLE = (
    Fault.DROPPED, Fault.RESET, Fault.RESET_AFTER, Fault.LATE, Fault.TROUBLE, Fault.TROUBLE_AFTER, Fault.CUT,
    Fault.SLOW, Fault.THROTTLED, Fault.EXPIRED, Fault.SKEWED, Fault.CONFLICT,
)  # fmt: skip
ON_WIRE = tuple(fault for fault in Fault if fault is not Fault.CONFLICT)
#: What makes the service say what is not so: rare by chance among all kinds, and hardest to see through.
LIES = frozenset({Fault.LACKS, Fault.WITHOUT_EFFECT, Fault.NOT_FOUND})
#: Every fault by the name under which it is counted.
NAMES = (*(f"wire: {fault}" for fault in ON_WIRE), *(f"table: {fault}" for fault in ON_TABLE))
#: Faults that can strike some requests only, and which.
FEW: Mapping[Fault, Callable[[Asked], bool]] = {
    Fault.LATE: lambda asked: is_mutating(asked.operation) or asked.operation == WRITE,
    Fault.LACKS: lambda asked: asked.service in PACED and asked.operation.startswith("List"),
    Fault.WITHOUT_EFFECT: lambda asked: (
        asked.service in PACED and asked.operation.startswith(("Update", "Synchronize", "TagResource"))
    ),
    Fault.NOT_FOUND: lambda asked: asked.service in PACED and asked.operation.startswith(("Get", "List")),
    Fault.CONFLICT: lambda asked: asked.operation == WRITE,
}


def fitting(asked: Asked) -> list[Fault]:
    """Return the faults that can strike a request."""
    kinds = ON_TABLE if asked.service == "dynamodb" else ON_WIRE
    return [fault for fault in kinds if fault not in FEW or FEW[fault](asked)]


def name_of(asked: Asked, fault: Fault) -> str:
    """Return the name under which a fault of a request is counted."""
    return f"{'table' if asked.service == 'dynamodb' else 'wire'}: {fault}"
