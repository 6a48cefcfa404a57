"""Mutation tests: applies one mutant after the other to a copy of the project, and has the tests kill it.

`make mutants` tries all of them and writes their table in `docs/continuity.md`; `make mutants ONLY=NAME` tries one, or
an area, and writes its rows. The same tests are run on an unchanged copy first, where they must be green, so that red
means the fault.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.mutants.catalog import chosen
from tests.mutants.mutant import Mutant
from tests.mutants.page import PAGE, written

ROOT = Path(__file__).parents[2]
CORES = os.cpu_count() or 1
PYTEST = ("-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider")
#: Seconds after which a trial is given up: what hangs shows nothing.
_LONGEST = 600.0
#: Prints where a module comes from: the project is installed too, and the copy must be what is tried.
_PROBE = "import importlib, sys; print(importlib.import_module(sys.argv[1]).__file__)"
_FAILED = re.compile(r"^FAILED (?P<test>.+?)(?: - (?P<why>.*))?$", re.MULTILINE)
#: How a test speaks that kills a mutant, or the project's own errors; anything else that it raises means that the
#: code cannot be run at all.
_NOTICED = re.compile(
    r"AssertionError|assert |Failed: |this test's report would have held a secret|(infra|workflows|handlers)\.[\w.]+: "
)
_NOT_COLLECTED = re.compile(r"^ERROR (?!.*::)", re.MULTILINE)


@dataclass(frozen=True)
class Found:
    """What became of a mutant: the test that killed it, or why it survived."""

    mutant: Mutant
    killed_by: str
    wrong: str
    seconds: float

    def __str__(self) -> str:
        result = f"SURVIVED: {self.wrong}" if self.wrong else self.killed_by or "equivalent"
        return f"{self.mutant.name:28} {self.seconds:4.0f} s  {result}"


def copied(to: Path) -> Path:
    """Copy the files that git tracks, as they stand, and return where they are."""
    git = shutil.which("git") or "git"
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


def python(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this interpreter in a copy, with the copy first on the path."""
    env = {**os.environ, "PYTHONPATH": str(root), "COLUMNS": "500"}  # reasons are shown as long as a line is
    command = [sys.executable, *arguments]
    try:
        return subprocess.run(command, cwd=root, env=env, check=False, capture_output=True, text=True, timeout=_LONGEST)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, -1, "", f"no end within {_LONGEST:.0f} s")


def not_its_own(root: Path, file: str) -> str:
    """Say what is wrong where a copy's file is not the one that is imported from it."""
    done = python(root, "-c", _PROBE, file.removesuffix(".py").replace("/", "."))
    expected = str((root / file).resolve())
    return "" if done.stdout.strip() == expected else f"{file} is not imported: {done.stdout}{done.stderr}"


def unchanged(root: Path, mutants: list[Mutant]) -> str:
    """Run the tests of all mutants on an unchanged copy; return what is wrong."""
    tests = dict.fromkeys(test for mutant in mutants for test in mutant.tests)
    wrong = "".join(not_its_own(root, file) for file in dict.fromkeys(mutant.file for mutant in mutants))
    if wrong:
        return wrong
    with ThreadPoolExecutor(CORES) as pool:
        parts = [part for part in (list(tests)[n::CORES] for n in range(CORES)) if part]
        runs = list(pool.map(lambda part: python(root, *PYTEST, *part), parts))
    return "\n".join(run.stdout + run.stderr for run in runs if run.returncode)


def judge(done: subprocess.CompletedProcess[str]) -> str:
    """Say why a run of tests does not show that they kill the mutant; empty where it does."""
    if done.returncode == 0:
        return "every test is green"
    failed = list(_FAILED.finditer(done.stdout))
    if done.returncode != 1 or not failed:
        return f"pytest ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    broken = [one[0] for one in failed if not _NOTICED.match(one["why"] or "")]
    if broken or _NOT_COLLECTED.search(done.stdout):
        return f"the code does not run: {broken or done.stdout[-2000:]}"
    return ""


def trial(prepared: Path, mutant: Mutant) -> Found:
    """Apply a mutant to a copy of its own, and run its tests there until one kills it."""
    if mutant.equivalent:
        return Found(mutant, "", "", 0.0)
    with tempfile.TemporaryDirectory(prefix=f"mutant-{mutant.name}-") as made:
        # With what is compiled: only the changed file is compiled anew.
        root = shutil.copytree(prepared, Path(made).resolve() / "copy")
        mutant.apply(root)
        began = time.monotonic()
        done = python(root, *PYTEST, "-x", *mutant.tests)
        seconds = time.monotonic() - began
    failed = _FAILED.search(done.stdout)
    return Found(mutant, failed["test"].partition("[")[0] if failed else "", judge(done), seconds)


def trials(prepared: Path, mutants: list[Mutant]) -> Iterator[Found]:
    """Try mutants side by side, as many as there are cores, and yield what became of each."""
    with ThreadPoolExecutor(CORES) as pool:
        yield from pool.map(partial(trial, prepared), mutants)


def main() -> int:
    """Try the mutants named on the command line, or all, and write what became of them into the page's table."""
    mutants, began, found = list(chosen(sys.argv[1:])), time.monotonic(), []
    print(f"{len(mutants)} mutants; their tests on an unchanged copy first", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="mutants-") as made:
        prepared = copied(Path(made).resolve())
        wrong = unchanged(prepared, mutants)
        if wrong:
            print(f"Not green on an unchanged copy, so nothing can be said:\n{wrong}", file=sys.stderr)
            return 1
        for one in trials(prepared, mutants):
            print(one, flush=True)
            found.append(one)
    survived = [one for one in found if one.wrong]
    equivalent = sum(bool(one.mutant.equivalent) for one in found)
    killed = len(found) - len(survived) - equivalent
    print(f"\n{killed} of {len(found)} killed, {equivalent} equivalent, in {time.monotonic() - began:.0f} s")
    results = {one.mutant.name: "" if one.wrong else one.killed_by for one in found}
    PAGE.write_text(written(PAGE.read_text("utf-8"), results), "utf-8")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
