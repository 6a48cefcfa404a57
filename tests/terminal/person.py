"""A command at a terminal: a pseudo-terminal of any width, at which a person answers what is asked."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
#: Seconds after which a command that neither asks nor ends is killed.
_MOST = 90.0


class Shown(NamedTuple):
    """What a terminal has shown, with its escape sequences, and the exit code of the command."""

    screen: str
    code: int


def at_a_terminal(
    arguments: Sequence[object],
    environment: Mapping[str, str],
    answers: Mapping[str, str] | None = None,
    *,
    columns: int = 100,
    lines: int = 50,
) -> Shown:
    """Run a command line at a terminal. `answers` are what a person types, by a text that the screen shows before."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    command = [sys.executable, "-m", "handlers.cli", *map(str, arguments)]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**environment, "TERM": "xterm-256color"}, stdin=follower, stdout=follower,
        stderr=follower, start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    try:
        screen = _read(leader, process, dict(answers or {}))
    finally:
        process.kill()
        os.close(leader)
    return Shown(screen, process.wait())


def _read(leader: int, process: "subprocess.Popen[bytes]", answers: dict[str, str]) -> str:
    screen, until = "", time.monotonic() + _MOST
    while time.monotonic() < until:
        ready, _, _ = select.select([leader], [], [], 0.1)
        if not ready:
            if process.poll() is not None:
                break
            continue
        try:
            octets = os.read(leader, 65536)
        except OSError:  # the other side is closed
            break
        if not octets:
            break
        screen += octets.decode("utf-8", "replace")
        for asked in [text for text in answers if text in screen]:
            os.write(leader, f"{answers.pop(asked)}\n".encode())
    process.wait(timeout=10)
    return screen.replace("\r\n", "\n")
