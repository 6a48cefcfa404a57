"""Each authorization URL is published once, and the time to consent is counted from when it was first asked for."""

import anyio
import pytest

from tests.documents import oauth, small_stack
from tests.goals import tried
from tests.worlds import provision
from workflows.planner.outcome import Status
from workflows.records.request_state import ConsentWait, Mode, RequestState

TARGET = "gateways.payments.targets.t"


def test_a_url_that_shows_again_was_published():
    """Two sessions by turns, as with two synchronizations at once: the second turn is no news."""
    wait, news = ConsentWait(), []
    for number, url in enumerate(["one", "two", "one", "two", "three"]):
        before = wait.asking([TARGET], [], float(number))
        wait = before.publishing({TARGET: url})
        news.append(wait != before)
    assert news == [True, True, False, False, True]


def test_a_wait_is_read_as_it_was_written():
    """Another process goes on with it."""
    wait = ConsentWait(rollback=True).asking([TARGET], [], 5.0).publishing({TARGET: "one"})
    state = RequestState("request", Mode.PROVISION, 3, consent=wait)
    assert RequestState.read("request", state.item()) == state


def test_what_others_published_is_no_news():
    """A URL that another synchronization published is not published again."""
    other = ConsentWait().asking([TARGET], [], 0.0).publishing({TARGET: "one"})
    mine = ConsentWait().knowing([other]).asking([TARGET], [], 1.0)
    assert mine.publishing({TARGET: "one"}) == mine


def test_the_time_to_consent_is_that_of_the_first_asking():
    """A new URL, as after a session that ended, gives no new time; what became READY meanwhile begins anew."""
    wait = ConsentWait().asking([TARGET], [], 0.0).asking([TARGET], [], 290.0)
    assert not wait.overdue(TARGET, 300.0, 300.0)
    assert wait.overdue(TARGET, 300.0, 301.0)
    assert not wait.asking([], [TARGET], 295.0).asking([TARGET], [], 296.0).overdue(TARGET, 300.0, 590.0)


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
async def test_requests_for_one_generation_wait_for_one_consent(world, order):
    """Whichever of them runs when: the URL is published once, and the time counts from the first asking."""
    world.behaviour.consent_expires = False
    document = {**small_stack(1), "consentTimeoutSeconds": 600}
    asks = oauth("AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/return")
    document["gateways"]["payments"]["targets"]["target-0"]["credentialProviderConfigurations"] = asks
    began = anyio.current_time()
    ends: dict[str, Status] = {}
    for _ in range(40):
        for request_id in order:
            if Status.FAILED not in ends.values():
                outcome = await world.run(provision(document, request_id, generation=1))
                ends[request_id] = outcome.status
        if Status.FAILED in ends.values():
            break
        await anyio.sleep(30)
    asked = [kind for kind, _ in world.announced].count("Gateway Stack Awaiting Consent")
    tried("R15", "two requests for one generation that wait for consent", 1, int(asked != 1))
    assert asked == 1
    assert anyio.current_time() - began < 700
