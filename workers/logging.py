"""Log lines: one JSON object a line, one canonical line a job, and only fields that are on the list."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import MutableMapping
from typing import Any

import billiard.util
import structlog
from celery.exceptions import CPendingDeprecationWarning

# Whatever is not named here does not reach the log: no names, no tax numbers, no amounts, no keys, no documents.
FIELDS = frozenset({
    "alone", "attempt", "backend", "bad", "breaker", "bytes", "chunk_id", "code", "condemned", "delay_s", "duplicate",
    "error_type", "event", "good", "job_id", "jobs", "lane", "level", "logger", "losses", "messages", "outputs", "pid",
    "pruned", "reason", "receipt", "rules", "stage_ms", "template", "template_version", "timestamp", "together",
})  # fmt: skip

Logger = structlog.typing.FilteringBoundLogger


def keep_listed_fields(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop every field that is not on the list (structlog processor); names with an underscore are structlog's own."""
    return {name: value for name, value in event.items() if name in FIELDS or name.startswith("_")}


def configure_logging(level: int = logging.INFO) -> None:
    """Send our log lines, and those of Celery and other libraries, to standard error as JSON."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        keep_listed_fields,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries speak of messages and connections in detail below this level.
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    # Said at each reconnection by Celery, of a setting that is set on purpose.
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
    # The process pool keeps its logger to itself.
    billiard.util.get_logger().propagate = True


def pool_logger() -> Logger:
    """Return the logger of the pool's events."""
    logger: Logger = structlog.get_logger()
    return logger
