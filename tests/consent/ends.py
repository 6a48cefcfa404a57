"""How a target that nobody consents to ends, in each of the eight ways in which AWS may behave; docs/consent.md."""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.sandbox.behaviour import Behaviour


@dataclass(frozen=True)
class Ends:
    """The ends of a provision and of a removal: status, the failure's code, and what was done meanwhile."""

    provision: str
    removal: str


@dataclass(frozen=True)
class Way:
    """One behavior of the service: after the session has expired, and for changes while consent is pending."""

    fails: bool
    updates: bool
    deletions: bool

    @property
    def behaviour(self) -> Behaviour:
        """The sandbox's switches for it."""
        return Behaviour(
            consent_expires=self.fails,
            pending_takes_updates=self.updates,
            pending_takes_deletions=self.deletions,
        )

    def __str__(self) -> str:
        expiry = "fails" if self.fails else "stays pending"
        return f"{expiry}, updates {_taken(self.updates)}, deletions {_taken(self.deletions)}"


def _taken(taken: bool) -> str:  # noqa: FBT001 - a word for a cell of the table
    return "accepted" if taken else "refused"


RENEWED = "FAILED ConsentTimeout, after three renewed URLs"
GIVEN_UP = "FAILED ConsentTimeout, with the first URL"
AGAIN = "FAILED, after three creations, each with a URL of its own"
AT_ONCE = "DELETED at once"
RESHAPED = "DELETED after one update to a form without AUTHORIZATION_CODE"
LATER = "DELETED once the session has expired"
STUCK = "FAILED ConsentStuck (AWS)"

ENDS: Mapping[Way, Ends] = {
    Way(fails=False, updates=True, deletions=True): Ends(RENEWED, AT_ONCE),
    Way(fails=False, updates=True, deletions=False): Ends(RENEWED, RESHAPED),
    Way(fails=False, updates=False, deletions=True): Ends(GIVEN_UP, AT_ONCE),
    Way(fails=False, updates=False, deletions=False): Ends(GIVEN_UP, STUCK),
    Way(fails=True, updates=True, deletions=True): Ends(AGAIN, AT_ONCE),
    Way(fails=True, updates=True, deletions=False): Ends(AGAIN, RESHAPED),
    Way(fails=True, updates=False, deletions=True): Ends(AGAIN, AT_ONCE),
    Way(fails=True, updates=False, deletions=False): Ends(AGAIN, LATER),
}
