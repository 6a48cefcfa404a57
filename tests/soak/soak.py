"""Lives one simulated life after the other: `make soak SECONDS=600 SEED=1`; `make soak LIVES=1 SEED=n` repeats one.

With `--real 5` so many lives of real processes that are killed with SIGKILL are lived, too, one after the other.
With `--sweeps` every sweep of the suite is then tried in full, of which other runs try a slice.

It prints what was met (faults, rows of the decision table, outcomes) and every violation with the command that
repeats it; it ends with 1 where there was any.
"""

import argparse
import io
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from infra.redaction import Redaction
from infra.telemetry import set_up_logs
from tests.secrets import secrets_in
from tests.soak import real
from tests.soak.nemesis import FAULTS
from tests.soak.rows import Row, rows, watching
from tests.soak.simulation import Life, live
from tests.worlds import OUTPUTS, virtually

ROOT = Path(__file__).parents[2]
#: Lives that a process lives before it is asked for their story.
_SHARE = 10
_EVERY = 10.0


@dataclass
class Sum:
    """What some lives came to."""

    lives: int = 0
    wrong: list[str] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    rows: set[Row] = field(default_factory=set)

    def add(self, other: "Sum") -> None:
        self.lives += other.lives
        self.wrong += other.wrong
        self.met += other.met
        self.statuses += other.statuses
        self.rows |= other.rows


def lived(seed: int) -> tuple[Life, list[str]]:
    """Live one life; return it with what its logs should not have held."""
    stream = io.StringIO()
    set_up_logs(Redaction(), level="DEBUG", stream=stream)
    life = virtually(partial(live, seed))
    found = [f"seed {seed}: a secret got into the logs: {one}" for one in secrets_in(stream.getvalue())]
    OUTPUTS.clear()  # what worlds put out was looked at with each life
    return life, found


def share(seeds: Iterable[int]) -> Sum:
    """Live some lives in this process."""
    made = Sum()
    with watching() as met:
        for seed in seeds:
            life, leaked = lived(seed)
            made.add(Sum(1, [*life.wrong, *leaked], life.met, life.statuses))
    made.rows = met
    return made


def soak(first: int, seconds: float, lives: int) -> Sum:
    """Live lives from a seed on, on every core, for so long or so many of them; show progress."""
    total, began, told = Sum(), time.monotonic(), time.monotonic()
    seed, last = first, first + lives if lives else None
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        waiting: set[Future[Sum]] = set()
        while True:
            while (
                len(waiting) < 2 * (os.cpu_count() or 1)
                and (last is None or seed < last)
                and time.monotonic() - began < seconds
            ):
                upto = min(seed + _SHARE, last or seed + _SHARE)
                waiting.add(pool.submit(share, range(seed, upto)))
                seed = upto
            if not waiting:
                return total
            done, waiting = wait(waiting, timeout=_EVERY, return_when=FIRST_COMPLETED)
            for one in done:
                total.add(one.result())
            if time.monotonic() - told > _EVERY:
                told = time.monotonic()
                print(f"{told - began:6.0f} s  {total.lives} lives, {len(total.wrong)} violations", flush=True)


def report(total: Sum) -> None:
    """Print what was met, and what was wrong."""
    table = rows()
    print(f"\n{total.lives} lives; outcomes: {dict(sorted(total.statuses.items()))}")
    unmet = [fault for fault in FAULTS if not total.met[fault]]
    print(f"fault kinds met: {len(FAULTS) - len(unmet)} of {len(FAULTS)}" + (f"; never: {unmet}" if unmet else ""))
    for fault in FAULTS:
        print(f"  {total.met[fault]:8}  {fault}")
    print(f"rows of the decision table met: {len(total.rows)} of {len(table)}")
    for row in sorted(set(table) - total.rows):
        print(f"  never  {table[row]}")
    print(f"\n{len(total.wrong)} violations")
    for one in total.wrong:
        seed = one.removeprefix("seed ").partition(":")[0]
        print(f"  {one[:2000]}\n    again: make soak LIVES=1 SEED={seed}")


def in_earnest(first: int, lives: int) -> list[str]:
    """Live lives of real processes; return what is wrong in the end."""
    set_up_logs(Redaction(), level="DEBUG", stream=io.StringIO())
    wrong = [one for seed in range(first, first + lives) for one in real.live(seed)]
    if lives:
        print(f"\n{lives} lives of real processes, {len(wrong)} violations")
    for one in wrong:
        print(f"  {one[:2000]}")
    return wrong


def sweep() -> int:
    """Try every case of every sweep, on every core; return pytest's exit code."""
    environment = {**os.environ, "WHOLE": "1"}
    del environment["PYTHONHASHSEED"]
    command = [sys.executable, "-m", "pytest", "-n", str(os.cpu_count()), "--dist", "worksteal", "-m", "sweep", "tests"]
    return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lives", type=int, default=0, help="so many lives, however long they take")
    parser.add_argument("--real", type=int, default=0, help="so many lives of real processes, too")
    parser.add_argument("--sweeps", action="store_true", help="try every sweep in full afterwards")
    options = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of sets is part of a life.
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)  # noqa: S606 - this very program
    total = soak(options.seed, float("inf") if options.lives else options.seconds, options.lives)
    report(total)
    total.wrong += in_earnest(options.seed, options.real)
    swept = sweep() if options.sweeps else 0
    return 1 if total.wrong or swept else 0


if __name__ == "__main__":
    sys.exit(main())
