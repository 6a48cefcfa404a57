"""The planner's rows for what is not, or no longer, declared."""

from typing import Any

from tests.planner.states import (
    GATEWAY_TARGET,
    NOW,
    REGISTRY,
    Row,
    goes,
    knows,
    nothing,
    pending,
    shows,
    tried,
    unanswered,
    updated,
)
from workflows.planner.decision import Action, Provenance
from workflows.records.operation import Verb
from workflows.records.request_state import Mode

FOREIGN, EARLIER = Provenance.FOREIGN, Provenance.PRE_EXISTING
LATER, FAILED = Provenance.LATER_GENERATION, Provenance.FAILED_GENERATION
PROVISION = Mode.PROVISION
TARGET = GATEWAY_TARGET
EXISTING: dict[str, Any] = {"options": {"existing": True}}
RETAINED: dict[str, Any] = {"options": {"deletion": "RETAIN"}}
NOT_UNDONE = "the failed generation did not create it"
CREATING = unanswered()
PENDING = "CREATE_PENDING_AUTH"

ABSENT = (
    Row("the last read did not show it", goes(), None, knows(), Action.LOOK, "read by id"),
    Row("reads by its id say that it is gone", goes(gone=True), None, knows(), Action.GONE, "it does not exist"),
    Row("it is not declared any more, and nobody has approved a deletion",
        goes(TARGET, PROVISION, only_approved=True, needs_allow=True), shows(kind=TARGET), knows(TARGET), Action.KEEP,
        "deleted only when the request allows its address"),
    Row("it never was there", goes(), None, nothing(), Action.GONE, "it does not exist"),
    Row("its creation was answered 89 s ago, and reads do not show it", goes(), None, knows(created_at=NOW - 89),
        Action.WAIT, "reads do not show it yet"),
    Row("its creation was answered 90 s ago, and reads do not show it", goes(), None, knows(created_at=NOW - 90),
        Action.LOOK, "read by id"),
    Row("its creation has no answer since 149 s", goes(), None, nothing(ops=unanswered(Verb.CREATE, 149)),
        Action.WAIT, "reads do not show it yet"),
    Row("its creation has no answer since 150 s", goes(), None, nothing(ops=unanswered(Verb.CREATE, 150)),
        Action.GONE, "it does not exist"),
)  # fmt: skip

STAYS = (
    Row("it is somebody else's", goes(), shows(ours=False), knows(), Action.KEEP, "not owned by this stack"),
    Row("it was only looked up", goes(**EXISTING), shows(), knows(), Action.KEEP, "not owned by this stack"),
    Row("somebody else's bears the name, and a creation of an untagged kind has no answer", goes(REGISTRY),
        shows(kind=REGISTRY, ours=False), nothing(REGISTRY, ops=CREATING), Action.FAIL,
        "the response to a create was lost", code="CreationInDoubt"),
    Row("the same of what was only looked up", goes(REGISTRY, **EXISTING), shows(kind=REGISTRY, ours=False),
        nothing(REGISTRY, ops=CREATING), Action.KEEP, "not owned by this stack"),
    Row("a tag says that it is ours, and the ledger has no record", goes(unrecorded=True), shows(), nothing(),
        Action.FAIL, "bears the tag of this stack", code="LeftBehind"),
    Row("it stands under a gateway that is looked up, and the ledger has no record", goes(unrecorded=True),
        shows(ours=False), nothing(), Action.FAIL, "does not say whether this stack made it", code="LeftBehind"),
    Row("it is to be retained", goes(**RETAINED), shows(), knows(), Action.KEEP, "retained as declared"),
    Row("it is to be retained and moves", goes(**RETAINED), shows("UPDATING"), knows(), Action.KEEP,
        "retained as declared"),
    Row("it is to be retained, and was made by what is undone", goes(provenance=FAILED, **RETAINED), shows(), knows(),
        Action.DELETE, "asked for"),
    Row("it is to be retained, and was made since what is gone back to", goes(provenance=LATER, **RETAINED), shows(),
        knows(), Action.KEEP, "retained as declared"),
    Row("a rollback finds what others made", goes(provenance=FOREIGN), shows(), knows(), Action.KEEP, NOT_UNDONE),
    Row("a rollback to nothing finds what was there before", goes(provenance=EARLIER), shows(), knows(), Action.KEEP,
        NOT_UNDONE),
    Row("a rollback finds what had left the document before", goes(mode=PROVISION, provenance=EARLIER,
        needs_allow=True, allowed=True), shows(), knows(), Action.DELETE, "not declared any more"),
    Row("a rollback finds what had left the document before, without leave", goes(mode=PROVISION, provenance=EARLIER,
        needs_allow=True), shows(), knows(), Action.KEEP, "removed from the document"),
    Row("it left the document, and the request does not allow its removal", goes(mode=PROVISION, needs_allow=True),
        shows(), knows(), Action.KEEP, "it is deleted only when the request allows its address"),
)  # fmt: skip

GOES = (
    Row("it left the document, and the request allows its removal", goes(mode=PROVISION, needs_allow=True,
        allowed=True), shows(), knows(), Action.DELETE, "not declared any more"),
    Row("a target left the document", goes(TARGET, PROVISION), shows(kind=TARGET), knows(TARGET), Action.DELETE,
        "not declared any more"),
    Row("its removal is asked for", goes(), shows(), knows(), Action.DELETE, "asked for"),
    Row("a rollback finds what was made since", goes(provenance=LATER), shows(), knows(), Action.DELETE,
        "asked for"),
    Row("it is being updated", goes(), shows("UPDATING"), knows(), Action.WAIT, "UPDATING"),
    Row("it is being deleted", goes(), shows("DELETING"), knows(), Action.WAIT, "DELETING"),
    Row("it awaits consent", goes(TARGET), shows(PENDING, TARGET), knows(TARGET), Action.DELETE, "nobody consented"),
    Row("it awaits consent and may not be deleted, and a list showed it", goes(TARGET),
        shows(PENDING, TARGET, full=False), knows(TARGET, ops=pending(Verb.DELETE)), Action.LOOK, "configuration"),
    Row("it awaits consent and may not be deleted", goes(TARGET), shows(PENDING, TARGET),
        knows(TARGET, ops=pending(Verb.DELETE)), Action.UPDATE, "made to ask for no consent"),
    Row("it awaits consent, and three deletions of this request had no effect", goes(TARGET), shows(PENDING, TARGET),
        knows(TARGET, ops=tried(3)), Action.UPDATE, "made to ask for no consent"),
    Row("another request was refused its deletion", goes(TARGET), shows(PENDING, TARGET),
        knows(TARGET, ops=pending(Verb.DELETE, scope="before")), Action.DELETE, "nobody consented"),
    Row("it awaits consent and takes no change", goes(TARGET), shows(PENDING, TARGET),
        knows(TARGET, ops=pending(Verb.DELETE, Verb.UPDATE)), Action.CONSENT, "refuses to delete"),
    Row("it awaits consent although it was made to ask for none", goes(TARGET), shows(PENDING, TARGET),
        knows(TARGET, ops=(*updated(0.0), *pending(Verb.DELETE))), Action.CONSENT, "refuses to delete"),
    Row("it holds what nobody manages", goes(unmanaged=("theirs",)), shows(), knows(), Action.FAIL,
        "belong to it: theirs", code="UnmanagedTargets"),
    Row("it has failed", goes(), shows("FAILED"), knows(), Action.DELETE, "asked for"),
    Row("two deletions of this request failed", goes(), shows("FAILED"), knows(ops=tried(2)), Action.DELETE,
        "asked for"),
    Row("three deletions of this request failed", goes(), shows("FAILED"), knows(ops=tried(3)), Action.FAIL,
        "FAILED after 3 tries", code="FAILED"),
    Row("three failed, and a list does not say why", goes(), shows("FAILED", full=False), knows(ops=tried(3)),
        Action.LOOK, "to read the reason of the failure"),
)  # fmt: skip

ROWS = (*ABSENT, *STAYS, *GOES)
