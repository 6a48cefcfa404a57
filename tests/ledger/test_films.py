"""R22: what a worker of an earlier version, or of this one, left behind anywhere in its work is gone on with."""

from dataclasses import replace
from functools import partial

import pytest

from tests.crash.harness import History, Scenario, learn, run_until_settled, wrong_in_the_end
from tests.crash.test_single_faults import quick
from tests.goals import tried
from tests.ledger.films import GOLDEN, Film, made, prepare
from tests.ledger.films import films as of_today
from tests.slices import sliced
from tests.worlds import SandboxWorld, virtually
from workflows.records.items import SCHEMA

pytestmark = pytest.mark.sweep

FILMS = sorted(GOLDEN.glob("v*.jsonl"))


def scenario_of(film: Film) -> Scenario:
    """Return a film's path, without what did not move in it."""
    moving = replace(film, stuck="")

    async def before(world: SandboxWorld) -> None:
        prepare(world, moving)
        await film.play(world, film.prepared)

    return Scenario(film.name, before, film.request, quick, film.then)


async def gone_on_with(film: Film, scenario: Scenario, trace, until: int) -> list[str]:
    """Bring a world to where a film is stopped, and go on from there; return what is wrong in the end."""
    with quick() as world:
        prepare(world, film)
        await film.play(world, until)
        _let_go(world)
        outcome = await run_until_settled(world, History(), film.request)
        found = await wrong_in_the_end(world, scenario, trace, outcome)
        return [f"{film.name}, after {until} events: {one}" for one in found]


def _let_go(world: SandboxWorld) -> None:
    """Let what did not move go on."""
    stuck = world.plane.world.stuck
    for record in world.live.values():
        if record.name in stuck and record.next is None:
            record.plan(world.plane.world.now + 1.0, "READY")
    stuck.clear()


def wrong_of(film: Film) -> tuple[int, list[str]]:
    scenario = scenario_of(film)
    trace = virtually(partial(learn, scenario))
    stops = sliced(range(film.prepared, len(film.events) + 1), 4, film.name)
    return len(stops), [one for stop in stops for one in virtually(partial(gone_on_with, film, scenario, trace, stop))]


@pytest.mark.parametrize("path", FILMS, ids=lambda path: path.stem)
def test_r22_what_a_version_left_behind_is_gone_on_with(path):
    """Stopped after every call and every write: it ends as declared, nothing doubled, nothing sent twice."""
    cases, wrong = wrong_of(Film.read(path))
    tried("R22", "stored states of every path, after each call and each write", cases, wrong)
    assert wrong == []


def test_r22_every_path_of_the_form_in_force_is_stored():
    """A new form of the ledger's items comes with films of it; those of older forms stay."""
    missing = [one.name for one in of_today() if GOLDEN / f"v{SCHEMA}-{one.name}.jsonl" not in FILMS]
    tried("R22", "paths whose states are stored", len(of_today()), missing)
    assert missing == []


def test_r22_a_film_is_made_as_it_was():
    """The same code makes the same film."""
    one, other = (virtually(partial(made, of_today()[0])) for _ in range(2))
    tried("R22", "a film made twice")
    assert one.events == other.events
