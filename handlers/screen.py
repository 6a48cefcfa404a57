"""Lines for people: wrapped by words at a terminal's width, coloured there, and never cut.

Where the output is no terminal, a line stays one line, so that `grep` finds it.
"""

import os
import re
import shutil
import sys
import textwrap
from typing import TextIO

#: Select Graphic Rendition codes of the colours that are used.
_CODES = {"green": "32", "red": "31", "yellow": "33", "magenta": "35", "cyan": "36", "dim": "2", "bold": "1"}
#: Control characters. No text of a document or of the service may control the terminal.
_COMMANDS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
#: The narrowest width to wrap at; a narrower terminal wraps by itself.
_NARROWEST = 30


def plain(text: str) -> str:
    """Return a text with its control characters escaped, and what is no character."""
    printable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _COMMANDS.sub(lambda found: f"\\x{ord(found[0]):02x}", printable)


def width(file: TextIO | None = None) -> int | None:
    """Return the columns of the terminal; None where the output is no terminal."""
    file = file or sys.stdout
    return max(_NARROWEST, shutil.get_terminal_size().columns) if file.isatty() else None


def colored(text: str, style: str, file: TextIO | None = None) -> str:
    """Return a text in a colour, where the output is a terminal that NO_COLOR does not forbid to colour."""
    file = file or sys.stdout
    code = _CODES.get(style)
    if code is None or not text or not file.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def write(text: str = "", *, indent: int = 0, style: str = "", file: TextIO | None = None) -> None:
    """Print a line, indented; what is wrapped is indented two columns further."""
    file = file or sys.stdout
    text, columns = plain(text), width(file)
    lines = [" " * indent + text]
    if columns is not None and len(lines[0]) > columns:
        lines = textwrap.wrap(
            text, columns, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2),
            break_long_words=False, break_on_hyphens=False, drop_whitespace=True,
        ) or [""]  # fmt: skip
    for line in lines:
        print(colored(line, style, file), file=file)
