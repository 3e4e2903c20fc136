"""The service in a separate process, over a real socket."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import Server, running_server
from tests.fakes.image_models import encode_png, solid_image
from tests.waiting import LIMIT_S

RED, GREEN = (encode_png(solid_image(60, 40, color)) for color in ((255, 0, 0), (0, 255, 0)))


@pytest.fixture(scope="module")
def server(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("log") / "service.log"
    with running_server(store, log, max_body_bytes=100_000, deadline_s=20) as server:
        yield server


def _label(response: httpx.Response) -> str:
    label = response.json()["results"][0]["predictions"][0]["label"]
    assert isinstance(label, str)
    return label


def test_images_are_classified_and_denoised(server: Server) -> None:
    with server.client() as client:
        assert _label(client.post("/v1/classify", content=RED)) == "red"
        assert _label(client.post("/v1/classify", files={"image": GREEN})) == "green"
        response = client.post("/v1/denoise", content=RED)
        assert response.headers["content-type"] == "image/png"
        assert "server" not in response.headers


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(
    "how", [["-F", "image=@{}"], ["--data-binary", "@{}"], ["-T", "{}", "-X", "POST"]]
)
def test_curl_as_people_type_it(server: Server, tmp_path: Path, how: list[str]) -> None:
    image = tmp_path / "green.png"
    image.write_bytes(GREEN)
    arguments = [part.format(image) for part in how]
    command = ["curl", "-s", "--fail", *arguments, f"{server.url}/v1/classify"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert json.loads(done.stdout)["results"][0]["predictions"][0]["label"] == "green"


def test_body_over_the_limit_gets_413_while_it_is_being_sent(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(
            b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        head = connection.recv(65536)
    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in head


def test_chunked_body_over_the_limit_is_rejected(server: Server) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield b"x" * 10_000

    response = server.request("POST", "/v1/classify", chunks())
    assert response.status_code == 413
    assert response.json()["limit"] == 100_000


def test_connection_is_usable_after_a_rejection(server: Server) -> None:
    with server.client() as client:
        assert client.post("/v1/classify", content=b"x" * 200_000).status_code == 413
        assert client.post("/v1/classify", content=b"hello").status_code == 415
        assert _label(client.post("/v1/classify", content=RED)) == "red"


def test_a_client_that_leaves_does_not_disturb_the_others(server: Server) -> None:
    for _ in range(5):
        with server.connect() as connection:
            head = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n"
            connection.sendall(head)
    assert _label(server.request("POST", "/v1/classify", RED)) == "red"
    assert "Traceback" not in server.read_log()


def test_every_log_line_is_json_and_none_holds_a_payload(server: Server) -> None:
    server.request("POST", "/v1/classify", b"attack at dawn")
    events = [json.loads(line) for line in server.read_log().splitlines()]
    assert any(event.get("route") == "/v1/classify" for event in events)
    assert "attack at dawn" not in server.read_log()
    assert any("/v1/classify" in event["event"] and "curl" in event["event"] for event in events)


def test_several_workers_serve_and_all_exit_at_sigterm(store: Path, tmp_path: Path) -> None:
    with running_server(store, tmp_path / "log", workers=2, worker_count=2) as server:
        for _ in range(6):
            assert server.request("GET", "/livez").status_code == 200
        server.terminate()
        assert server.process.wait(LIMIT_S) == 0
    assert server.read_log().count("Finished server process") == 2
    assert "DEEPSHELF_WORKER_COUNT" in server.read_log()  # a misspelt setting is warned of


def test_a_bad_setting_is_one_line_on_stderr_and_exit_2(store: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError) as raised,
        running_server(store, tmp_path / "log", port="http"),
    ):
        pass
    assert "error: DEEPSHELF_PORT: 'http' is not a whole number" in str(raised.value)
    assert "Traceback" not in str(raised.value)
