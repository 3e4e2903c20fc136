"""Log lines: one event each, as JSON for machines or key=value for people."""

import json
import logging
from datetime import UTC, datetime
from typing import Any, Literal

from service.observability.parser_messages import BODY_PARSERS

__all__ = ["JsonFormatter", "TextFormatter", "log_config"]


class JsonFormatter(logging.Formatter):
    """Format `{"time", "level", "logger", "event", …}`, plus the members of `extra["fields"]`."""

    def format(self, record: logging.LogRecord) -> str:
        event = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            event["traceback"] = self.formatException(record.exc_info)
        return json.dumps(event, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """`time level event key=value …`."""

    def format(self, record: logging.LogRecord) -> str:
        parts = [_time(record), f"{record.levelname.lower():7}", record.getMessage()]
        parts += [f"{key}={_value(value)}" for key, value in _fields(record).items()]
        line = " ".join(parts)
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def log_config(level: str, log_format: Literal["text", "json"]) -> dict[str, Any]:
    """Return the configuration for `logging.config.dictConfig`, which each worker calls.

    Uvicorn's own access log is off: `service.access` has one event per request.
    """
    formatter = JsonFormatter if log_format == "json" else TextFormatter
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"event": {"()": f"{__name__}.{formatter.__name__}"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "event"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        "loggers": {
            "uvicorn.access": {"level": "CRITICAL", "propagate": False},
            # They log fields of the client's file, at debug level whole payloads.
            **{name: {"level": "CRITICAL"} for name in BODY_PARSERS},
        },
    }


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields = getattr(record, "fields", None)
    return fields if isinstance(fields, dict) else {}


def _value(value: object) -> str:
    """Quote a value that is not one word."""
    text = str(value)
    plain = text.isprintable() and not any(mark in text for mark in ' "=')
    return text if plain and text else json.dumps(text, ensure_ascii=False)
