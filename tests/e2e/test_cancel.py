"""Clients of a batch of texts disconnect: their work stops, and other texts do not change."""

import json
from contextlib import ExitStack
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.server import Server, running_server
from tests.fakes.text_model import RandomLstmModel, publish_text_model
from tests.waiting import wait_until

LENGTH, ENDLESS = 400, 10_000_000


def _request_body(seed: int, length: int) -> dict[str, object]:
    return {"prompt": "once", "max_chars": length, "seed": seed, "temperature": 1.5, "stream": True}


def _text(events: bytes) -> str:
    *message, last = events.decode().strip().split("\n\n")
    assert last == "data: [DONE]"
    return "".join(json.loads(event.removeprefix("data: "))["text"] for event in message)


def _metric(server: Server, name: str) -> float:
    text = server.request("GET", "/metrics").text
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    return sum(one.value for one in samples if one.name == name)


def test_cancelling_four_of_eight_texts_leaves_the_others_unchanged(tmp_path: Path) -> None:
    publish_text_model(tmp_path / "store", "babble", RandomLstmModel())
    with (
        running_server(tmp_path / "store", tmp_path / "log", max_text_chars=ENDLESS) as server,
        server.client() as client,
        ExitStack() as stack,
    ):
        alone = [
            _text(client.post("/v1/text", json=_request_body(seed, LENGTH)).content)
            for seed in range(4)
        ]
        # Without leaving, these would be written until their deadline.
        leaving = [
            stack.enter_context(
                client.stream("POST", "/v1/text", json=_request_body(seed, ENDLESS))
            )
            for seed in range(4, 8)
        ]
        staying = [
            stack.enter_context(client.stream("POST", "/v1/text", json=_request_body(seed, LENGTH)))
            for seed in range(4)
        ]
        for stream in leaving:
            next(stream.iter_bytes())
            stream.close()
        assert [_text(b"".join(stream.iter_bytes())) for stream in staying] == alone
        wait_until(lambda: _metric(server, "deepshelf_cancelled_total") == 4)
        wait_until(lambda: _metric(server, "deepshelf_queue_running") == 0)
        assert _metric(server, "deepshelf_text_written_characters_total") < ENDLESS
        assert "Traceback" not in server.read_log()
