"""Grants: the samples pass under what they name, and what is no grant is refused."""

import copy
import json
import time
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from handlers.environment import Environment
from handlers.messages import read_event
from infra.deadline import Deadline
from infra.documents import parse
from infra.settings import SettingsError, read_settings
from tests.authority.desk import (
    ACCOUNT,
    EVENTS,
    FILE,
    PAYMENTS,
    asked,
    assert_refused,
    deployed,
)
from tests.worlds import REGION, provision
from workflows.document.naming import Place
from workflows.planner.outcome import Status
from workflows.records.request_state import Mode
from workflows.requests.authority import Grants, Submitter, matches
from workflows.requests.context import Context
from workflows.requests.request import Request
from workflows.service import handle

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
        outcome = await handle(context, sample_request(path), Deadline.within(3600))
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


@pytest.mark.sweep
@pytest.mark.parametrize("less", taken_away())
async def test_the_samples_need_every_one_of_those_grants(world, less):
    """Without any one of them some sample is refused: what is granted is what is named."""
    context, numbers = deployed(world, less), count()
    requests = [sample_request(path, next(numbers)) for path in SAMPLES]
    plans = [one.model_copy(update={"dry_run": True}) for one in requests if one.mode is Mode.PROVISION]
    outcomes = [await handle(context, request, Deadline.within(3600)) for request in plans]
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


@pytest.mark.parametrize("pattern", ["a*x*y", "*a*a*a*a*b", "a*", "*", "a*b", "ab", "*b*", "a**b"])
def test_patterns_mean_what_they_say_and_take_no_time(pattern):
    """Each star is any text; many of them over a long text are no more work than one."""
    texts = ["a", "ab", "axy", "axxyy", "aXbXb", "bab", "a" * 50 + "b", "abx", "xaxaxaxaxb"]
    place = Place("123456789012", "us-east-1")
    assert [matches(pattern, text, place) for text in texts] == [fnmatchcase(text, pattern) for text in texts]
    began = time.process_time()
    matches(pattern, "a" + "x" * 200_000, place)
    assert time.process_time() - began < 1.0


def test_what_a_submitter_may_request_of_a_stack_is_told_for_every_type():
    grant = {"submitters": [{"source": "a.b"}], "stacks": ["payments.*"], "requests": ["provision", "plan"]}
    grants = Grants.model_validate({"version": 1, "grants": [grant]})
    who, place = Submitter(source="a.b", account="123456789012"), Place("123456789012", "us-east-1", "aws")
    told = grants.permitted(who, "payments.tools", place)
    assert {one for one, allowed in told.items() if allowed} == {"provision", "plan"}
    assert not any(grants.permitted(who, "billing", place).values())
