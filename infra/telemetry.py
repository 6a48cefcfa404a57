"""Logs: JSON lines with redaction first in the chain, bound to the run that they belong to."""

import logging
import sys
from typing import TextIO

import structlog

from infra.redaction import Redaction


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
