"""Structured logs: one event a line, with the request's id, whatever the fields hold.

JSON for machines, readable lines where LOG_FORMAT=console. Values are escaped by the renderer, so
that a newline in a field cannot forge a second line. No message text, no secret is ever passed in.
"""

import logging
import re
import sys
from typing import Any

import structlog

# Celery's line for each task taken and done says less than ours for each message settled.
QUIET = ("httpx2", "httpcore2", "openai", "asyncio", "celery.worker.strategy", "celery.app.trace")

SUSPICIONS = ("DisallowedHost", "RequestDataTooBig", "SuspiciousOperation", "TooManyFieldsSent")

_LINKS = re.compile(r"(/accounts/(?:first-administrator|confirm-email|password/reset/key)/)[^/\s]+")


def _hide_links(_logger: Any, _method: str, event: Any) -> Any:
    """A link that signs somebody in is a secret, and request paths are logged."""
    event["event"] = _LINKS.sub(r"\1…", str(event.get("event", "")))
    return event


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    _hide_links,
]


class _NotReadyIsNoFault(logging.Filter):
    """Whoever polls /health/ready reads the answer; a log line for each poll helps nobody."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "/health/ready" not in record.getMessage()


class _OneLine(logging.Filter):
    """What was refused as suspicious is told in a line: where in Django it was, helps nobody."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = None
        return True


def configure(config: dict[str, str]) -> None:
    """Django's LOGGING_CONFIG: structlog in front, the standard library's handlers behind."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(config["format"]))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(config["level"])
    for chatty in QUIET:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("django.request").addFilter(_NotReadyIsNoFault())
    for suspicion in SUSPICIONS:
        logging.getLogger(f"django.security.{suspicion}").addFilter(_OneLine())


def _formatter(kind: str) -> logging.Formatter:
    rendering: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if kind == "console":
        # Never the default traceback: it prints local variables, and keys are among them.
        plain = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        rendering.append(plain)
    else:
        rendering += [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    return structlog.stdlib.ProcessorFormatter(processors=rendering, foreign_pre_chain=_SHARED)
