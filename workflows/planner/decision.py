"""What the planner is asked and what it answers: a wish for one resource, and a decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from workflows.document.stack import Options
from workflows.kinds import Kind
from workflows.planner.failures import Failure
from workflows.records.request_state import Mode

#: Creates, updates and deletes of one resource for one request.
TRIES = 3
#: After an answered create, reads may not show the resource for this many seconds (reliability R18).
VISIBLE_WITHIN = 90.0
#: A create without an answer may take effect for this many seconds, and be visible as long after it.
ARRIVES_WITHIN = 60.0


class Action(StrEnum):
    """What a decision does. The last five change nothing at the service."""

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
    #: Only for what is to go: it is gone, or stays on purpose.
    GONE = "GONE"
    KEEP = "KEEP"


CHANGES = frozenset({
    Action.CREATE, Action.UPDATE, Action.TAG, Action.REPLACE, Action.DELETE, Action.SYNCHRONIZE,
})  # fmt: skip


class Provenance(StrEnum):
    """When a resource was made, as a rollback sees it."""

    #: Not by this stack, or nobody can tell.
    FOREIGN = "FOREIGN"
    #: No later than what is gone back to.
    PRE_EXISTING = "PRE_EXISTING"
    LATER_GENERATION = "LATER_GENERATION"
    #: In the very generation that is undone.
    FAILED_GENERATION = "FAILED_GENERATION"


#: What a rollback may undo.
ROLLBACK_DELETABLE = frozenset({Provenance.LATER_GENERATION, Provenance.FAILED_GENERATION})


@dataclass(frozen=True)
class DesiredState:
    """What is wanted of one resource. `declared` is resolved but for its secrets; None: it shall not exist."""

    address: str
    kind: Kind
    name: str
    declared: Mapping[str, Any] | None
    options: Options
    mode: Mode
    #: What tries are counted for: the request, with a word of its own for its rollback.
    retry_scope: str
    stack: str = ""
    #: Whether its removal, when it left the document, needs the request's leave, and whether it has it.
    needs_allow: bool = False
    allowed: bool = False
    #: In a rollback: when the resource was made.
    provenance: Provenance | None = None
    #: How often this resource was synchronized in this run already.
    synchronizations: int = 0
    secret_versions: Mapping[str, str] | None = None
    unmanaged: tuple[str, ...] = ()
    #: What stands inside it, is known, and would not go with it.
    staying: tuple[str, ...] = ()
    #: Whether reads by its recorded id say that it is gone: one after our deletion, otherwise two, some seconds apart.
    gone: bool = False
    #: Members of the delete request, as they are or were declared.
    ending: Mapping[str, Any] = field(default_factory=dict)
    now: float = 0.0


@dataclass(frozen=True)
class Decision:
    """What to do, why, and for an update the paths that differ."""

    action: Action
    reason: str
    paths: tuple[str, ...] = ()
    failure: Failure | None = None
    #: Seconds to wait before a look.
    pause: float = 0.0
