"""How the CPU of an apply grows with the number of resources: per resource, in one process on virtual time.

Each size is a world of its own, ledger and control plane included, so that the figures are of everything that a run
does. `make bench` prints them; the ratio is of the two larger sizes, whose start-up no longer counts.
"""

import logging
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import structlog

from handlers.cli_show import table
from tests.documents import gateway, mcp_target
from tests.worlds import SandboxWorld, provision, virtually
from workflows.planner.outcome import Status

GATEWAYS = 10
#: Targets in all. The first size warms up what a process does once.
SIZES = (20, 100, 1_000)
#: How much more CPU a resource of the largest size may take than one of the size before it.
AT_MOST = 1.3
#: Each size is measured this often, and the best counts: other processes on the machine only ever add to a figure.
ROUNDS = 3


def document(targets: int) -> dict[str, Any]:
    """Return a stack of gateways with targets that need nothing else."""
    each = {f"target-{number}": mcp_target() for number in range(targets // GATEWAYS)}
    plain = {
        name: {member: value for member, value in one.items() if member != "credentialProviderConfigurations"}
        for name, one in each.items()
    }
    return {"stack": "payments.tools", "gateways": {f"gateway-{number}": gateway(plain) for number in range(GATEWAYS)}}


async def applied(targets: int) -> tuple[float, float]:
    """Apply a stack, then apply it again; return the seconds of CPU that both took."""
    with SandboxWorld() as world:
        seconds = []
        for request_id in ("first", "again"):
            began = time.process_time()
            outcome = await world.run(provision(document(targets), request_id), seconds=100_000)
            seconds.append(time.process_time() - began)
            if outcome.status is not Status.READY:
                raise AssertionError(f"{targets} targets: {outcome.status}: {outcome.reason}")
    return seconds[0], seconds[1]


def best(rounds: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the least of the first figures and the least of the second ones."""
    return min(first for first, _ in rounds), min(again for _, again in rounds)


def main() -> int:
    """Measure every size and print one table; fail where the growth is more than it may be."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    found = {size: best([virtually(partial(applied, size)) for _ in range(ROUNDS)]) for size in SIZES}
    each = {targets: tuple(one / (targets + GATEWAYS) * 1000 for one in both) for targets, both in found.items()}
    rows = [
        (f"{targets}", f"{found[targets][0]:.1f}", f"{first:.1f}", f"{found[targets][1]:.2f}", f"{again:.2f}")
        for targets, (first, again) in each.items()
    ]
    table(("targets", "apply: s of CPU", "ms per resource", "again: s of CPU", "ms per resource"), rows)
    *_, smaller, largest = SIZES
    ratio = each[largest][0] / each[smaller][0]
    sys.stdout.write(f"a resource among {largest} takes {ratio:.2f} times that among {smaller}; at most {AT_MOST}\n")
    return 0 if ratio <= AT_MOST else 1


if __name__ == "__main__":
    sys.exit(main())
