"""The service on a Ray cluster of several nodes, each of its own processes; one is killed.

Skipped without Ray, which is large: `pip install -e '.[ray]'`, then `pytest -s` shows the figures.
"""

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.settings import Settings
from tests.e2e.server import free_port
from tests.fakes.image_models import (
    BoxBlurDenoiser,
    MeanColorClassifier,
    encode_png,
    publish_image_model,
    solid_image,
)
from tests.fakes.text_model import VOCABULARY, AlphabetModel, publish_text_model
from tests.waiting import LIMIT_S, wait_until

ray = pytest.importorskip("ray")
# Ray's own: sockets left open, names that are going away.
pytestmark = pytest.mark.filterwarnings("ignore")

RED = encode_png(solid_image(60, 40, (255, 0, 0)))
CHARS = 2000
TEXT = (VOCABULARY * CHARS)[VOCABULARY.index("b") :][:CHARS]


@dataclass(frozen=True)
class _Nodes:
    url: str
    cluster: Any
    workers: list[Any]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Nodes]:
    from ray import serve
    from ray.cluster_utils import Cluster

    from service.ray_serve.application import APP_NAME, build_application

    store = tmp_path_factory.mktemp("store")
    publish_image_model(store, "paint", MeanColorClassifier())
    publish_image_model(store, "blur", BoxBlurDenoiser(reach=1))
    publish_text_model(store, "alphabet", AlphabetModel())
    root = str(Path(__file__).parents[2])
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 3})
    workers = [cluster.add_node(num_cpus=3) for _ in range(2)]
    ray.init(cluster.address, runtime_env={"env_vars": {"PYTHONPATH": root}}, log_to_driver=False)
    port = free_port()
    # All nodes are this machine, where only one proxy can have the port.
    serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
    settings = Settings(store=store, threads=4, deadline_s=120)
    serve.run(build_application(settings, replicas=(2, 3), ingresses=2, cpus=0.5), name=APP_NAME)
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: httpx.get(f"{url}/readyz", timeout=LIMIT_S).is_success)
    try:
        yield _Nodes(url, cluster, workers)
    finally:
        serve.shutdown()
        ray.shutdown()
        cluster.shutdown()


def _write(client: httpx.Client) -> str:
    """Return the streamed text."""
    request = {"prompt": "a", "max_chars": CHARS, "seed": 1, "temperature": 0, "stream": True}
    text = ""
    with client.stream("POST", "/v1/text", json=request) as response:
        assert response.status_code == 200, response.read()
        for line in response.iter_lines():
            assert line != "event: error", text
            if line.startswith("data: {"):
                text += json.loads(line.removeprefix("data: "))["text"]
    return text


def test_every_task_has_the_same_responses_as_one_process(nodes: _Nodes) -> None:
    with httpx.Client(base_url=nodes.url, timeout=60) as client:
        labels = client.post("/v1/classify", content=RED).json()["results"][0]["predictions"]
        assert labels[0]["label"] == "red"
        clean = client.post("/v1/denoise", content=RED)
        assert clean.headers["content-type"] == "image/png"
        text = _write(client)
        assert text == TEXT
        # Stop strings and log probabilities work on remote replicas, too.
        request = {"prompt": "a", "max_chars": 50, "temperature": 0, "stop": "f"}
        stopped = client.post("/v1/text", json=request).json()
        assert (stopped["text"], stopped["finish_reason"]) == ("bcde", "stop")
        scored = client.post(
            "/openai/v1/completions",
            json={
                "model": "alphabet",
                "prompt": "a",
                "max_tokens": 5,
                "logprobs": 1,
                "temperature": 0,
            },
        ).json()["choices"][0]
        assert scored["logprobs"]["tokens"] == list("bcdef")
        rejected = client.post("/v1/text", json={"prompt": "§"})
        assert rejected.status_code == 422


@dataclass
class _Load:
    url: str
    over: threading.Event = field(default_factory=threading.Event)
    seen: list[tuple[str, float, float, str]] = field(default_factory=list)

    def send_until_stopped(self, kind: str) -> None:
        while not self.over.is_set():
            begun, outcome = time.monotonic(), "ok"
            try:
                with httpx.Client(base_url=self.url, timeout=150) as client:
                    if kind == "text":
                        assert _write(client) == TEXT
                    else:
                        response = client.post("/v1/classify", content=RED)
                        assert response.status_code == 200, response.text
                        assert response.json()["results"][0]["predictions"][0]["label"] == "red"
            except (httpx.HTTPError, AssertionError) as error:
                outcome = f"{type(error).__name__} {error!s:.150}"
            self.seen.append((kind, begun, time.monotonic(), outcome))


def test_node_killed_under_load_loses_at_most_its_running_requests(nodes: _Nodes) -> None:
    load = _Load(nodes.url)
    kinds = ["classify", "text"] * 3
    threads = [threading.Thread(target=load.send_until_stopped, args=(kind,)) for kind in kinds]
    for thread in threads:
        thread.start()
    time.sleep(10)
    killed = time.monotonic()
    nodes.cluster.remove_node(nodes.workers[0], allow_graceful=False)
    time.sleep(30)
    load.over.set()
    for thread in threads:
        thread.join()
    lost = [one for one in load.seen if one[3] != "ok"]
    before = Counter(kind for kind, begun, *_ in load.seen if begun <= killed)
    after = Counter(kind for kind, begun, *_ in load.seen if begun > killed)
    slowest = max(end - begun for _, begun, end, _ in load.seen if begun > killed)
    sys.stdout.write(
        f"begun before {dict(before)}, after {dict(after)}; lost {len(lost)}: {lost}; "
        f"slowest begun after the kill {slowest:.1f} s\n"
    )
    assert len(lost) <= len(threads)
    assert [one for one in lost if one[1] > killed + 1] == []
    assert after["classify"] > 0
    assert after["text"] > 0
