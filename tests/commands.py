"""Command lines, each in a process of its own that begins where its imports are done and the models are read.

These are most of what a short command takes. A process does them once for all commands of a worker of the tests,
and is forked for each; it has one thread, so that it can be.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import NoReturn

import yaml

from handlers import cli
from workflows.document.reading import read_stack

ROOT = Path(__file__).parents[1]
_SAMPLE = ROOT / "events" / "every-kind.yaml"
#: Seconds after which a command is ended.
_MOST = 120


class Commands:
    """Runs command lines until it is closed."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.commands"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)

    def run(self, arguments: list[str], environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
        """Run one command in an environment, and return what it wrote and how it ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.NamedTemporaryFile("r") as out, tempfile.NamedTemporaryFile("r") as err:
            self._process.stdin.write(json.dumps([arguments, environment, [out.name, err.name]]) + "\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            return subprocess.CompletedProcess(arguments, code, out.read(), err.read())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def _become(arguments: list[str], environment: dict[str, str], files: list[str]) -> NoReturn:
    """Be the command, in a process that was forked for it."""
    signal.alarm(_MOST)
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_WRONLY), number)
    try:
        code = cli.main(arguments)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Run the commands that are asked for, one a line, and answer with their exit codes."""
    read_stack(yaml.safe_load(_SAMPLE.read_text("utf-8")))
    for line in sys.stdin:
        if (child := os.fork()) == 0:
            _become(*json.loads(line))
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
