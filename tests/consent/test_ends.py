"""The eight ways in which AWS may treat a target that waits for consent: each ends as the table says, and in time."""

from collections import Counter
from datetime import datetime

import anyio
import pytest

from infra.sandbox.refusals import Refusal
from tests.consent.ends import AGAIN, AT_ONCE, ENDS, GIVEN_UP, LATER, RENEWED, RESHAPED, Ends, Way
from tests.consent.test_cases import asking
from tests.crash.test_single_faults import remove
from tests.documents import small_stack
from tests.goals import tried
from tests.machine import run_through
from tests.worlds import SandboxWorld, provision
from workflows.planner.outcome import Outcome, ResourceStatus, Status

TARGET = "gateways.payments.targets.target-0"
#: Seconds within which every request has ended: the timeout for consent, and what a run takes.
BOUND = 6000.0


@pytest.fixture(params=list(ENDS.items()), ids=lambda one: str(one[0]) if isinstance(one, tuple) else "")
def case(request):
    way, ends = request.param
    with SandboxWorld(way.behaviour) as world:
        yield world, way, ends


def urls_of(world: SandboxWorld) -> list[str]:
    """The authorization URLs that people were told, in order."""
    told = [detail for kind, detail in world.announced if "Consent" in kind]
    return list(dict.fromkeys(one["authorizationUrl"] for detail in told for one in detail["consents"]))


async def test_r15_a_provision_that_nobody_consents_to_ends_as_the_table_says(case):
    world, way, ends = case
    turns = await run_through(world, provision({**asking(), "consentTimeoutSeconds": 4000}, "one"), most=300)
    calls = Counter(world.plane.journal.mutating())
    found = provision_end(turns.last, urls_of(world), calls)
    wrong = [f"{way}: {found}"] if found != ends.provision or turns.passed > BOUND else []
    tried("R15", "targets that nobody consents to, in each of the eight ways of the service", 1, wrong)
    assert found == ends.provision
    assert turns.passed < BOUND


def provision_end(outcome: Outcome, urls: list[str], calls: Counter[str]) -> str:
    (failure,) = outcome.failures
    assert failure.resource == TARGET
    if failure.code == "ConsentTimeout":
        assert len(urls) - 1 == calls["UpdateGatewayTarget"] or len(urls) == 1
        return RENEWED if len(urls) == 4 else GIVEN_UP if len(urls) == 1 else f"{len(urls)} URLs"
    assert calls["CreateGatewayTarget"] == 4, "the other target is created once"
    return AGAIN if len(urls) == 3 else f"{failure.code} after {len(urls)} URLs"


async def test_r15_a_removal_of_a_pending_target_ends_as_the_table_says(case):
    world, way, ends = case
    assert (await world.run(provision(asking(), "first"))).status is Status.AWAITING_CONSENT
    world.sent()
    began = anyio.current_time()
    turns = await run_through(world, remove(small_stack(2)), most=300)
    calls = Counter(call.operation for call in world.plane.journal.calls if call.mutating and call.refusal is None)
    found = removal_end(turns.last, calls, anyio.current_time() - began)
    wrong = [f"{way}: {found}"] if found != ends.removal or turns.passed > BOUND else []
    tried("R15", "removals of targets that nobody consents to, in each of the eight ways of the service", 1, wrong)
    assert found == ends.removal
    assert turns.passed < BOUND
    assert (world.live == {}) is (turns.last.status is Status.DELETED)


def removal_end(outcome: Outcome, calls: Counter[str], seconds: float) -> str:
    if outcome.status is Status.DELETED:
        if calls["UpdateGatewayTarget"]:
            assert calls["UpdateGatewayTarget"] == 1
            assert seconds < 60
            return RESHAPED
        return AT_ONCE if seconds < 60 else LATER
    (failure,) = outcome.failures
    assert failure.resource == TARGET
    assert ResourceStatus.IN_PROGRESS not in {result.status for result in outcome.results}
    return f"FAILED {failure.code} ({failure.actor})"


async def test_a_fresh_url_is_good(case):
    """Consent that somebody gives with the last URL ends READY, where the service still gives URLs."""
    world, way, _ = case
    request = provision({**asking(), "consentTimeoutSeconds": 4000}, "one")

    def people(outcome: Outcome) -> None:
        sessions = [url.rpartition("%3A")[2] for url in urls_of(world)]
        if len(sessions) < 2:
            return
        for session in sessions[:-1]:
            with pytest.raises(Refusal):
                world.plane.targets.consent.give(session)
        if outcome.status is Status.AWAITING_CONSENT and not given:
            given.append(sessions[-1])
            world.plane.targets.consent.give(sessions[-1])

    given: list[str] = []
    turns = await run_through(world, request, most=300, on_turn=people)
    assert (turns.last.status is Status.READY) is (way.updates or way.fails)


async def test_the_url_says_until_when_it_is_good(world):
    """`expiresAt` is ten minutes after the target began to wait, in UTC."""
    outcome = await world.run(provision(asking(), "first"))
    (consent,) = outcome.shown()["consents"]
    record = world.plane.world.records.named("target", "target-0", world.live["gateway payments"].id)
    expected = world.plane.world.records.time(record.since).timestamp() + 600
    assert abs(_seconds(consent["expiresAt"]) - expected) <= 2


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


async def test_an_openapi_target_that_needs_no_consent_is_ready(world):
    """Seen in live runs: such a target goes straight to READY, and so does the request."""
    world.behaviour.openapi_consents = False
    document = asking()
    target = document["gateways"]["payments"]["targets"]["target-0"]
    target["targetConfiguration"] = {"mcp": {"openApiSchema": {"inlinePayload": "{}"}}}
    assert (await world.apply(document)).status is Status.READY
    world.sent()
    assert (await world.apply(document)).status is Status.READY
    assert world.sent() == []


def test_the_table_names_every_way():
    assert len(ENDS) == 8
    assert all(isinstance(way, Way) and isinstance(ends, Ends) for way, ends in ENDS.items())
