"""JSON log lines without personal data, for our own events and everyone else's. Knows no retail words."""

import re
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# Fields that could carry a person or a secret: their values never reach a log line.
WITHHELD = {
    *("address", "body", "customer", "email", "name", "phone"),
    *("authorization", "cookie", "key", "password", "secret", "signature", "token"),
}
# One line per task and ring would drown the rest.
TALKATIVE = ("axes", "celery.app.trace", "celery.beat", "celery.worker.strategy")
# PostgreSQL repeats the offending row here.
DETAIL = re.compile(r"^\s*(DETAIL|CONTEXT):.*$", re.MULTILINE)


def withhold(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Replace what a log must not hold."""
    for field in WITHHELD & event.keys():
        event[field] = "[withheld]"
    if isinstance(event.get("exception"), str):
        event["exception"] = DETAIL.sub("DETAIL: [withheld]", event["exception"])
    return event


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        withhold,
    ]


def configuration(level: str) -> dict[str, Any]:
    """Django's LOGGING; also configures structlog. JSON escapes control characters."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": _shared(),
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "propagate": True},  # it would mail and print on its own
            **{name: {"level": "WARNING"} for name in TALKATIVE},
        },
    }
