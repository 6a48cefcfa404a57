"""Logs: JSON lines with redaction first in the chain, bound to the run that they belong to."""

import logging
import sys
import traceback
from pathlib import PurePath
from typing import TextIO

import structlog

from infra.redaction import Redaction

#: The packages of this project.
_OWN = frozenset({"handlers", "workflows", "infra"})
#: The innermost frames of an error say most.
_MOST_FRAMES = 30


def frames(error: BaseException) -> list[str]:
    """Return where an error was raised, outermost first: file, line and function of each frame, and no value.

    Files are named from their package on, as they are the same wherever the program is installed.
    """
    found = traceback.extract_tb(error.__traceback__)
    return [f"{'/'.join(PurePath(one.filename).parts[-3:])}:{one.lineno} {one.name}" for one in found[-_MOST_FRAMES:]]


def told(error: BaseException) -> str:
    """Return what a log says of an error: its name, and its text where that is this project's own or the system's.

    The texts of other errors may quote a value, such as a key that is missing or a number that is none.
    """
    name, module = type(error).__name__, type(error).__module__.partition(".")[0]
    return f"{name}: {error}" if module in _OWN or isinstance(error, OSError) else name


def set_up_logs(redaction: Redaction, *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send structlog to a stream as JSON lines. Libraries' own logging stays at WARNING: theirs may hold bodies."""
    logging.getLogger().setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            redaction.processor,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(default=str, sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stdout),
        cache_logger_on_first_use=False,
    )
