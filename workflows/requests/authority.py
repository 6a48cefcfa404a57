"""Authorization: grants that the deployer owns, and a pure function that checks a request against the grants.

The submitter comes from the transport, never from a body. Anything without a grant is denied, and so is anything that
cannot be classified. IAM policies restrict the roles that the worker may pass and the data that the worker may read in
the same way, but IAM cannot distinguish teams.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from workflows.document.naming import CATEGORIES, Named, Place, named_by
from workflows.document.problems import Problem
from workflows.document.stack import Stack

Requested = Literal["provision", "plan", "remove", "synchronize"]
#: A stack name of which each segment is literal, or `*` for any.
_Stacks = Annotated[str, StringConstraints(pattern=r"^(\*|[A-Za-z0-9_-]+)(\.(\*|[A-Za-z0-9_-]+))*$")]
#: The rule of what no grant allows.
AUTHORITY = "authority"


@dataclass(frozen=True)
class Submitter:
    """The submitter of a request, identified by the transport: the bus, a queue, or an invocation of the worker."""

    account: str = ""
    source: str = ""
    queue: str = ""
    sender: str = ""
    invocation: str = ""

    def __str__(self) -> str:
        """Return the submitter as text for people."""
        return ", ".join(f"{name} {value}" for name, value in asdict(self).items() if value) or "an unknown submitter"

    def shown(self) -> dict[str, str]:
        """Return the submitter as JSON for the ledger."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def read(cls, value: Any) -> Self:
        """Read the JSON that `shown` returned; any other value gives an unknown submitter."""
        held = value if isinstance(value, Mapping) else {}
        return cls(**{name: str(held[name]) for name in cls.__dataclass_fields__ if name in held})


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class SubmitterPattern(_Part):
    """Who is meant: `account` and `source` of the bus, `queue` and `sender` of a queue, or `invocation`.

    `*` is any text.
    """

    account: str | None = Field(default=None, description="An account id; the worker's own where it is left out.")
    source: str | None = Field(default=None, description="The event's source, which the bus policy limits.")
    queue: str | None = Field(default=None, description="The ARN of a queue that requests are sent to directly.")
    sender: str | None = Field(default=None, description="The sender's id as SQS says it, such as AROA...:*")
    invocation: Literal["step-functions"] | None = Field(
        default=None, description="Whoever IAM lets invoke that function, state machines above all."
    )

    @model_validator(mode="after")
    def _one_transport(self) -> Self:
        bus, queue, invocation = self.source is not None, self.queue is not None, self.invocation is not None
        if bus + queue + invocation != 1 or (self.account and not bus) or (queue != (self.sender is not None)):
            raise ValueError("name a source (with an account), a queue with a sender, or an invocation")
        return self

    def fits(self, who: Submitter, place: Place) -> bool:
        """Return whether a submitter matches the pattern."""
        if self.invocation is not None:
            return who.invocation == self.invocation
        if self.queue is not None:
            return matches(self.queue, who.queue, place) and matches(self.sender or "", who.sender, place)
        account = self.account if self.account is not None else place.account
        return matches(account, who.account, place) and matches(self.source or "", who.source, place)


class Grant(_Part):
    """What some submitters may ask for.

    `*` in a pattern is any text, in `stacks` a whole segment or, at the end, the rest of them.
    """

    name: str = Field(default="", description="For people who read it.")
    submitters: list[SubmitterPattern] = Field(min_length=1)
    stacks: list[_Stacks] = Field(min_length=1, description="Names of stacks, such as payments.*")
    requests: list[Requested] = Field(min_length=1)
    may_name: dict[str, list[str]] = Field(
        default_factory=dict, alias="mayName", description="What documents may name, by category."
    )

    adopt_by_tag: bool = Field(
        default=True,
        alias="adoptByTag",
        description="Whether a resource that bears the stack's tag and that the ledger does not know is adopted "
        "without `adopt: true`.",
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        if strange := set(self.may_name) - set(CATEGORIES):
            raise ValueError(f"unknown: {', '.join(sorted(strange))}; known are {', '.join(CATEGORIES)}")
        return self


class Grants(_Part):
    """All grants of a deployment."""

    version: Literal[1]
    grants: list[Grant]

    def knows(self, who: Submitter, place: Place) -> bool:
        """Return whether any grant names a submitter."""
        return any(one.fits(who, place) for grant in self.grants for one in grant.submitters)

    def of(self, who: Submitter, requested: str, place: Place) -> "Allowed":
        """Return the grants of a submitter for a type of request."""
        fitting = [g for g in self.grants if requested in g.requests and any(s.fits(who, place) for s in g.submitters)]
        return Allowed(who, requested, place, tuple(fitting))

    def permitted(self, who: Submitter, stack: str, place: Place) -> dict[str, bool]:
        """Return for every type of request whether a grant lets a submitter make it for a stack."""
        return {requested: not self.of(who, requested, place).problems(stack) for requested in get_args(Requested)}


@dataclass(frozen=True)
class Allowed:
    """The grants that match a submitter and a type of request."""

    who: Submitter
    requested: str
    place: Place
    grants: tuple[Grant, ...]

    def of_stack(self, name: str) -> "Allowed":
        """Return the grants that cover a stack."""
        fitting = tuple(grant for grant in self.grants if any(covers(one, name) for one in grant.stacks))
        return Allowed(self.who, self.requested, self.place, fitting)

    def adopts_by_tag(self, stack: str) -> bool:
        """Return whether a grant of the stack allows the adoption of resources by their tag alone."""
        return any(grant.adopt_by_tag for grant in self.of_stack(stack).grants)

    def problems(self, stack: str) -> list[Problem]:
        """Return a problem if no grant allows this request for a stack; otherwise an empty list."""
        if self.of_stack(stack).grants:
            return []
        return [Problem("stack", AUTHORITY, f"no grant lets {self.who} {self.requested} this stack")]

    def unnamed(self, stack: Stack) -> Iterator[Problem]:
        """Yield a problem for every reference of a document that no grant of the stack allows."""
        allowed = self.of_stack(stack.name)
        for named in named_by(stack, self.place):
            yield from allowed.unless(named)

    def unless(self, named: Named) -> Iterator[Problem]:
        """Yield a problem unless a grant allows this reference."""
        if named.category is None:
            yield Problem(
                named.path,
                AUTHORITY,
                f"the resource that this refers to cannot be determined, so no grant can allow it: {named.why}",
            )
            return
        patterns = (pattern for grant in self.grants for pattern in grant.may_name.get(named.category, ()))
        if not any(self._fits(pattern, named) for pattern in patterns):
            yield Problem(named.path, AUTHORITY, f"no grant lets this stack refer to it, by category {named.category}")

    def _fits(self, pattern: str, named: Named) -> bool:
        full = self.place.secret(pattern) if named.category == "secrets" and pattern != "*" else pattern
        return matches(full, named.name, self.place)


def covers(pattern: str, name: str) -> bool:
    """Return whether a pattern covers a stack name: segment by segment; a final `*` covers 1 or more segments."""
    wanted, given = pattern.split("."), name.split(".")
    if not all(given):
        return False
    if wanted[-1] == "*" and len(given) >= len(wanted):
        wanted, given = wanted[:-1], given[: len(wanted) - 1]
    return len(wanted) == len(given) and all(w in ("*", g) for w, g in zip(wanted, given, strict=True))


def matches(pattern: str, text: str, place: Place) -> bool:
    """Return whether a text matches a pattern of a grant, in which `*` is any text; an empty text never matches."""
    return bool(text) and _compiled(place.filled(pattern)).fullmatch(text) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # Linear time: each part between two stars is matched at the first occurrence after the preceding part, in an atomic
    # group that is never reopened by backtracking; only the last part must match at the end of the text.
    first, *others = map(re.escape, pattern.split("*"))
    if not others:
        return re.compile(first, re.DOTALL)
    *middle, last = others
    return re.compile(first + "".join(f"(?>.*?{one})" for one in middle) + f".*{last}", re.DOTALL)


def check(allowed: Allowed, stack: Stack) -> list[Problem]:
    """Return all problems of a submitter with a document: the stack and every reference without a grant."""
    return [*allowed.problems(stack.name), *_sorted(allowed.unnamed(stack))]


def _sorted(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(set(problems))
