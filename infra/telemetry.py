"""Logs: JSON lines, redacted before they are rendered, with the context of their run."""

import logging
import sys
import traceback
from pathlib import PurePath
from typing import TextIO

import structlog

from infra.redaction import Redaction

#: The packages of this project.
_OWN = frozenset({"handlers", "workflows", "infra"})
#: The innermost frames are the most useful.
_MOST_FRAMES = 30


def frames(error: BaseException) -> list[str]:
    """Return the location of an error, outermost frame first: file, line and function of each frame, and no values.

    File names start at the package, so that they are the same for every installation.
    """
    found = traceback.extract_tb(error.__traceback__)
    return [f"{'/'.join(PurePath(one.filename).parts[-3:])}:{one.lineno} {one.name}" for one in found[-_MOST_FRAMES:]]


def told(error: BaseException) -> str:
    """Return a description of an error for logs: the name, and the text of errors of this project or the system.

    The text of any other error may quote a value, such as a missing key or an invalid number.
    """
    name, module = type(error).__name__, type(error).__module__.partition(".")[0]
    return f"{name}: {error}" if module in _OWN or isinstance(error, OSError) else name


def set_up_logs(redaction: Redaction, *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send structlog output to a stream as JSON lines. Libraries log at WARNING only: they may log request bodies."""
    logging.getLogger().setLevel(logging.WARNING)
    for library in ("botocore.credentials", "aiobotocore.credentials"):
        # These log a traceback of each failed renewal, which is raised too.
        logging.getLogger(library).setLevel(logging.CRITICAL)
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
