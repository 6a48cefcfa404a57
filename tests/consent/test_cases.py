"""R15: whatever people do with a request for consent, and whenever, it ends in a defined state within a bound."""

import copy
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import anyio
import pytest

from infra.ledger.sqlite import SqliteLedger
from infra.sandbox.behaviour import Behaviour
from infra.sandbox.refusals import Refusal
from infra.sandbox.world import Failure
from tests.crash.test_single_faults import remove, synchronize
from tests.documents import mcp_target, oauth, small_stack
from tests.goals import tried
from tests.machine import run_through
from tests.slices import sliced
from tests.worlds import SandboxWorld, provision
from workflows.planner.outcome import Outcome, Status
from workflows.requests.request import Request

pytestmark = pytest.mark.sweep

#: Seconds for which the stack waits for a person, and within which every request has ended.
PATIENCE, BOUND = 3000.0, 9000.0
#: More turns of the state machine than waiting for so long takes.
MOST_TURNS = 300
TOUCHING = ("UpdateGatewayTarget", "DeleteGatewayTarget", "SynchronizeGatewayTargets")


def asking(**more: Any) -> dict[str, Any]:
    """Two targets, of which one needs somebody's consent."""
    document = {**small_stack(2), "consentTimeoutSeconds": int(PATIENCE), **more}
    target = document["gateways"]["payments"]["targets"]["target-0"]
    target["credentialProviderConfigurations"] = oauth(
        "AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/return"
    )
    return document


def changed() -> dict[str, Any]:
    document = copy.deepcopy(asking())
    document["gateways"]["payments"]["targets"]["target-0"]["description"] = "changed"
    return document


@dataclass
class People:
    """Those who consent: what they do when they are asked, and what came of it."""

    world: SandboxWorld
    #: What is done at each request for consent, in order; the last one also at all later ones.
    deeds: tuple[str, ...] = ("give",)
    #: Looks of the state machine before they act.
    after: int = 0
    met: list[str] = field(default_factory=list)
    refused: int = 0
    _looks: int = 0

    def __call__(self, outcome: Outcome) -> None:
        """Be shown an outcome, as the state machine's waiting turns are."""
        open_now = [session for session in self.sessions() if session not in self.met]
        self._looks += bool(open_now)
        if open_now and self._looks > self.after:
            self._looks = 0
            self.met.append(open_now[0])
            self.act(open_now[0])

    def act(self, session: str) -> None:
        deed = self.deeds[min(len(self.met), len(self.deeds)) - 1]
        consent = self.world.plane.targets.consent
        if deed.startswith("give"):
            consent.give(session)
        if deed == "give twice":
            with pytest.raises(Refusal, match="unknown or has expired"):
                consent.give(session)
            self.refused += 1
        if deed == "deny":
            consent.deny(session)

    def sessions(self) -> list[str]:
        """The sessions that are open now."""
        found = [record.extra.get("consent") for record in self.world.live.values()]
        return [one["session"] for one in found if one is not None and one["end"] > self.world.plane.world.now]


@dataclass(frozen=True)
class Case:
    """A request, what people do meanwhile, and how it may end."""

    name: str
    request: Request
    ends: set[Status]
    deeds: tuple[str, ...] = ("give",)
    after: int = 0
    #: What is done before, without looking at how it ends.
    before: Callable[[SandboxWorld], Awaitable[None]] | None = None


async def consented(world: SandboxWorld) -> None:
    assert (await run_through(world, provision(asking(), "first"), on_turn=People(world))).last.status is Status.READY


async def waiting(world: SandboxWorld) -> None:
    assert (await world.run(provision(asking(), "first"))).status is Status.AWAITING_CONSENT


async def given_up(world: SandboxWorld) -> None:
    """Ask for less time than a session lasts, so that it is still open when the request has failed."""
    short = provision({**asking(), "consentTimeoutSeconds": 300}, "first")
    outcome = (await run_through(world, short)).last
    assert {failure.code for failure in outcome.failures} == {"ConsentTimeout"}


async def failing(world: SandboxWorld) -> None:
    world.plane.world.failing["bad"] = Failure(-1, "The endpoint cannot be reached")


def rolling() -> dict[str, Any]:
    document = asking(onFailure="ROLLBACK")
    document["gateways"]["payments"]["targets"]["bad"] = mcp_target()
    return document


async def updating(world: SandboxWorld) -> None:
    await consented(world)
    await failing(world)


def updates_and_fails() -> dict[str, Any]:
    document = {**changed(), "onFailure": "ROLLBACK"}
    document["gateways"]["payments"]["targets"]["bad"] = mcp_target()
    return document


READY, FAILED, ROLLED_BACK, DELETED = Status.READY, Status.FAILED, Status.ROLLED_BACK, Status.DELETED
NEW, CHANGED, GO = provision(asking(), "one"), provision(changed(), "one"), remove(small_stack(2))
BACK, BACK_TOO = provision(rolling(), "one"), provision(updates_and_fails(), "one")
CASES = [
    Case("at once", NEW, {READY}),
    Case("late, when all else is done", NEW, {READY}, after=3),
    Case("after the request was given up", NEW, {READY}, before=given_up),
    Case("twice", NEW, {READY}, ("give twice",)),
    Case("denied each time", NEW, {FAILED}, ("deny",)),
    Case("denied, then given", NEW, {READY, FAILED}, ("deny", "give")),
    Case("expired once", NEW, {READY, FAILED}, ("nothing", "give")),
    Case("expired each time", NEW, {FAILED}, ("nothing",)),
    Case("asked for by an update, given", CHANGED, {READY}, before=consented),
    Case("asked for by an update, denied", CHANGED, {FAILED}, ("deny",), before=consented),
    Case("asked for by an update, expired", CHANGED, {FAILED}, ("nothing",), before=consented),
    Case("asked for by a synchronization, given", synchronize(), {READY}, before=consented),
    Case("asked for by a synchronization, denied", synchronize(), {FAILED}, ("deny",), before=consented),
    Case("asked for by a synchronization, expired", synchronize(), {FAILED}, ("nothing",), before=consented),
    Case("expired during a removal", GO, {DELETED}, ("nothing",), before=waiting),
    Case("given during a removal", GO, {DELETED}, before=waiting),
    Case("denied during a removal", GO, {DELETED}, ("deny",), before=waiting),
    Case("expired during a rollback", BACK, {ROLLED_BACK}, ("nothing",), before=failing),
    Case("given during a rollback", BACK, {ROLLED_BACK}, after=1, before=failing),
    Case("asked for by a rollback, given", BACK_TOO, {ROLLED_BACK}, before=updating),
    Case("asked for by a rollback, expired", BACK_TOO, {ROLLED_BACK, FAILED}, ("nothing",), before=updating),
]
#: Positions of what is not known of the service: hops, expires, denial fails.
POSITIONS = list(product((True, False), repeat=3))


def behaviour_of(position: tuple[bool, bool, bool]) -> Behaviour:
    hops, expires, fails = position
    return Behaviour(consent_hops=hops, consent_expires=expires, denial_fails=fails)


@pytest.mark.parametrize(
    ("case", "position"),
    sliced(product(CASES, POSITIONS), 4),
    ids=lambda one: one.name if isinstance(one, Case) else "".join("ny"[part] for part in one),
)
async def test_r15_consent_ends_in_a_defined_state(case, position, logs):
    """Told once for each URL, nothing sent to who waits, the URL in no log and no ledger, and an end in time."""
    with SandboxWorld(behaviour_of(position)) as world:
        if case.before is not None:
            await case.before(world)
        people = People(world, case.deeds, case.after)
        turns = await run_through(world, case.request, most=MOST_TURNS, on_turn=people)
        wrong = wrong_with(world, logs.getvalue())
        wrong += [] if turns.passed < BOUND else [f"{turns.passed:.0f} s"]
        # A session without an end is given up: what waits for it cannot be removed either.
        endless = not position[1] and ("nothing" in case.deeds or ("deny" in case.deeds and not position[2]))
        ends = case.ends | ({FAILED} if endless else set())
        wrong += [] if turns.last.status in ends else [f"ended {turns.last.status}"]
        causes = [failure.advice for failure in turns.last.failures if failure.message and failure.advice]
        wrong += ["no cause"] if turns.last.status is FAILED and not causes else []
        tried("R15", "consent given, denied or left, in every way and every position of the unknown", 1, wrong)
        assert wrong == []


def wrong_with(world: SandboxWorld, logged: str) -> list[str]:
    """Say what holds at no time."""
    told = [detail for kind, detail in world.announced if "Consent" in kind]
    asked = [one for detail in told for one in detail["consents"]]
    urls = Counter((detail["requestId"], one["authorizationUrl"]) for detail in told for one in detail["consents"])
    wrong = [f"told {n} times" for n in urls.values() if n > 1]
    wrong += ["told without a URL"] if any(not one["authorizationUrl"] for one in asked) else []
    refused = (call.operation for call in world.plane.journal.calls if call.refusal is not None)
    touched = Counter(name for name in refused if name in TOUCHING)
    # Whether a target that waits takes a deletion, or an update, is not known before it is tried: once for a request.
    most = {"DeleteGatewayTarget": 1, "UpdateGatewayTarget": 1}
    wrong += [f"{name} was refused {times} times" for name, times in touched.items() if times > most.get(name, 0)]
    assert isinstance(world.ledger, SqliteLedger)
    ledger = "\n".join(world.ledger.dump())
    for session in {one["authorizationUrl"].rpartition("%3A")[2] for one in asked}:
        wrong += [where for where, text in (("logged", logged), ("in the ledger", ledger)) if session in text]
    return wrong


@pytest.mark.parametrize("position", POSITIONS, ids=lambda one: "".join("ny"[part] for part in one))
async def test_r15_consent_in_the_middle_of_a_run(position, logs):
    """Given at the moment at which it is asked for, while the run is at work on the rest."""
    with SandboxWorld(behaviour_of(position)) as world:
        people = People(world)

        async def watch() -> None:
            while not people.met:
                await anyio.sleep(0.01)
                for session in people.sessions():
                    people.met.append(session)
                    people.act(session)

        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            turns = await run_through(world, provision(asking(), "one"), most=MOST_TURNS)
        wrong = wrong_with(world, logs.getvalue()) + ([] if turns.last.status is READY else [str(turns.last.status)])
        tried("R15", "consent given in the middle of a run", 1, wrong)
        assert wrong == []
