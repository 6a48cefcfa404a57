"""Runs the quick tests in a shuffled order, again and again: `make flakes RUNS=50`. Ends with 1 when any run is red.

Quick are those on virtual time that do not try many cases each: no marker `real_time`, no marker `sweep`.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.goals import PAGE, Claim, Run, claimed, write

_ROW = ("R26", "shuffled runs of the quick tests")


def run(seed: int) -> list[str]:
    """Run the quick tests in the order of a seed; return what was red."""
    shuffled = ["--random-order", f"--random-order-seed={seed}"]
    quick = ["-m", "not real_time and not sweep", "-n", "auto", "-p", "no:cacheprovider", "--tb=no", "-rfE"]
    command = [sys.executable, "-m", "pytest", *shuffled, *quick, "tests"]
    environment = {name: value for name, value in os.environ.items() if name != "RECORD"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    red = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return red or ([] if done.returncode == 0 else [done.stdout[-500:] + done.stderr[-500:]])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    red = 0
    for seed in range(options.seed, options.seed + options.runs):
        found = run(seed)
        red += bool(found)
        print(f"seed {seed}: {'green' if not found else 'RED'}", *found, sep="\n  ", flush=True)
    print(f"{options.runs} runs, {red} red")
    if os.environ.get("RECORD"):
        write({**claimed(PAGE.read_text("utf-8")), _ROW: Claim().of(Run.LONG, options.runs, red)})
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main())
