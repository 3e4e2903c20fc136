import io
import json
import logging
import logging.config
import sys
import threading

import pytest

from service.observability.logging_config import (
    BatchHandler,
    JsonFormatter,
    TextFormatter,
    log_config,
)
from tests.waiting import wait_until


def _record(message: str, **fields: object) -> logging.LogRecord:
    record = logging.LogRecord("service.x", logging.WARNING, "x.py", 1, message, (), None)
    record.fields = fields
    return record


def test_json_is_one_line_with_every_field() -> None:
    line = JsonFormatter().format(_record("two\nlines", model="paint", n=3))
    assert "\n" not in line
    event = json.loads(line)
    assert event.pop("time").endswith("+00:00")
    assert event == {
        "level": "warning", "logger": "service.x", "event": "two\nlines", "model": "paint", "n": 3,
    }  # fmt: skip


def test_text_format_quotes_values_with_spaces() -> None:
    line = TextFormatter().format(_record("request", a="x", b="two words", c='a"b', d="a\nb=c"))
    assert line.endswith(r'warning request a=x b="two words" c="a\"b" d="a\nb=c"')


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_a_traceback_is_part_of_the_event(formatter: logging.Formatter) -> None:
    record = _record("failed")
    try:
        int("why")
    except ValueError:
        record.exc_info = sys.exc_info()
    assert "ValueError: invalid literal" in formatter.format(record)


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_configuration_is_one_that_logging_accepts(form: str) -> None:
    assert form in {"text", "json"}
    config = log_config("warning", "json" if form == "json" else "text")
    configurator = logging.config.DictConfigurator(config)  # applied nowhere: tests share logging
    formatter = configurator.configure_formatter(config["formatters"]["event"])
    assert isinstance(formatter, JsonFormatter if form == "json" else TextFormatter)


class _CountingStream(io.StringIO):
    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


def _batch_handler() -> tuple[BatchHandler, _CountingStream]:
    handler, stream = BatchHandler(), _CountingStream()
    handler.stream = stream
    return handler, stream


def _emit(handler: BatchHandler, name: str, level: int, message: str) -> None:
    handler.handle(logging.LogRecord(name, level, "x.py", 1, message, (), None))


def test_events_of_requests_share_a_write() -> None:
    handler, stream = _batch_handler()
    for index in range(3):
        _emit(handler, "service.access", logging.INFO, f"request {index}")
    assert stream.getvalue() == ""
    wait_until(stream.getvalue)
    assert (stream.getvalue(), stream.writes) == ("request 0\nrequest 1\nrequest 2\n", 1)


@pytest.mark.parametrize(
    ("name", "level"),
    [("service.access", logging.WARNING), ("service.access", logging.ERROR), ("x", logging.INFO)],
)
def test_other_events_are_written_at_once_in_order(name: str, level: int) -> None:
    handler, stream = _batch_handler()
    _emit(handler, "service.access", logging.INFO, "request")
    _emit(handler, name, level, "event")
    assert stream.getvalue() == "request\nevent\n"


def test_events_are_written_where_no_thread_can_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    handler, stream = _batch_handler()
    _emit(handler, "service.access", logging.INFO, "request")
    assert stream.getvalue() == "request\n"


def test_a_stream_that_fails_does_not_fail_the_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handler, stream = _batch_handler()
    monkeypatch.setattr(stream, "write", lambda _: 1 / 0)
    _emit(handler, "x", logging.INFO, "event")
    assert "ZeroDivisionError" in capsys.readouterr().err
