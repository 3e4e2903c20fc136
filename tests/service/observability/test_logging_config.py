import json
import logging
import logging.config
import sys

import pytest

from service.observability.logging_config import JsonFormatter, TextFormatter, log_config


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
