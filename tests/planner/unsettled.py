"""The planner's rows for what is declared and not at rest: absent, foreign, moving, awaiting consent, failed."""

from typing import Any

from tests.planner.states import (
    DESCRIBED,
    DYNAMIC,
    GATEWAY,
    GATEWAY_TARGET,
    MCP,
    NOW,
    OPEN_API,
    REGISTRY,
    Row,
    knows,
    nothing,
    shows,
    tried,
    unanswered,
    wants,
)
from workflows.planner.decision import Action
from workflows.records.request_state import Mode

EXISTING: dict[str, Any] = {"options": {"existing": True}}
ADOPT: dict[str, Any] = {"options": {"adopt": True}}
ROLE_DENIED: dict[str, Any] = {"says": {"statusReasons": ["not authorized to perform AssumeRole on the role"]}}
WHY: dict[str, Any] = {"says": {"statusReasons": ["the role cannot be assumed"]}}
AUTHORIZER: dict[str, Any] = {"says": {"authorizerType": "CUSTOM_JWT"}}
URL: dict[str, Any] = {"says": {"authorizationData": {"oauth2": {"authorizationUrl": "https://example.com/consent"}}}}
TARGET = GATEWAY_TARGET
UPDATED, SYNCED = "UPDATE_UNSUCCESSFUL", "SYNCHRONIZE_UNSUCCESSFUL"
#: A creation of ours that never was READY.
YOUNG: dict[str, Any] = {"ready": None, "applied": None}
CREATING = unanswered()

ABSENT = (
    Row("it was never made", wants(), None, nothing(), Action.CREATE, "it does not exist"),
    Row("it was there, and the last read did not show it", wants(), None, knows(), Action.LOOK, "read by id"),
    Row("it was there, and reads by its id say that it is gone", wants(gone=True), None, knows(), Action.CREATE,
        "it was deleted by others"),
    Row("its creation was answered 89 s ago and reads do not show it", wants(), None, knows(created_at=NOW - 89),
        Action.WAIT, "reads do not show it yet"),
    Row("its creation was answered 90 s ago and reads do not show it", wants(), None, knows(created_at=NOW - 90),
        Action.LOOK, "read by id"),
    Row("its creation has no answer", wants(), None, nothing(ops=CREATING), Action.CREATE, "it does not exist"),
    Row("three creations of this request failed", wants(), None, nothing(ops=tried(3, error="no role")),
        Action.FAIL, "FAILED after 3 tries: no role", code="FAILED"),
    Row("three failed, and a fourth has no answer", wants(), None, nothing(ops=(*tried(3), *CREATING)),
        Action.CREATE, "it does not exist"),
    Row("three creations of another request failed", wants(), None, nothing(ops=tried(3, "request-0")),
        Action.CREATE, "it does not exist"),
    Row("it is only to be looked up", wants(**EXISTING), None, nothing(), Action.FAIL, "no gateway named one exists",
        code="NotFound"),
    Row("it is to be synchronized, and the last read did not show it", wants(TARGET, mode=Mode.SYNCHRONIZE), None,
        knows(TARGET), Action.LOOK, "read by id"),
    Row("it is to be synchronized, and is gone", wants(TARGET, mode=Mode.SYNCHRONIZE, gone=True), None,
        knows(TARGET), Action.FAIL, "no gateway target named one exists", code="NotFound"),
)  # fmt: skip

FOREIGN = (
    Row("somebody else's has the name", wants(), shows(ours=False), nothing(), Action.FAIL, "the name one is taken",
        code="NameTaken"),
    Row("somebody else's has the name and is UPDATING", wants(), shows("UPDATING", ours=False), nothing(), Action.FAIL,
        "the name one is taken", code="NameTaken"),
    Row("somebody else's has the name, and a creation of a tagged kind has no answer", wants(), shows(ours=False),
        nothing(ops=CREATING), Action.FAIL, "the name one is taken", code="NameTaken"),
    Row("somebody else's has the name, and a creation of an untagged kind has no answer", wants(REGISTRY),
        shows(kind=REGISTRY, ours=False), nothing(REGISTRY, ops=CREATING), Action.CREATE,
        "repeated with its recorded client tokens, to learn who created the resource of this name"),
    Row("somebody else's has the name, of an untagged kind, and nothing is in doubt", wants(REGISTRY),
        shows(kind=REGISTRY, ours=False), nothing(REGISTRY), Action.FAIL, "the name one is taken", code="NameTaken"),
    Row("somebody else's is to be adopted", wants(**ADOPT), shows(ours=False), nothing(), Action.TAG,
        "declared with adopt: true", ("tags",)),
    Row("somebody else's is to be adopted and changed", wants(declared=DESCRIBED, **ADOPT), shows(ours=False),
        nothing(), Action.TAG, "declared with adopt: true", ("tags", "description")),
    Row("somebody else's is to be adopted, and its last update failed", wants(**ADOPT),
        shows(UPDATED, ours=False), nothing(), Action.TAG, "declared with adopt: true", ("tags",)),
    Row("somebody else's is to be adopted, and only a list showed it", wants(**ADOPT), shows(ours=False, full=False),
        nothing(), Action.LOOK, "changed since it was last seen"),
    Row("somebody else's is only looked up", wants(**EXISTING), shows(ours=False), nothing(), Action.NONE,
        "only looked up"),
    Row("what is only looked up differs", wants(declared=DESCRIBED, **EXISTING), shows(), knows(), Action.NONE,
        "only looked up"),
    Row("what is only looked up has failed", wants(**EXISTING), shows("FAILED", ours=False), nothing(), Action.NONE,
        "only looked up"),
)  # fmt: skip

MOVING = (
    Row("it is being created", wants(), shows("CREATING"), knows(**YOUNG), Action.WAIT, "CREATING"),
    Row("it is being updated, and differs", wants(declared=DESCRIBED), shows("UPDATING"), knows(), Action.WAIT,
        "UPDATING"),
    Row("what is only looked up is being updated", wants(**EXISTING), shows("UPDATING", ours=False), nothing(),
        Action.WAIT, "UPDATING"),
    Row("it awaits consent, and a list showed it without the URL", wants(TARGET),
        shows("CREATE_PENDING_AUTH", TARGET, full=False), knows(TARGET, **YOUNG), Action.LOOK,
        "for the authorization URL"),
    Row("it awaits consent, and the URL is known", wants(TARGET),
        shows("CREATE_PENDING_AUTH", TARGET, full=False, **URL), knows(TARGET, **YOUNG), Action.CONSENT,
        "CREATE_PENDING_AUTH: a person must consent"),
    Row("it awaits consent, and a read shows no URL", wants(TARGET), shows("UPDATE_PENDING_AUTH", TARGET),
        knows(TARGET), Action.CONSENT, "UPDATE_PENDING_AUTH: a person must consent"),
    Row("it awaits consent and is declared otherwise", wants(TARGET, {**MCP, "description": "one"}),
        shows("CREATE_PENDING_AUTH", TARGET, **URL), knows(TARGET), Action.CONSENT, "a person must consent"),
)  # fmt: skip

FAILED = (
    Row("it failed, and a list does not say why", wants(), shows("FAILED", full=False), knows(**YOUNG), Action.LOOK,
        "to read the reason of the failure"),
    Row("it failed for the third time", wants(), shows("FAILED", **WHY), knows(**YOUNG, ops=tried(3)), Action.FAIL,
        "FAILED after 3 tries: the role cannot be assumed", code="FAILED"),
    Row("an update failed", wants(), shows(UPDATED, **WHY), knows(), Action.UPDATE,
        "UPDATE_UNSUCCESSFUL: the role cannot be assumed"),
    Row("an update failed without a reason", wants(), shows(UPDATED), knows(ops=tried(2)), Action.UPDATE,
        "UPDATE_UNSUCCESSFUL: no reason given"),
    Row("an update failed, and what it changed is to be sent", wants(declared=DESCRIBED), shows(UPDATED), knows(),
        Action.UPDATE, "UPDATE_UNSUCCESSFUL", ("description",)),
    Row("an update failed, and what is declared now takes a new one", wants(allowed=True),
        shows(UPDATED, **AUTHORIZER), knows(), Action.REPLACE, "authorizerType cannot be changed in place",
        ("authorizerType",)),
    Row("the same without leave", wants(), shows(UPDATED, **AUTHORIZER), knows(), Action.FAIL,
        "authorizerType of an existing gateway cannot be changed", ("authorizerType",), "Immutable"),
    Row("a synchronization failed", wants(TARGET), shows(SYNCED, TARGET), knows(TARGET), Action.SYNCHRONIZE, SYNCED),
    Row("a synchronization failed, and something else is declared", wants(TARGET, {**MCP, "description": "one"}),
        shows(SYNCED, TARGET), knows(TARGET), Action.UPDATE, SYNCED, ("description",)),
    Row("a synchronization failed of what does not synchronize any more", wants(TARGET, DYNAMIC),
        shows(SYNCED, TARGET, DYNAMIC), knows(TARGET, DYNAMIC), Action.UPDATE, SYNCED),
    Row("it failed and was READY once", wants(), shows("FAILED", **WHY), knows(), Action.FAIL,
        "this gateway is FAILED: the role cannot be assumed", code="FAILED"),
    Row("it failed, was READY once, and may be made anew", wants(allowed=True), shows("FAILED", **WHY), knows(),
        Action.REPLACE, "FAILED: the role cannot be assumed"),
    Row("it failed, may be made anew, and holds what nobody manages", wants(allowed=True, unmanaged=("theirs",)),
        shows("FAILED"), knows(), Action.FAIL, "belong to it: theirs", code="UnmanagedTargets"),
    Row("it failed, may be made anew, and holds what is to stay", wants(allowed=True, staying=("kept",)),
        shows("FAILED"), knows(), Action.FAIL, "belong to it: kept", code="UnmanagedTargets"),
    Row("its creation failed for its role 29 s after it was accepted", wants(), shows("FAILED", **ROLE_DENIED),
        knows(**YOUNG, created_at=NOW - 29, ops=tried(1)), Action.LOOK, "a grant may not be visible yet"),
    Row("its creation failed for its role 30 s after it was accepted", wants(), shows("FAILED", **ROLE_DENIED),
        knows(**YOUNG, created_at=NOW - 30, ops=tried(1)), Action.REPLACE, "FAILED"),
    Row("its second creation failed for its role 59 s after it was accepted", wants(),
        shows("FAILED", **ROLE_DENIED), knows(**YOUNG, created_at=NOW - 59, ops=tried(2)), Action.LOOK,
        "a grant may not be visible yet"),
    Row("its creation failed for another reason", wants(),
        shows("FAILED", says={"statusReasons": ["no such function"]}),
        knows(**YOUNG, created_at=NOW - 1, ops=tried(1)), Action.REPLACE, "FAILED"),
    Row("its creation failed, and it never was READY", wants(), shows("FAILED"), knows(**YOUNG), Action.REPLACE,
        "FAILED"),
    Row("another one than ours failed under its name", wants(), shows("FAILED"), knows(**{**YOUNG, "id": "id-0"}),
        Action.FAIL, "this gateway is FAILED", code="FAILED"),
    Row("a creation without an answer failed", wants(), shows("FAILED"), nothing(incarnation=1, ops=CREATING),
        Action.REPLACE, "FAILED"),
    Row("a target of ours failed after it was READY", wants(TARGET), shows("FAILED", TARGET), knows(TARGET),
        Action.REPLACE, "FAILED"),
    Row("a target failed that was only found there", wants(TARGET), shows("FAILED", TARGET), nothing(TARGET),
        Action.FAIL, "this gateway target is FAILED", code="FAILED"),
    Row("its deletion failed, and it is declared again", wants(REGISTRY), shows("DELETE_FAILED", REGISTRY),
        knows(REGISTRY), Action.FAIL, "this registry is DELETE_FAILED", code="DELETE_FAILED"),
    Row("a target failed and is declared as another kind", wants(TARGET, OPEN_API), shows(UPDATED, TARGET),
        knows(TARGET), Action.REPLACE, "targetConfiguration cannot be changed in place", ("targetConfiguration",)),
    Row("a gateway failed that was taken over", wants(GATEWAY), shows("FAILED"), knows(incarnation=0), Action.FAIL,
        "this gateway is FAILED", code="FAILED"),
)  # fmt: skip

ROWS = (*ABSENT, *FOREIGN, *MOVING, *FAILED)
