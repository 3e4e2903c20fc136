"""Versions change under load: new ones serve, old ones stop, bad ones never serve."""

import shutil
import threading
from pathlib import Path

from tests.e2e.server import Server, running_server
from tests.fakes.image_models import (
    MeanColorClassifier,
    encode_png,
    publish_image_model,
    solid_image,
)
from tests.waiting import wait_until

RED = encode_png(solid_image(60, 40, (255, 0, 0)))


class _Client(threading.Thread):
    """Sends requests until it is stopped, and keeps the responses."""

    def __init__(self, server: Server, stop: threading.Event) -> None:
        super().__init__()
        self._server, self._stopping = server, stop
        self.responses: list[tuple[int, int, str]] = []

    def run(self) -> None:
        with self._server.client() as client:
            while not self._stopping.is_set():
                response = client.post("/v1/classify", content=RED)
                body = response.json()
                label = body["results"][0]["predictions"][0]["label"] if "results" in body else ""
                self.responses.append((response.status_code, body.get("version", 0), label))


def _states(server: Server) -> dict[int, str]:
    (model,) = server.request("GET", "/v1/models").json()["models"]
    return {one["version"]: one["state"] for one in model["versions"]}


def _until(states: dict[int, str], server: Server) -> None:
    wait_until(lambda: _states(server) == states, lambda: _states(server))


def test_versions_change_under_load_and_a_bad_one_is_never_served(tmp_path: Path) -> None:
    store, stop = tmp_path / "store", threading.Event()
    publish_image_model(store, "paint", MeanColorClassifier())
    with running_server(store, tmp_path / "log", store_poll_interval_s=0.05) as server:
        clients = [_Client(server, stop) for _ in range(3)]
        for client in clients:
            client.start()
        try:
            for version in (2, 3, 4):
                publish_image_model(store, "paint", MeanColorClassifier(sharpness=10.0 + version))
                _until({version - 1: "ready", version: "ready"}, server)
                shutil.rmtree(store / "paint" / str(version - 1))
                _until({version: "ready"}, server)
            bad = tmp_path / "bad"
            shutil.copytree(store / "paint" / "4", bad)
            manifest = (bad / "manifest.json").read_text()
            (bad / "manifest.json").write_text(manifest.replace('"version": 4', '"version": 5'))
            (bad / "model.onnx").write_bytes((bad / "model.onnx").read_bytes()[:-9])
            bad.rename(store / "paint" / "5")
            _until({4: "ready", 5: "failed"}, server)
            assert server.request("POST", "/v1/classify", RED).json()["version"] == 4
        finally:
            stop.set()
            for client in clients:
                client.join()
        assert "Traceback" not in server.read_log()
    for client in clients:
        versions = [version for _, version, _ in client.responses]
        assert versions == sorted(versions)
        assert {(status, label) for status, _, label in client.responses} == {(200, "red")}
