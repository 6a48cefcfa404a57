"""The goals of continuity: what is promised, what the suite tried of each, and the table of it in the docs.

A test says what it tried with `tried`. At the end of a whole run the sums must be at least what the table in
`docs/continuity.md` claims of such a run, with no violation. There are two: every run of the suite tries a slice of
each sweep, the soak tries all of it; `make record` and `make soak RECORD=1` write their columns of the table anew.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sized
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.recorder import is_whole, of_all_tests, output_of
from tests.slices import WHOLE

PAGE = Path(__file__).parents[1] / "docs" / "continuity.md"
_BEGIN, _END = "<!-- made by `make record` and `make soak RECORD=1` -->", "<!-- end -->"
_HEADS = (
    "goal", "what holds", "what was tried", "cases in every run, at least", "in a long run, at least", "violations",
)  # fmt: skip

#: Every goal by its number, and what holds.
GOALS: Mapping[str, str] = {
    "R0": "The sandbox says and takes what the service model says, and behaves as documented and observed",
    "R1": "Killed anywhere, a request still ends as declared: nothing doubled, nothing forgotten, nothing sent twice",
    "R2": "A call whose answer is lost takes effect once",
    "R3": "A converged stack is left alone: applied again, nothing is sent",
    "R4": "The same event many times is one event",
    "R5": "Whatever the order and the delays of generations, the newest wins, and no older one changes anything later",
    "R6": "However many workers take one stack, one changes it",
    "R7": "A stuck, poisoned or throttled stack delays no other",
    "R8": "Of a batch exactly what failed comes again",
    "R9": "No change is begun that the function's time may not see ended; ended at any moment, nothing is lost",
    "R10": "Waiting is not paid for: a creation of half an hour is billed for seconds",
    "R11": "Throttling is ridden out, by one retry layer, within its budget",
    "R12": "Every error of every operation means something",
    "R13": "A rollback survives what a request survives, and touches only what is the stack's own",
    "R14": "Nothing waits for ever: what does not move ends in a named state, with its cause",
    "R15": "Consent that comes late, twice, not at all or is refused ends in a defined state",
    "R16": "Clocks may be wrong: they decide when something is tried, never whether something exists twice",
    "R17": "What others change or delete is seen and repaired",
    "R18": "Reads that lag or waver double nothing and delete nothing",
    "R19": "No secret reaches a log, an exception, a metric, an event, the ledger, a dead letter or a report",
    "R20": "Whatever arrives is taken or refused with a reason, within bounded time and memory",
    "R22": "Ledgers of earlier versions, and of this one, are read and gone on with",
    "R23": "The same question has the same plan",
    "R25": "Large stacks fit into what a queue, a table, an event and a state machine take",
    "R26": "No test passes by luck",
    "R28": "Everything at once, at random, for as long as one cares to look",
}
#: Goals that other programs than a run of the suite try; their rows stay as those wrote them.
ELSEWHERE = frozenset({"R26"})

Row = tuple[str, str]


class Run(IntEnum):
    """The runs that the page claims something of."""

    EVERY = 0
    LONG = 1


class Claim(NamedTuple):
    """What the page says of a row: cases in either run, and violations in both."""

    cases: tuple[int, int] = (0, 0)
    violations: int = 0

    def of(self, run: Run, cases: int, violations: int) -> "Claim":
        """Return the claim with what a run of a sort showed."""
        every, long = self.cases
        return Claim((cases, long) if run is Run.EVERY else (every, cases), violations)


#: By goal and what was tried: cases, violations.
TRIED: dict[Row, list[int]] = {}


def tried(goal: str, what: str, cases: int = 1, violations: int | Sized = 0) -> None:
    """Note that a goal was tried; call it before the assertion, so that violations are counted too."""
    assert goal in GOALS, goal
    row = TRIED.setdefault((goal, what), [0, 0])
    row[0] += cases
    row[1] += violations if isinstance(violations, int) else len(violations)


def rounded(cases: int) -> int:
    """Return a count to two figures, downwards, so that the page does not change with every call saved."""
    unit: int = 10 ** max(0, len(str(cases)) - 2)
    return cases // unit * unit


def claimed(text: str) -> dict[Row, Claim]:
    """Return the rows of the page by goal and what was tried."""
    table = text.partition(_BEGIN)[2].partition(_END)[0]
    cells = [
        [cell.strip().replace(",", "") if place > 2 else cell.strip() for place, cell in enumerate(line.split("|")[1:])]
        for line in table.splitlines()
        if "|" in line
    ]
    return {(one[0], one[2]): Claim((int(one[3]), int(one[4])), int(one[5])) for one in cells[2:]}


def table(rows: Mapping[Row, Claim]) -> str:
    """Return the page's table, goal by goal; what holds is said once of each."""
    order, said = list(GOALS), ""
    lines = [_HEADS, ("---",) * len(_HEADS)]
    for (goal, what), claim in sorted(rows.items(), key=lambda row: (order.index(row[0][0]), row[0][1])):
        numbers = [f"{number:,}" for number in (*claim.cases, claim.violations)]
        lines.append((goal, GOALS[goal] if goal != said else "", what, *numbers))
        said = goal
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(rows: Mapping[Row, Claim]) -> None:
    """Write the page's table anew; what no run tries any more is left out."""
    before, _, rest = PAGE.read_text("utf-8").partition(_BEGIN)
    made = table({row: claim for row, claim in rows.items() if any(claim.cases)})
    PAGE.write_text(f"{before}{_BEGIN}\n\n{made}\n\n{_END}{rest.partition(_END)[2]}", "utf-8")


def renewed(page: Mapping[Row, Claim], run: Run, rows: Mapping[Row, tuple[int, int]]) -> dict[Row, Claim]:
    """Return the page's claims with what a run showed, and without what it did not show."""
    made = {row: claim if row[0] in ELSEWHERE else claim.of(run, 0, 0) for row, claim in page.items()}
    shown = {row: made.get(row, Claim()).of(run, rounded(cases), wrong) for row, (cases, wrong) in rows.items()}
    return {**made, **shown}


def differences(rows: Mapping[Row, tuple[int, int]], page: Mapping[Row, Claim], run: Run) -> Iterator[str]:
    """Say where the page claims of a run what it did not show, or is silent about what it did."""
    claims = {row: claim for row, claim in page.items() if claim.cases[run]}
    for goal in GOALS:
        if goal not in {named for named, _ in page}:
            yield f"{goal}: the page has no row of it"
    for (goal, what), claim in claims.items():
        if goal in ELSEWHERE:
            continue
        found = rows.get((goal, what))
        if found is None:
            yield f"{goal}: not tried: {what}"
        elif found[0] < claim.cases[run]:
            yield f"{goal}: {what}: {found[0]} cases where the page says {claim.cases[run]}"
        elif found[1] or claim.violations:
            yield f"{goal}: {what}: {found[1]} violations"
    yield from (f"{goal}: the page does not say: {what}" for goal, what in rows if (goal, what) not in claims)


def judged(config: pytest.Config) -> Run | None:
    """Return what sort of run this is; None where it is of a part, of which the page claims nothing."""
    if WHOLE:
        return Run.LONG if of_all_tests(config) and config.option.markexpr == "sweep" else None
    return Run.EVERY if is_whole(config) else None


class Goals:
    """Gathers what the workers of pytest-xdist tried, and judges the page when the whole suite has run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._run = judged(config)
        self.wrong: list[str] = []

    def pytest_testnodedown(self, node: Any) -> None:
        for goal, what, cases, violations in json.loads(getattr(node, "workeroutput", {}).get("tried", "[]")):
            tried(goal, what, cases, violations)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if (output := output_of(self._config)) is not None:
            output["tried"] = json.dumps([[*row, *sums] for row, sums in TRIED.items()])
            return
        if self._run is None or session.testsfailed or session.config.option.collectonly:
            return
        page = claimed(PAGE.read_text("utf-8"))
        shown = {row: (cases, violations) for row, (cases, violations) in TRIED.items()}
        if os.environ.get("RECORD"):
            write(renewed(page, self._run, shown))
            return
        self.wrong = list(differences(shown, page, self._run))
        if self.wrong:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if TRIED and not hasattr(self._config, "workerinput"):
            cases, violations = (sum(row[place] for row in TRIED.values()) for place in (0, 1))
            goals = len({goal for goal, _ in TRIED})
            terminalreporter.write_line(f"continuity: {goals} goals, {cases:,} cases, {violations} violations")
        if self.wrong:
            terminalreporter.section("docs/continuity.md is not what this run showed; see make record")
            terminalreporter.write("\n".join(self.wrong) + "\n")
