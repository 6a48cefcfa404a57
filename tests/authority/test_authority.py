"""Confused deputies: whatever a team asks for, the worker uses nothing that no grant of that team names.

The attempts are data, in attacks.yaml, each beside what the same team may do. They go in by the doors.
"""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from handlers.environment import Environment
from handlers.messages import read_event
from handlers.sqs import take
from handlers.step_functions import accepted_before
from infra.aws import Aws
from infra.deadline import Deadline
from infra.documents import parse
from infra.sandbox.world import Failure
from infra.service_model import is_document
from infra.settings import Settings, SettingsError, read_settings
from tests.documents import gateway, mcp_target, provider
from tests.worlds import REGION, SandboxWorld, provision
from workflows.answers import answer_key
from workflows.authority import Grants, Submitter, covers
from workflows.context import Context
from workflows.decide import Mode
from workflows.fulfil import fulfil, resume
from workflows.kinds import KINDS, Kind
from workflows.memory import partition_of, stack_key
from workflows.naming import CATEGORIES, HARMLESS, NAMING, SOMETIMES, Place
from workflows.notices import notice
from workflows.outcome import Status
from workflows.problems import parse_path
from workflows.request import Request

FILE = parse((Path(__file__).parent / "attacks.yaml").read_text())
EVENTS = Path(__file__).parents[2] / "events"
ACCOUNT = "123456789012"
BUS = f"arn:aws:sqs:{REGION}:{ACCOUNT}:bus"
PAYMENTS = Submitter(account=ACCOUNT, source="com.example.payments")
PLACE = Place(ACCOUNT, REGION)
#: Objects in S3, which the sandbox does not have.
OBJECTS = {
    ("payments-stacks", "tools.yaml"): "stack: payments.new",
    ("payments-stacks", "billing.yaml"): "stack: billing.new",
    ("payments-stacks", "state.json"): '{"stack": "payments.new"}',
    ("payments-stacks", "twist.yaml"): json.dumps(
        {
            "stack": "payments.tools",
            "gateways": {
                "billing": {
                    "gatewright": {"existing": True},
                    "targets": {"t": mcp_target(gatewright={"adopt": True})},
                }
            },
        }
    ),
}
SECRET_CALLS = {"GetSecretValue", "DescribeSecret"}


def changed(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a document with some of its members set, or taken away."""
    made = copy.deepcopy(dict(document))
    for text, value in changes.items():
        *outer, last = parse_path(text)
        place: Any = made
        for name in outer:
            place = place[name] if isinstance(name, int) else place.setdefault(name, {})
        if value is None:
            place.pop(last)
        else:
            place[last] = copy.deepcopy(value)
    return made


class Shelf:
    """An S3 client over OBJECTS that knows what it was asked for."""

    class Body:
        def __init__(self, text: str) -> None:
            self._text = text

        async def read(self) -> bytes:
            return self._text.encode()

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def get_object(self, **params: str) -> dict[str, Any]:
        key = (params["Bucket"], params["Key"])
        self.asked.append(key)
        return {"ContentLength": len(OBJECTS[key]), "Body": self.Body(OBJECTS[key])}


def deployed(world: SandboxWorld, grants: Mapping[str, Any] = FILE["grants"], shelf: Shelf | None = None) -> Context:
    """Return a world's context as a deployment's worker has it: with grants and a queue of the bus."""

    async def client(service: str) -> Any:
        return (shelf or Shelf()) if service == "s3" else world.client(service)

    settings = Settings.model_validate({"GATEWRIGHT_BUS_QUEUE_ARN": BUS})
    return replace(
        world.context(), aws=Aws(client, REGION), settings=settings, grants=Grants.model_validate(dict(grants))
    )


def record(body: Mapping[str, Any], by: Mapping[str, str]) -> dict[str, Any]:
    """Return the message of a request: as the bus forwards it, or as a sender put it into a queue."""
    if "queue" not in by:
        detail = {name: value for name, value in body.items() if name != "detailType"}
        body = {"detail-type": body["detailType"], "id": "e", "account": ACCOUNT, **by, "detail": detail}
    attributes = {"SenderId": by.get("sender", "AIDABUS")}
    return {
        "messageId": "m",
        "body": json.dumps(body),
        "attributes": attributes,
        "eventSourceARN": by.get("queue", BUS),
    }


async def asked(context: Context, body: Mapping[str, Any], by: Mapping[str, str] | None = None) -> None:
    """Put one request into the queue; it is taken, whatever becomes of it."""
    sent = record(body, by or {"source": "com.example.payments"})
    assert await take(context, [sent], Deadline.within(3600)) == []


async def assert_refused(world: SandboxWorld, at: str, stack: str, rule: str = "") -> None:
    """A Rejected with a problem at the path is announced, nothing was called, no secret read, nothing accepted."""
    rejections = [detail for kind, detail in world.announced if kind == "Gateway Stack Rejected"]
    assert [kind for kind, _ in world.announced] == ["Gateway Stack Rejected"]
    found = {(problem["path"], problem["rule"]) for problem in rejections[0]["problems"]}
    assert at in {path for path, _ in found}
    assert rule in {"", *(name for path, name in found if path == at)}
    operations = {call.operation for call in world.plane.journal.calls}
    assert not operations & SECRET_CALLS
    assert operations <= {"GetCallerIdentity"}
    assert world.sent() == []
    assert await world.ledger.get(stack_key(partition_of(ACCOUNT, REGION, stack))) is None


def place_cases(side: str) -> list[Any]:
    """Return every value of one side of the places, with what the document around it needs."""
    cases = []
    for place in FILE["places"]:
        values = place.get("theirs") if side == "theirs" else [place["ours"]] if "ours" in place else []
        for number, value in enumerate(values):
            document = changed(FILE["base"], {**place.get("with", {}), place.get("put", place["at"]): value})
            cases.append(pytest.param(document, place["at"], id=f"{place['name']} {number}"))
    return cases


@pytest.mark.parametrize(("document", "at"), place_cases("theirs"))
async def test_what_no_grant_names_is_refused(world, document, at):
    """Another team's role, secret, provider, network or anything else: Rejected at its path before anything is used."""
    world.plane.world.secrets.put("billing/idp", "BillingSecret123")
    await asked(deployed(world), {"detailType": "Gateway Stack Requested", "stack": document})
    await assert_refused(world, at, "payments.tools")


@pytest.mark.parametrize(("document", "at"), place_cases("ours"))
async def test_the_same_place_holds_what_is_granted(world, document, at):
    """The honest neighbour of every attempt is accepted and worked on."""
    await asked(deployed(world), {"detailType": "Gateway Stack Requested", "stack": document})
    rejected = [detail["problems"] for kind, detail in world.announced if kind == "Gateway Stack Rejected"]
    assert rejected == []
    assert world.announced[0][0] == "Gateway Stack Accepted"
    assert world.sent()


async def test_everything_at_once_and_nothing_of_it_used(world):
    """All that is not granted is named in one answer, each at its path."""
    broken, paths = dict(FILE["base"]), set()
    for name in ("a gateway's role", "an API key", "a harness's role", "a runtime's image", "a gateway that exists"):
        place = next(place for place in FILE["places"] if place["name"] == name)
        broken = changed(broken, {**place.get("with", {}), place.get("put", place["at"]): place["theirs"][0]})
        paths.add(place["at"])
    await asked(deployed(world), {"detailType": "Gateway Stack Requested", "stack": broken})
    ((_, detail),) = world.announced
    assert {problem["path"] for problem in detail["problems"]} == paths
    await assert_refused(world, "gateways.payments.roleArn", "payments.tools")


@pytest.mark.parametrize("dry", [False, True], ids=["provision", "plan"])
async def test_a_category_that_is_granted_to_another_stack_is_not_to_this_one(world, dry):
    """What one grant names, another grant's stacks do not get: not even where one submitter has both."""
    mine, other = copy.deepcopy(FILE["grants"]["grants"][:2])
    other["submitters"] = mine["submitters"]
    document = {"stack": "payments.tools", "gateways": {"g": gateway(roleArn=f"arn:aws:iam::{ACCOUNT}:role/billing")}}
    other["stacks"] = ["billing.*"]
    request = provision(document, "r", submitter=PAYMENTS, dry_run=dry)
    outcome = await fulfil(deployed(world, {"version": 1, "grants": [mine, other]}), request, Deadline.within(600))
    assert outcome.status is Status.REJECTED
    await assert_refused(world, "gateways.g.roleArn", "payments.tools")


async def in_force(world: SandboxWorld) -> None:
    """Put a stack of each team in force, as if asked for by people, and forget how."""
    for team in ("payments", "billing"):
        document = {"stack": f"{team}.tools", "gateways": {team: gateway({"t": mcp_target()})}}
        assert (await world.apply(document)).status is Status.READY
    world.sent()
    world.announced.clear()


@pytest.mark.parametrize("case", FILE["requests"], ids=lambda case: case["name"])
async def test_who_may_not_ask_is_refused(world, case):
    """A stack, a request or a document that is not the submitter's: Rejected, and nothing of its owner's is touched."""
    await in_force(world)
    shelf, theirs = Shelf(), stack_key(partition_of(ACCOUNT, REGION, "billing.tools"))
    was = await world.ledger.get(theirs)
    await asked(deployed(world, shelf=shelf), case["body"], case.get("by"))
    await assert_refused(world, case["at"], "billing.new", case.get("rule", "authority"))
    assert bool(shelf.asked) == case.get("fetches", False)
    assert await world.ledger.get(theirs) == was
    assert await world.ledger.get(stack_key(partition_of(ACCOUNT, REGION, "payments.new"))) is None


@pytest.mark.parametrize("case", FILE["allowed"], ids=lambda case: case["name"])
async def test_who_may_ask_is_heard(world, case):
    """The honest neighbours of those requests come to a good end."""
    await in_force(world)
    await asked(deployed(world), case["body"], case.get("by"))
    assert world.announced[-1][0].removeprefix("Gateway Stack ") in ("Ready", "Planned", "Deleted")


async def test_nobody_in_particular_is_nobody(world):
    """A request without a submitter is refused where there are grants."""
    outcome = await fulfil(deployed(world), provision(FILE["base"], "r"), Deadline.within(600))
    assert outcome.status is Status.REJECTED
    await assert_refused(world, "stack", "payments.tools")


@pytest.mark.parametrize(
    "pattern",
    [{"queue": "*", "sender": "*"}, {"account": "*", "source": "*"}, {"account": "", "source": "*"}],
    ids=["any queue", "any account", "no account"],
)
def test_a_pattern_of_one_transport_means_no_other(pattern):
    """Who came by a queue, over the bus, by invocation or from nowhere is never taken for who came another way."""
    grant = {"submitters": [pattern], "stacks": ["*"], "requests": ["provision"]}
    grants = Grants.model_validate({"version": 1, "grants": [grant]})
    others = [Submitter(), Submitter(invocation="step-functions")]
    others.append(PAYMENTS if "queue" in pattern else Submitter(queue="arn:aws:sqs:x", sender="AROA:x"))
    assert [who for who in others if grants.of(who, "provision", PLACE).grants] == []


async def test_a_synchronization_works_on_what_is_in_force(world):
    """A document that comes with a synchronization is checked like any other, or not used: it reaches no other stack.

    This is how the state machine's stage `synchronization` arrives with a `stackUri`.
    """
    await in_force(world)
    request = Request(
        mode=Mode.SYNCHRONIZE,
        request_id="r",
        stack="",
        uri="s3://payments-stacks/twist.yaml",
        submitter=Submitter(invocation="step-functions"),
    )
    await fulfil(deployed(world), request, Deadline.within(600))
    theirs = world.live["gateway billing"].id
    calls = [call for call in world.plane.journal.calls if call.operation == "SynchronizeGatewayTargets"]
    assert [call for call in calls if theirs in str(call)] == []


async def test_only_what_was_accepted_goes_on_by_name(world):
    """Whoever may start a run names what was accepted: nothing that nobody asked for is done to another's stack."""
    await in_force(world)
    named = {"stack": "billing.tools", "generation": 1, "requestId": "never-asked", "synchronize": True}
    outcome = await resume(deployed(world), accepted_before(named), Deadline.within(600))
    assert world.sent() == []
    assert outcome.status is Status.REJECTED


async def test_a_forged_tick_asks_for_nothing(world):
    """A schedule's tick that a stranger puts on the bus has no stack synchronized or converged."""
    await in_force(world)
    asks: list[Any] = []

    async def ask(detail_type: str, detail: Mapping[str, Any]) -> None:
        asks.append((detail_type, detail))

    tick = {"detail-type": "Gateway Schedule", "id": "t", "account": "999999999999", "source": "com.example.stranger"}
    await notice(replace(deployed(world), ask=ask), {**tick, "detail": {}})
    assert asks == []


async def test_a_rollback_names_what_is_granted_now(world):
    """Going back to a document whose grants were taken away since reads no secret and passes no role of it."""
    first = {
        "stack": "payments.tools",
        "oauth2CredentialProviders": {"idp": provider()},
        "gateways": {"payments": gateway({"t": mcp_target()})},
    }
    full = deployed(world)
    assert (await fulfil(full, provision(first, "1", submitter=PAYMENTS), Deadline.within(600))).status is Status.READY
    await world.client().delete_oauth2_credential_provider(name="idp")
    world.sent()
    narrow = copy.deepcopy(FILE["grants"])
    del narrow["grants"][0]["mayName"]["secrets"]
    world.plane.world.failing["bad"] = Failure(-1, "it cannot be reached")
    second = {**first, "onFailure": "ROLLBACK", "gateways": {"payments": gateway({"bad": mcp_target()})}}
    del second["oauth2CredentialProviders"]
    await fulfil(deployed(world, narrow), provision(second, "2", submitter=PAYMENTS), Deadline.within(3600))
    assert not {call.operation for call in world.plane.journal.calls} & SECRET_CALLS
    assert "CreateOauth2CredentialProvider" not in world.sent()


async def test_a_refused_stranger_takes_nobody_s_answer(world):
    """The answer to a request is kept for its submitter, also where a stranger used the same id before."""
    context, document = deployed(world), {"stack": "payments.new"}
    stranger = Submitter(account="999999999999", source="com.example.stranger")
    for who in (stranger, PAYMENTS):
        await fulfil(context, provision(document, "release-42", submitter=who), Deadline.within(600))
    held = await world.ledger.get(answer_key("payments.new", "release-42"))
    assert held is not None
    assert (held["submitter"], held["outcome"]["status"]) == (PAYMENTS.shown(), "READY")


# What documents may hold: every member has its place in the tables.


def texts(kind: Kind) -> Iterator[tuple[str, str]]:
    """Yield the structure member that every text of a kind's declarations stands in, with a path to it."""

    def walk(shape: Shape, member: str, path: str, inside: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        if is_document(shape):
            return
        if isinstance(shape, StructureShape):
            for name, inner in shape.members.items() if shape.name not in inside else ():
                yield from walk(inner, name, f"{path}.{name}", (*inside, shape.name))
        elif isinstance(shape, ListShape):
            yield from walk(shape.member, member, f"{path}[]", inside)
        elif isinstance(shape, MapShape):
            yield from walk(shape.value, member, f"{path}.*", inside)
        elif shape.type_name not in ("integer", "long", "float", "double", "boolean") and not getattr(
            shape, "enum", None
        ):
            yield member, path

    for name, shape in kind.declarable.members.items():
        yield from walk(shape, name, f"{kind.section}.{name}", ())


@cache
def members() -> dict[str, set[str]]:
    """Return every member that holds text, with the sections that have it."""
    found: dict[str, set[str]] = {}
    for kind in KINDS:
        for member, _ in texts(kind):
            found.setdefault(member, set()).add(kind.section)
    return found


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.section)
def test_every_text_has_one_place_in_the_tables(kind):
    """A member that a new SDK brings stands in no table, and this says where it is."""
    tables = (set(NAMING), HARMLESS, SOMETIMES, kind.secrets)
    places = {path: sum(member in table for table in tables) for member, path in texts(kind)}
    assert {path: times for path, times in places.items() if times != 1} == {}


def test_no_table_holds_what_no_model_has():
    """What AWS took away, or nobody ever had, is taken out."""
    assert (set(NAMING) | HARMLESS | SOMETIMES) - set(members()) == set()


def test_every_category_of_the_tables_can_be_granted():
    """A member that names something of no category could never be allowed."""
    assert {category for category in NAMING.values() if category is not None} <= set(CATEGORIES)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.section)
def test_no_map_is_a_way_around_a_secret_member(kind):
    """Keys of maps are free: a secret reference under one that is named like a secret member is refused."""
    for member, path in texts(kind):
        assert not (path.endswith(".*") and member in kind.secrets)


# The names of stacks.

LETTERS = "pay.*x[]?+^$\\|(){}"
SEGMENTS = st.sampled_from(["payments", "payment", "paymentsx", "tools", "a", "*"])
NAMES = st.one_of(
    st.lists(
        st.sampled_from(["payments", "payment", "paymentsx", "Payments", "tools", "a", "", "*", "\n"]), max_size=4
    ),
    st.lists(st.text(max_size=4), max_size=4),
).map(".".join)


def meaning(pattern: str) -> re.Pattern[str]:
    """Return what a pattern means: whole segments; a last `*` is one or more of them."""
    *first, last = pattern.split(".")
    parts = [r"[^.]+" if part == "*" else re.escape(part) for part in first]
    parts.append(r"[^.]+(?:\.[^.]+)*" if last == "*" else re.escape(last))
    return re.compile(r"\.".join(parts), re.DOTALL)


@given(st.lists(SEGMENTS, min_size=1, max_size=4).map(".".join), NAMES)
def test_a_pattern_covers_its_segments_and_nothing_else(pattern, name):
    """Whole segments, each equal or `*`; a prefix of a segment, an empty one or a shorter name is another stack."""
    assert covers(pattern, name) == bool(meaning(pattern).fullmatch(name))


@given(st.text(LETTERS, max_size=12), st.text(LETTERS, min_size=1, max_size=12))
def test_only_a_star_is_special_in_a_pattern(pattern, text):
    """What means something to regular expressions means itself."""
    grant = {"submitters": [{"source": pattern}], "stacks": ["*"], "requests": ["plan"]}
    grants = Grants.model_validate({"version": 1, "grants": [grant]})
    fits = bool(grants.of(Submitter(account=ACCOUNT, source=text), "plan", PLACE).grants)
    assert fits == _matches(pattern, text)


def _matches(pattern: str, text: str) -> bool:
    """Tell whether a text is a pattern's, one letter at a time."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_matches(pattern[1:], text[n:]) for n in range(len(text) + 1))
    return bool(text) and text[0] == pattern[0] and _matches(pattern[1:], text[1:])


# The samples.

SAMPLES = [
    EVENTS / f"{name}"
    for name in (
        "provision-payments-stack.json",
        "plan-payments-stack.json",
        "synchronize-payments-stack.json",
        "remove-payments-stack.json",
        "every-kind.yaml",
        "every-kind-changed.yaml",
    )
]


def test_no_sample_is_forgotten():
    """A sample that is added is to be granted too; the broken one never is."""
    there = {path.name for path in EVENTS.iterdir() if ".schema." not in path.name} - {"sixteen-mistakes.yaml"}
    assert there == {path.name for path in SAMPLES}


def sample_request(path: Path, number: int = 0) -> Request:
    value = parse(path.read_text())
    if path.suffix == ".json":
        return read_event(value)
    return provision(value, f"{path.name}-{number}", submitter=PAYMENTS)


async def test_the_samples_pass_under_grants_that_name_what_they_name(world):
    """Every sample of events/ comes to the end that it has without grants."""
    context = deployed(world, FILE["samples"])
    for path in SAMPLES:
        outcome = await fulfil(context, sample_request(path), Deadline.within(3600))
        assert (path.name, outcome.problems) == (path.name, ())


def taken_away() -> list[Any]:
    """Return the samples' grants, each without one of the patterns."""
    made = []
    for category, patterns in FILE["samples"]["grants"][0]["mayName"].items():
        for pattern in patterns:
            less = copy.deepcopy(FILE["samples"])
            less["grants"][0]["mayName"][category].remove(pattern)
            made.append(pytest.param(less, id=f"{category} {pattern}"))
    return made


@pytest.mark.parametrize("less", taken_away())
async def test_the_samples_need_every_one_of_those_grants(world, less):
    """Without any one of them some sample is refused: what is granted is what is named."""
    context, numbers = deployed(world, less), count()
    requests = [sample_request(path, next(numbers)) for path in SAMPLES]
    plans = [one.model_copy(update={"dry_run": True}) for one in requests if one.mode is Mode.PROVISION]
    outcomes = [await fulfil(context, request, Deadline.within(3600)) for request in plans]
    assert Status.REJECTED in {outcome.status for outcome in outcomes}


# Grants that are malformed.

GRANT = {"submitters": [{"source": "a"}], "stacks": ["a.*"], "requests": ["provision"]}


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"submitters": []}, "submitters"),
        ({"submitters": [{}]}, "submitters.0"),
        ({"submitters": [{"account": ACCOUNT}]}, "submitters.0"),
        ({"submitters": [{"queue": "q"}]}, "submitters.0"),
        ({"submitters": [{"sender": "s"}]}, "submitters.0"),
        ({"submitters": [{"queue": "q", "sender": "s", "source": "a"}]}, "submitters.0"),
        ({"submitters": [{"queue": "q", "sender": "s", "account": ACCOUNT}]}, "submitters.0"),
        ({"submitters": [{"invocation": "anybody"}]}, "submitters.0.invocation"),
        ({"submitters": [{"invocation": "step-functions", "account": ACCOUNT}]}, "submitters.0"),
        ({"submitters": [{"source": "a", "extra": 1}]}, "submitters.0.extra"),
        ({"submitters": [{"source": 5}]}, "submitters.0.source"),
        ({"stacks": []}, "stacks"),
        ({"stacks": ["payments*"]}, "stacks.0"),
        ({"stacks": ["payments.**"]}, "stacks.0"),
        ({"stacks": [""]}, "stacks.0"),
        ({"stacks": ["a.*\n"]}, "stacks.0"),
        ({"stacks": ["a..b"]}, "stacks.0"),
        ({"requests": []}, "requests"),
        ({"requests": ["*"]}, "requests.0"),
        ({"mayName": {"role": ["*"]}}, ""),
        ({"mayName": {"roles": "*"}}, "mayName.roles"),
        ({"may_name": {"roles": ["*"]}}, "may_name"),
        ({"deny": []}, "deny"),
    ],
)
def test_a_malformed_grant_is_named(change, at):
    """A grant that is not understood is none: the deployment says where it is wrong, and does not start."""
    with pytest.raises(ValidationError) as caught:
        Grants.model_validate({"version": 1, "grants": [{**GRANT, **change}]})
    found = {".".join(str(part) for part in one["loc"][2:]) for one in caught.value.errors()}
    assert found == {at}


@pytest.mark.parametrize(
    "document", [{}, {"version": 1}, {"version": 2, "grants": []}, {"grants": []}, [], {"version": 1, "grants": {}}]
)
def test_what_is_no_grants_document_is_refused(document):
    """Another version, or none, grants nothing by accident."""
    with pytest.raises(ValidationError):
        Grants.model_validate(document)


def test_all_that_is_wrong_with_grants_is_said_at_once(monkeypatch, tmp_path):
    """One line with every mistake and its place stops the function when it starts."""
    bad = {**GRANT, "requests": ["dance"]}
    worse = {**GRANT, "stacks": ["payments*"], "submitters": [{}], "mayName": {"rôles": ["*"]}}
    (tmp_path / "grants.json").write_text(json.dumps({"version": 3, "grants": [GRANT, bad, worse], "more": 1}))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_REGION", REGION)
    environment = Environment(
        read_settings({"GATEWRIGHT_LEDGER": ":memory:", "GATEWRIGHT_GRANTS": f"{tmp_path}/grants.json"})
    )

    async def nothing(context: Context) -> None:
        del context

    with pytest.raises(SettingsError) as caught:
        environment.run(nothing)
    environment.close()
    places = ["version", "grants[1].requests[0]", "grants[2].submitters[0]", "grants[2].stacks[0]", "more"]
    assert [place for place in places if f"{place}: " not in str(caught.value)] == []


async def test_no_grants_allow_nothing(world):
    """Default deny."""
    await asked(
        deployed(world, {"version": 1, "grants": []}), {"detailType": "Gateway Stack Requested", "stack": FILE["base"]}
    )
    await assert_refused(world, "stack", "payments.tools")
