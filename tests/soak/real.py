"""Lives of real processes: command lines over sockets and a ledger in a file, killed with SIGKILL at random moments."""

import json
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any, cast

from infra.sandbox.behaviour import Durations
from tests.commands import Commands
from tests.crash.test_killed import Terminal
from tests.documents import mcp_target, small_stack
from tests.everything.states import state
from tests.servers import Served, serving
from tests.soak.simulation import differences
from tests.worlds import OUTPUTS, SandboxWorld, virtually

#: Everything takes long enough for a process to die meanwhile.
_SHORT = Durations(provider=0.2, gateway=0.3, target=0.2, synchronize=0.2, delete=0.2)
#: Seconds after which a process is killed: it begins within the first of them.
_MOMENTS = (0.3, 2.5)


def live(seed: int) -> list[str]:
    """Live one life of commands that are killed; return what is wrong in the end."""
    commands = Commands()
    try:
        with tempfile.TemporaryDirectory() as folder, serving(_SHORT) as server:
            terminal = Terminal(server, Path(folder), commands)
            wrong = _lived(Random(seed), server, terminal)
    finally:
        commands.close()
    return [f"real life {seed}: {one}" for one in wrong]


def _lived(random: Random, server: Served, terminal: Terminal) -> list[str]:
    for _ in range(random.randint(3, 5)):
        terminal.document.write_text(json.dumps(_document(random)))
        _killed(random, terminal, random.choice(("apply", "apply", "apply", "destroy")))
    last = _document(random)
    terminal.document.write_text(json.dumps(last))
    return [*_judged(server, terminal, last), *_removed(server, terminal)]


def _document(random: Random) -> dict[str, Any]:
    """Return a document of two targets, each declared in one of several forms."""
    made = small_stack(2)
    targets = made["gateways"]["payments"]["targets"]
    for target in targets.values():
        endpoint = f"https://{random.choice('abc')}.example.com/mcp"
        target["targetConfiguration"] = mcp_target(endpoint)["targetConfiguration"]
    made["gateways"]["payments"]["description"] = f"as of {random.randint(1, 3)}"
    return made


def _killed(random: Random, terminal: Terminal, command: str) -> None:
    """Begin a command, and kill it at some moment unless it has ended by then."""
    process = terminal.start(command, terminal.document)
    time.sleep(random.uniform(*_MOMENTS))
    process.kill()
    OUTPUTS.extend(process.communicate())


def _judged(server: Served, terminal: Terminal, document: dict[str, Any]) -> list[str]:
    """Have the last document applied, twice, and say what is not as it declares."""
    records, journal = server.plane.world.records, server.plane.journal
    wrong = [f"doubled: {one}" for one in records.doubles]
    if (ended := terminal.run("apply", terminal.document))["status"] != "READY":
        wrong.append(f"the last apply ended {ended['status']}: {ended['failures']}")
    there, wanted = state(cast("SandboxWorld", server)), virtually(lambda: _alone(document))
    for name in sorted({*there, *wanted}):
        found = differences(there.get(name), wanted.get(name), name)
        wrong += [f"{path} is {is_now} and should be {should_be}" for path, is_now, should_be in found]
    journal.calls.clear()
    terminal.run("apply", terminal.document)
    return [*wrong, *(f"a further run sent {one}" for one in journal.mutating())]


def _removed(server: Served, terminal: Terminal) -> list[str]:
    """Have the stack removed, twice, and say what is left."""
    wrong = []
    for _ in range(2):
        if (ended := terminal.run("destroy", terminal.document))["status"] != "DELETED":
            wrong.append(f"the removal ended {ended['status']}: {ended['failures']}")
        wrong += [f"{name} is left after the removal" for name in state(cast("SandboxWorld", server))]
    return wrong


async def _alone(document: dict[str, Any]) -> dict[str, Any]:
    """Return what the document makes of an empty account."""
    with SandboxWorld() as world:
        await world.apply(document, "alone")
        return state(world)
