"""The planner's rows for what is declared and at rest: compared, tagged, rotated, synchronized."""

from typing import Any

from tests.documents import DISCOVERY, ROLE
from tests.planner.states import (
    API_KEY_CREDENTIAL_PROVIDER,
    BEFORE,
    DESCRIBED,
    DYNAMIC,
    GATEWAY_BODY,
    GATEWAY_TARGET,
    HARNESS,
    KEY,
    MCP,
    OPEN_API,
    OTHER_KEY,
    STACK,
    TAGGED,
    THEN,
    Row,
    knows,
    lingering,
    nothing,
    sent,
    shows,
    tried,
    unanswered,
    wants,
)
from workflows.document.stack import OWNER_TAG
from workflows.planner.decision import Action
from workflows.records.operation import Verb
from workflows.records.request_state import Mode


def audiences(*names: str) -> dict[str, Any]:
    authorizer = {"discoveryUrl": DISCOVERY, "allowedAudience": list(names)}
    return {**GATEWAY_BODY, "authorizerConfiguration": {"customJWTAuthorizer": authorizer}}


AUDIENCES, AUDIENCES_TURNED, ONE_AUDIENCE = audiences("a", "b"), audiences("b", "a"), audiences("a")
FORGETFUL: dict[str, Any] = {"executionRoleArn": ROLE, "memory": {"disabled": {}}}
MINDFUL: dict[str, Any] = {"executionRoleArn": ROLE, "memory": {"managedMemoryConfiguration": {"arn": "arn:memory"}}}
TARGET, API_KEY = GATEWAY_TARGET, API_KEY_CREDENTIAL_PROVIDER
AUTHORIZER: dict[str, Any] = {"says": {"authorizerType": "CUSTOM_JWT"}}
FIXED = "authorizerType of an existing gateway cannot be changed in place"
DIFFERS = "differs from what is declared"
OURS: dict[str, Any] = {OWNER_TAG: STACK}
ONE, TWO = {"apiKey": "version-1"}, {"apiKey": "version-2"}
SHOWS_TWO: dict[str, Any] = {"says": {"description": "two"}}
SYNC = Mode.SYNCHRONIZE
AUDIENCE = "authorizerConfiguration.customJWTAuthorizer.allowedAudience"
CLIENT = "authorizerConfiguration.customJWTAuthorizer.allowedClients"
_JWT = AUDIENCES["authorizerConfiguration"]["customJWTAuthorizer"]
BOTH: dict[str, Any] = {
    **GATEWAY_BODY,
    "authorizerConfiguration": {"customJWTAuthorizer": {**_JWT, "allowedClients": ["c"]}},
}
CLIENTS: dict[str, Any] = {
    **GATEWAY_BODY,
    "authorizerConfiguration": {"customJWTAuthorizer": {"discoveryUrl": DISCOVERY, "allowedClients": ["c"]}},
}
SHOUTED: dict[str, Any] = {
    "targetConfiguration": {"mcp": {"mcpServer": {"endpoint": "https://LEDGER.example.com/mcp"}}}
}
NEWEST: dict[str, Any] = {"targetConfiguration": {"SDK_UNKNOWN_MEMBER": {"name": "newest"}}}
UNKNOWN_AUTHORIZER: dict[str, Any] = {"authorizerConfiguration": {"SDK_UNKNOWN_MEMBER": {"name": "newest"}}}
LAGS: dict[str, Any] = {"says": {"lastSynchronizedAt": BEFORE}}

COMPARED = (
    Row("it is as declared", wants(), shows(), knows(), Action.NONE, "as declared"),
    Row("a list shows that nothing changed since it was last seen", wants(), shows(full=False),
        knows(compared=THEN), Action.NONE, "as declared"),
    Row("a list shows that it changed since it was last seen", wants(), shows(full=False), knows(compared=BEFORE),
        Action.LOOK, "changed since it was last seen"),
    Row("a list shows it, and something else is declared", wants(declared=DESCRIBED), shows(full=False),
        knows(compared=THEN), Action.LOOK, "changed since it was last seen"),
    Row("it did not change, and an update without an answer may still come", wants(API_KEY),
        shows(None, API_KEY), knows(API_KEY, compared=THEN, ops=unanswered(Verb.UPDATE, 0, OTHER_KEY)),
        Action.UPDATE, DIFFERS, ("apiKey",)),
    Row("a member is declared that it lacks", wants(declared=DESCRIBED), shows(), knows(), Action.UPDATE, DIFFERS,
        ("description",)),
    Row("a member left the document that was applied", wants(), shows(body=DESCRIBED), knows(applied=DESCRIBED),
        Action.UPDATE, DIFFERS, ("description",)),
    Row("a member is there that was never declared", wants(), shows(body=DESCRIBED), knows(), Action.NONE,
        "as declared"),
    Row("a member is there that only an unanswered update declared", wants(), shows(body=DESCRIBED),
        knows(ops=unanswered(Verb.UPDATE, 0, DESCRIBED)), Action.UPDATE, DIFFERS, ("description",)),
    Row("a member is there that an update before the last one declared", wants(), shows(body=DESCRIBED),
        knows(ops=lingering(DESCRIBED)), Action.UPDATE, DIFFERS, ("description",)),
    Row("a set is shown in another order", wants(declared=AUDIENCES), shows(body=AUDIENCES_TURNED),
        knows(applied=AUDIENCES), Action.NONE, "as declared"),
    Row("a set lacks a member", wants(declared=AUDIENCES), shows(body=ONE_AUDIENCE), knows(applied=AUDIENCES),
        Action.UPDATE, DIFFERS, (AUDIENCE,)),
    Row("an empty arm of a union is declared, and another arm is there", wants(HARNESS, FORGETFUL),
        shows(kind=HARNESS, body=MINDFUL), knows(HARNESS, FORGETFUL), Action.UPDATE, DIFFERS, ("memory",)),
    Row("it bears another name", wants(), shows(says={"name": "two"}), knows(), Action.UPDATE, DIFFERS, ("name",)),
    Row("three changes of this request were made, and it differs", wants(declared=DESCRIBED), shows(),
        knows(ops=tried(3)), Action.UPDATE, DIFFERS, ("description",)),
    Row("it shows a host in the other case", wants(TARGET, SHOUTED), shows(kind=TARGET), knows(TARGET, SHOUTED),
        Action.NONE, "as declared"),
    Row("a member is shown in a form that is not listed for it", wants(declared=DESCRIBED),
        shows(says={"description": "ONE"}), knows(applied=DESCRIBED), Action.UPDATE, DIFFERS, ("description",)),
)  # fmt: skip

IN_FORCE = (
    Row("an update was accepted, and reads do not show it yet", wants(declared=DESCRIBED), shows(**SHOWS_TWO),
        knows(ops=sent(DESCRIBED, "description", "two", 89)), Action.LOOK, "reads do not show description yet"),
    Row("the same a minute and a half later", wants(declared=DESCRIBED), shows(**SHOWS_TWO),
        knows(ops=sent(DESCRIBED, "description", "two", 90)), Action.UPDATE, DIFFERS, ("description",)),
    Row("the same for the second time", wants(declared=DESCRIBED), shows(**SHOWS_TWO),
        knows(ops=sent(DESCRIBED, "description", "two", 90, 2)), Action.UPDATE, DIFFERS, ("description",)),
    Row("the same for the third time", wants(declared=DESCRIBED), shows(**SHOWS_TWO),
        knows(ops=sent(DESCRIBED, "description", "two", 90, 3)), Action.FAIL, "shows another value", ("description",),
        "NotInForce"),
    Row("the same for the third time, for an earlier request", wants(declared=DESCRIBED), shows(**SHOWS_TWO),
        knows(ops=sent(DESCRIBED, "description", "two", 90, 3, "request-0")), Action.UPDATE, DIFFERS, ("description",)),
    Row("an update was accepted, and the first read that does not show it comes late", wants(declared=DESCRIBED),
        shows(**SHOWS_TWO), knows(ops=sent(DESCRIBED, "description", "two", 400, shown_otherwise=False)),
        Action.LOOK, "reads do not show description yet"),
    Row("the read is older than the accepted update of another document", wants(), shows(at=BEFORE),
        knows(ops=sent(DESCRIBED, "description", None, 89)), Action.LOOK, "the read is older than the last update"),
    Row("the same after a minute and a half", wants(), shows(at=BEFORE),
        knows(ops=sent(DESCRIBED, "description", None, 90)), Action.NONE, "as declared"),
    Row("an update was accepted, and another without an answer may still come", wants(declared=AUDIENCES),
        shows(body=BOTH), knows(applied=AUDIENCES, ops=(
        *sent(AUDIENCES, AUDIENCE, ["a"], 0), *unanswered(Verb.UPDATE, 0, BOTH))), Action.UPDATE, DIFFERS, (CLIENT,)),
    Row("another value is there than before the update", wants(declared=DESCRIBED),
        shows(says={"description": "three"}), knows(ops=sent(DESCRIBED, "description", "two", 89)), Action.LOOK,
        "reads do not show description yet"),
    Row("an update of an audience was accepted, and is not in force", wants(declared=AUDIENCES),
        shows(body=ONE_AUDIENCE), knows(ops=sent(AUDIENCES, AUDIENCE, ["a"], 90)), Action.FAIL, "shows another value",
        (AUDIENCE,), "NotInForce"),
    Row("the same for an earlier request", wants(declared=AUDIENCES), shows(body=ONE_AUDIENCE),
        knows(ops=sent(AUDIENCES, AUDIENCE, ["a"], 90, 1, "request-0")), Action.UPDATE, DIFFERS, (AUDIENCE,)),
    Row("an audience was taken away, and still shows", wants(declared=CLIENTS), shows(body=BOTH),
        knows(ops=sent(CLIENTS, AUDIENCE, ["a", "b"], 90)), Action.FAIL, "shows another value", (AUDIENCE,),
        "NotInForce"),
    Row("the same, and another document is declared", wants(declared={**CLIENTS, "description": "one"}),
        shows(body=BOTH), knows(applied=BOTH, ops=sent(CLIENTS, AUDIENCE, ["a", "b"], 90)), Action.UPDATE, DIFFERS,
        (AUDIENCE, "description")),
    Row("a description was taken away, and a default shows", wants(), shows(**SHOWS_TWO),
        knows(ops=sent(GATEWAY_BODY, "description", "two", 0)), Action.NONE, "as declared"),
    Row("what reads cannot show was sent by an accepted update", wants(API_KEY, OTHER_KEY), shows(None, API_KEY),
        knows(API_KEY, ops=sent(OTHER_KEY, "apiKey", None, 0)), Action.NONE, "as declared"),
)  # fmt: skip

UNKNOWN = (
    Row("what is declared is shown as no model knows it", wants(TARGET), shows(kind=TARGET, body=NEWEST),
        knows(TARGET), Action.FAIL, "in a form that this version does not know", ("targetConfiguration",),
        "Unrecognized"),
    Row("the same, and a list shows that nothing changed", wants(TARGET),
        shows(kind=TARGET, body=NEWEST, full=False), knows(TARGET, compared=THEN), Action.NONE, "as declared"),
    Row("it failed, and what is declared is shown as no model knows it", wants(TARGET),
        shows("FAILED", TARGET, body=NEWEST), knows(TARGET), Action.FAIL, "that this version does not know",
        ("targetConfiguration",), "Unrecognized"),
    Row("what nobody declared is shown as no model knows it", wants(), shows(says=UNKNOWN_AUTHORIZER), knows(),
        Action.NONE, "as declared"),
    Row("the same, and an update would have to send it back", wants(declared=DESCRIBED),
        shows(says=UNKNOWN_AUTHORIZER), knows(), Action.FAIL, "in a form that this version does not know",
        ("authorizerConfiguration",), "Unrecognized"),
    Row("what is fixed is not shown", wants(), shows(body={"roleArn": ROLE}), knows(), Action.UPDATE, DIFFERS,
        ("authorizerType",)),
)  # fmt: skip

ANEW = (
    Row("what no update changes is declared otherwise", wants(), shows(**AUTHORIZER), knows(), Action.FAIL, FIXED,
        ("authorizerType",), "Immutable"),
    Row("the same with leave", wants(allowed=True), shows(**AUTHORIZER), knows(), Action.REPLACE,
        "authorizerType cannot be changed in place", ("authorizerType",)),
    Row("the same with leave, in a run that nobody attends", wants(allowed=True, unattended=True, needs_allow=True),
        shows(**AUTHORIZER), knows(), Action.FAIL, "replacing this gateway", code="NeedsRequest"),
    Row("the same with leave, and it holds what nobody manages", wants(allowed=True, unmanaged=("theirs",)),
        shows(**AUTHORIZER), knows(), Action.FAIL, "belong to it: theirs", code="UnmanagedTargets"),
    Row("the same with leave, and it holds what is to stay", wants(allowed=True, staying=("kept",)),
        shows(**AUTHORIZER), knows(), Action.FAIL, "belong to it: kept", code="UnmanagedTargets"),
    Row("a target of ours is declared as another kind", wants(TARGET, OPEN_API), shows(kind=TARGET), knows(TARGET),
        Action.REPLACE, "targetConfiguration cannot be changed in place", ("targetConfiguration",)),
    Row("the same, and nobody has approved a replacement",
        wants(TARGET, OPEN_API, only_approved=True, needs_allow=True, generation=2), shows(kind=TARGET), knows(TARGET),
        Action.FAIL, "targetConfiguration of an existing gateway target", ("targetConfiguration",), "Immutable"),
    Row("the same, and it never was READY", wants(TARGET, OPEN_API), shows(kind=TARGET),
        knows(TARGET, ready=None), Action.REPLACE, "targetConfiguration cannot be changed",
        ("targetConfiguration",)),
    Row("the same, and it was taken over", wants(TARGET, OPEN_API), shows(kind=TARGET), knows(TARGET, incarnation=0),
        Action.REPLACE, "targetConfiguration cannot be changed", ("targetConfiguration",)),
    Row("the same, and it was only found there", wants(TARGET, OPEN_API), shows(kind=TARGET), nothing(TARGET),
        Action.FAIL, "targetConfiguration of an existing gateway target", ("targetConfiguration",), "Immutable"),
)  # fmt: skip

TAGS = (
    Row("a tag is declared that was not applied", wants(declared=TAGGED), shows(), knows(), Action.TAG, "tags differ",
        ("tags",)),
    Row("a tag and a member are declared that it lacks", wants(declared={**DESCRIBED, **TAGGED}), shows(), knows(),
        Action.UPDATE, DIFFERS, ("description", "tags")),
    Row("its tags were asked for, and are as declared", wants(declared=TAGGED),
        shows(tags={**TAGGED["tags"], **OURS}), knows(applied=TAGGED), Action.NONE, "as declared"),
    Row("somebody took our tag off", wants(), shows(tags={}), knows(), Action.TAG, "tags differ", ("tags",)),
    Row("somebody changed a declared tag", wants(declared=TAGGED), shows(tags={"team": "x", **OURS}),
        knows(applied=TAGGED), Action.TAG, "tags differ", ("tags",)),
    Row("a tag left the document and is still there", wants(), shows(tags={**TAGGED["tags"], **OURS}),
        knows(applied=TAGGED), Action.TAG, "tags differ", ("tags",)),
    Row("a tag is there that was never declared", wants(), shows(tags={"theirs": "1", **OURS}), knows(), Action.NONE,
        "as declared"),
    Row("an unanswered call may have set a tag", wants(), shows(), knows(ops=lingering(None, ("team",))), Action.TAG,
        "tags differ", ("tags",)),
    Row("an unanswered tagging may have set a tag", wants(), shows(),
        knows(ops=unanswered(Verb.TAG, 0, TAGGED)), Action.TAG, "tags differ", ("tags",)),
    Row("a tag is declared of what was made, and nobody knows what was applied", wants(declared=TAGGED), shows(),
        nothing(id="id-1", incarnation=1), Action.TAG, "tags differ", ("tags",)),
    Row("a tag is declared of what was only taken note of", wants(declared=TAGGED), shows(), nothing(id="id-1"),
        Action.NONE, "as declared"),
)  # fmt: skip

SECRETS = (
    Row("its secret has the version that was applied", wants(API_KEY, secret_versions=ONE), shows(None, API_KEY),
        knows(API_KEY, versions=ONE), Action.NONE, "as declared"),
    Row("its secret was rotated", wants(API_KEY, secret_versions=TWO), shows(None, API_KEY),
        knows(API_KEY, versions=ONE), Action.UPDATE, "the secret was rotated", ("apiKey",)),
    Row("its secret was rotated, and only a list showed it", wants(API_KEY, secret_versions=TWO),
        shows(None, API_KEY, full=False), knows(API_KEY, versions=ONE, compared=THEN), Action.LOOK,
        "to read the members that an update must repeat"),
    Row("its secret's version cannot be told", wants(API_KEY, secret_versions={"apiKey": ""}), shows(None, API_KEY),
        knows(API_KEY, versions=ONE), Action.NONE, "as declared"),
    Row("its secret was rotated back after an update without an answer", wants(API_KEY, secret_versions=ONE),
        shows(None, API_KEY),
        knows(API_KEY, versions=ONE, ops=unanswered(Verb.UPDATE, 0, KEY, versions=TWO)),
        Action.UPDATE, "the secret was rotated", ("apiKey",)),
)  # fmt: skip

SYNCHRONIZED = (
    Row("its tools were read before our last change", wants(TARGET), shows(kind=TARGET, **LAGS),
        knows(TARGET, changed=THEN), Action.SYNCHRONIZE, "not synchronized since its last change"),
    Row("the same, and this run has synchronized it", wants(TARGET, synchronizations=1), shows(kind=TARGET, **LAGS),
        knows(TARGET, changed=THEN), Action.NONE, "as declared"),
    Row("its tools were read after our last change", wants(TARGET), shows(kind=TARGET, **LAGS),
        knows(TARGET, changed=BEFORE), Action.NONE, "as declared"),
    Row("the service does not say when its tools were read", wants(TARGET), shows(kind=TARGET),
        knows(TARGET, changed=THEN), Action.NONE, "as declared"),
    Row("its tools are read at every request", wants(TARGET, DYNAMIC), shows(kind=TARGET, body=DYNAMIC, **LAGS),
        knows(TARGET, DYNAMIC, changed=THEN), Action.NONE, "as declared"),
    Row("a synchronization is asked for", wants(TARGET, mode=SYNC), shows(kind=TARGET), knows(TARGET),
        Action.SYNCHRONIZE, "asked for"),
    Row("a synchronization was done", wants(TARGET, mode=SYNC, synchronizations=1), shows(kind=TARGET), knows(TARGET),
        Action.NONE, "synchronized"),
    Row("a synchronization is asked for of what differs", wants(TARGET, {**MCP, "description": "one"}, mode=SYNC),
        shows(kind=TARGET), knows(TARGET), Action.SYNCHRONIZE, "asked for"),
    Row("a synchronization is asked for of a gateway", wants(mode=SYNC), shows(), knows(), Action.NONE,
        "nothing to synchronize"),
    Row("a synchronization is asked for of an OpenAPI target", wants(TARGET, OPEN_API, mode=SYNC),
        shows(kind=TARGET, body=OPEN_API), knows(TARGET, OPEN_API), Action.NONE, "skipped: only MCP server targets"),
    Row("a synchronization failed twice", wants(TARGET, mode=SYNC, synchronizations=2),
        shows("SYNCHRONIZE_UNSUCCESSFUL", TARGET), knows(TARGET), Action.SYNCHRONIZE, "asked for"),
    Row("a synchronization failed three times", wants(TARGET, mode=SYNC, synchronizations=3),
        shows("SYNCHRONIZE_UNSUCCESSFUL", TARGET), knows(TARGET), Action.FAIL, "after 3 tries",
        code="SYNCHRONIZE_UNSUCCESSFUL"),
    Row("the same, and a list does not say why", wants(TARGET, mode=SYNC, synchronizations=3),
        shows("SYNCHRONIZE_UNSUCCESSFUL", TARGET, full=False), knows(TARGET), Action.LOOK, "to read the reason"),
    Row("a synchronization is asked for of what failed otherwise", wants(TARGET, mode=SYNC), shows("FAILED", TARGET),
        knows(TARGET), Action.FAIL, "this gateway target is FAILED", code="FAILED"),
    Row("the same, and a list does not say why (synchronization)", wants(TARGET, mode=SYNC),
        shows("FAILED", TARGET, full=False), knows(TARGET), Action.LOOK, "to read the reason of the failure"),
    Row("a synchronization is asked for of a failed gateway", wants(declared=GATEWAY_BODY, mode=SYNC),
        shows("FAILED"), knows(), Action.FAIL, "this gateway is FAILED", code="FAILED"),
)  # fmt: skip

ROWS = (*COMPARED, *IN_FORCE, *UNKNOWN, *ANEW, *TAGS, *SECRETS, *SYNCHRONIZED)
