"""R1, with real processes: a terminal that is killed in the middle, over sockets and a ledger in a file."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.sandbox.behaviour import Durations
from tests.commands import Commands
from tests.documents import small_stack
from tests.goals import tried
from tests.servers import Served, serving
from tests.slices import sliced
from tests.worlds import OUTPUTS

ROOT = Path(__file__).parents[2]
SLOW = Durations(provider=0.2, gateway=0.3, target=0.2, delete=0.1)


class Terminal:
    """Command lines over one ledger file, against one sandbox."""

    def __init__(self, server: Served, folder: Path, commands: Commands) -> None:
        self._commands = commands
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._environment = {**kept, "AWS_ENDPOINT_URL": server.url, "HOME": str(folder)}
        self._ledger = f"sqlite:{folder}/ledger"
        self._server = server
        self.document = folder / "stack.json"
        self.document.write_text(json.dumps(small_stack(2)))

    def _line(self, *arguments: object) -> list[str]:
        consent = ["--yes"] if arguments[0] in ("apply", "destroy") else []
        return [*map(str, arguments), *consent, "--ledger", self._ledger, "--json"]

    def start(self, *arguments: object) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "handlers.cli", *self._line(*arguments)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=pipe, stderr=pipe, text=True)

    def run(self, *arguments: object) -> dict:
        done = self._commands.run(self._line(*arguments), self._environment)
        OUTPUTS.extend([done.stdout, done.stderr])
        found: dict[str, object] = json.loads(done.stdout)
        return found

    def killed(self, calls: int) -> bool:
        """Apply, and kill the process once so many calls have arrived; False where it ended before."""
        process = self.start("apply", self.document)
        while len(self._server.plane.journal.calls) < calls and process.poll() is None:
            time.sleep(0.002)
        early = process.poll() is None
        process.kill()
        OUTPUTS.extend(process.communicate())
        return early


@pytest.mark.real_time
@pytest.mark.sweep
@pytest.mark.parametrize("calls", sliced([1, 3, 4, 5, 6, 8, 11, 13], 2))
def test_r1_a_killed_process_loses_nothing(tmp_path, commands, calls):
    """SIGKILL after so many calls; the same command goes on by itself, ends as declared, and rests."""
    with serving(SLOW) as server:
        terminal = Terminal(server, tmp_path, commands)
        killed = terminal.killed(calls)
        assert terminal.run("apply", terminal.document)["status"] == "READY"
        server.plane.journal.calls.clear()
        again = terminal.run("apply", terminal.document)
        sent, doubles = server.plane.journal.mutating(), server.plane.world.records.doubles
        tried("R1", "a real process, killed with SIGKILL after so many calls", violations=len(sent) + len(doubles))
        assert killed
        assert (again["status"], sent, doubles) == ("READY", [], [])
        live = server.plane.world.records.live
        assert [len(list(live(kind))) for kind in ("provider", "gateway", "target")] == [1, 1, 2]
