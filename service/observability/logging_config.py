"""Log lines: one event each, as JSON for machines or key=value for people, written in batches."""

import json
import logging
import re
import threading
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from service.observability.parser_messages import BODY_PARSERS

_BATCH_S = 0.1
"""Longest time that the event of a request waits for others to be written with it."""
_BATCHED_LOGGER = "service.access"

_PLAIN_WORD = re.compile('[^ "=]+')


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


class BatchHandler(logging.StreamHandler[TextIO]):
    """Writes the events of successful requests to stderr in batches, all others at once.

    A write for every request would have the event loop give up the GIL each time,
    which takes a tenth of the throughput of small models.
    """

    def __init__(self) -> None:
        super().__init__()
        self._batch: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Add the event to the batch. Called with the handler's lock held."""
        self._batch.append(record)
        if record.name != _BATCHED_LOGGER or record.levelno >= logging.WARNING:
            self.flush()
        elif len(self._batch) == 1:
            try:
                threading.Timer(_BATCH_S, self.flush).start()
            except RuntimeError:  # no thread can be started: none is left, or Python is ending
                self.flush()

    def flush(self) -> None:
        """Write the batch."""
        self.acquire()
        try:
            batch, self._batch = self._batch, []
            if batch:
                self.stream.write("".join(f"{self.format(record)}\n" for record in batch))
            super().flush()
        except Exception:  # noqa: BLE001  # logging must not fail what it reports on
            for record in batch[-1:]:
                self.handleError(record)
        finally:
            self.release()


def log_config(level: str, log_format: Literal["text", "json"]) -> dict[str, Any]:
    """Return the configuration for `logging.config.dictConfig`, which each worker calls.

    Uvicorn's own access log is off: `service.access` has one event per request.
    """
    formatter = JsonFormatter if log_format == "json" else TextFormatter
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"event": {"()": f"{__name__}.{formatter.__name__}"}},
        "handlers": {"stderr": {"()": f"{__name__}.{BatchHandler.__name__}", "formatter": "event"}},
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
    if _PLAIN_WORD.fullmatch(text) and text.isprintable():
        return text
    return json.dumps(text, ensure_ascii=False)
