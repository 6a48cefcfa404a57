"""Logs: JSON lines with redaction first in the chain, bound to the run that they belong to."""

import logging
import sys
import traceback
from pathlib import PurePath
from typing import TextIO

import structlog

from infra.redaction import Redaction

#: The innermost frames of an error say most.
_MOST_FRAMES = 30


def frames(error: BaseException) -> list[str]:
    """Return where an error was raised, outermost first: file, line and function of each frame, and no value.

    Files are named from their package on, as they are the same wherever the program is installed.
    """
    found = traceback.extract_tb(error.__traceback__)
    return [f"{'/'.join(PurePath(one.filename).parts[-3:])}:{one.lineno} {one.name}" for one in found[-_MOST_FRAMES:]]


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
