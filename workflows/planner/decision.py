"""The input and the output of the planner: the desired state of one resource, and a decision."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from workflows.document.stack import Options
from workflows.kinds import Kind
from workflows.kinds.observed import ObservedState
from workflows.planner.failures import Failure
from workflows.records.request_state import Mode
from workflows.records.resource import ResourceRecord

#: Attempts (creates, updates and deletes) that a request makes on a resource.
TRIES = 3
#: Seconds after an answered create during which reads may not show the resource (goal R18 of docs/continuity.md).
VISIBLE_WITHIN = 90.0
#: Seconds after which an operation that failed for a permission is repeated: the first time, and later. IAM shows a new
#: grant within two minutes; Terraform's acceptance tests of targets wait for 30 s.
PROPAGATION = (30.0, 60.0)
#: Seconds during which a create without an answer may still take effect; VISIBLE_WITHIN starts only then.
ARRIVES_WITHIN = 60.0


class Action(StrEnum):
    """The action of a decision. Only those in CHANGES change anything at the service."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    TAG = "TAG"
    REPLACE = "REPLACE"
    DELETE = "DELETE"
    SYNCHRONIZE = "SYNCHRONIZE"
    LOOK = "LOOK"
    WAIT = "WAIT"
    CONSENT = "CONSENT"
    FAIL = "FAIL"
    NONE = "NONE"
    #: Only for resources that shall not exist: already deleted, or retained on purpose.
    GONE = "GONE"
    KEEP = "KEEP"


CHANGES = frozenset({
    Action.CREATE, Action.UPDATE, Action.TAG, Action.REPLACE, Action.DELETE, Action.SYNCHRONIZE,
})  # fmt: skip


#: The changes that delete a resource.
DESTRUCTIVE = frozenset({Action.REPLACE, Action.DELETE})


class Provenance(StrEnum):
    """When a resource was created, relative to the generations of a rollback."""

    #: Not created by this stack, or of unknown age.
    FOREIGN = "FOREIGN"
    #: Created no later than the generation that the rollback restores.
    PRE_EXISTING = "PRE_EXISTING"
    #: Created after the generation that the rollback restores, or never READY since.
    LATER_GENERATION = "LATER_GENERATION"
    #: Created in the generation that is rolled back.
    FAILED_GENERATION = "FAILED_GENERATION"


#: The resources that a rollback may delete for good. A replacement, which deletes and creates, follows the rules of
#: every run instead: a rollback may replace an older target, whose settings cannot be restored in place.
ROLLBACK_DELETABLE = frozenset({Provenance.LATER_GENERATION, Provenance.FAILED_GENERATION})


@dataclass(frozen=True)
class DesiredState:
    """The desired state of a resource. `declared` is resolved except for secrets; None: no resource shall exist."""

    address: str
    kind: Kind
    name: str
    declared: Mapping[str, Any] | None
    options: Options
    mode: Mode
    #: The scope for which attempts are counted: the request, or the rollback of the request.
    retry_scope: str
    stack: str = ""
    #: Whether deletion after removal from the document needs an approval, and whether the request gives the approval.
    needs_allow: bool = False
    allowed: bool = False
    #: Whether the request deletes and replaces only what it approves: what a person was shown, and has agreed to.
    only_approved: bool = False
    #: The generation to which a creation belongs.
    generation: int = 0
    #: In a rollback: when the resource was created.
    provenance: Provenance | None = None
    #: How often this resource was synchronized for this request already.
    synchronizations: int = 0
    secret_versions: Mapping[str, str] | None = None
    unmanaged: tuple[str, ...] = ()
    #: The children of the resource that are known and would not be deleted with their parent.
    staying: tuple[str, ...] = ()
    #: Whether reads by the recorded id prove the deletion: one read after our deletion, otherwise two, seconds apart.
    gone: bool = False
    #: Members of the delete request, as declared now or last.
    delete_parameters: Mapping[str, Any] = field(default_factory=dict)
    #: Whether nothing in the ledger says that this stack made the resource, which is to be deleted.
    unrecorded: bool = False
    #: Whether the run was begun by a schedule or an event, and not by a new request (planner.unattended).
    unattended: bool = False
    now: float = 0.0

    @property
    def provisions(self) -> bool:
        """Whether the request may change declared resources."""
        return self.mode is Mode.PROVISION


@dataclass(frozen=True)
class Decision:
    """An action, the reason for it, and for an update the paths that differ."""

    action: Action
    reason: str
    paths: tuple[str, ...] = ()
    failure: Failure | None = None
    #: Seconds to wait before a LOOK.
    pause: float = 0.0


@dataclass(frozen=True)
class State:
    """One resource between two actions: its desired state, its observed state and its record."""

    desired: DesiredState
    observed: ObservedState | None
    record: ResourceRecord

    @property
    def present(self) -> ObservedState:
        """The observed state, of which a row before has found that there is one."""
        if self.observed is None:
            raise AssertionError(f"{self.desired.address} has no observed state")
        return self.observed


@dataclass(frozen=True)
class Row:
    """One row of the planner's table."""

    #: The state in words.
    state: str
    applies: Callable[[State], bool]
    decide: Callable[[State], Decision]
    #: The actions among which the row decides.
    actions: frozenset[Action]
