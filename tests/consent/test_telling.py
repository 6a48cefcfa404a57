"""Each authorization URL is told once, and the time to consent is counted from when it was first asked for."""

from workflows.deciding.outcome import Outcome, ResourceStatus, Result, Status
from workflows.requests.consent import Waiting

TARGET = "gateways.payments.targets.t"


def asking(url: str) -> Outcome:
    consent = {"resource": TARGET, "authorizationUrl": url}
    result = Result(TARGET, ResourceStatus.AWAITING_CONSENT, consent=consent)
    return Outcome("payments", Status.AWAITING_CONSENT, results=(result,))


def test_a_url_that_shows_again_was_told():
    """Two sessions by turns, as with two synchronizations at once: the second turn is no news."""
    told, news = Waiting(1), []
    for number, url in enumerate(["one", "two", "one", "two", "three"]):
        before = told.seeing(asking(url), float(number))
        told = before.telling(asking(url))
        news.append(told != before)
    assert news == [True, True, False, False, True]


def test_what_was_told_is_read_as_it_was_written():
    """Another process goes on with it; one of another generation asks anew."""
    told = Waiting(1).seeing(asking("one"), 5.0).telling(asking("one"))
    assert Waiting.read(told.item(), 1) == told
    assert Waiting.read(told.item(), 2) == Waiting(2)


def test_the_time_to_consent_is_that_of_the_first_asking():
    """A new URL, as after a session that ended, gives no new time; what became READY meanwhile begins anew."""
    waiting = Waiting(1).seeing(asking("one"), 0.0).seeing(asking("two"), 290.0)
    assert not waiting.overdue(TARGET, 300.0, 300.0)
    assert waiting.overdue(TARGET, 300.0, 301.0)
    ready = Outcome("payments", Status.READY, results=(Result(TARGET, ResourceStatus.READY),))
    assert not waiting.seeing(ready, 295.0).seeing(asking("three"), 296.0).overdue(TARGET, 300.0, 590.0)
