"""Execution providers: those that are missing, those that deviate, and one run at a time."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import numpy as np
import onnxruntime as ort
import pytest

from models_store.errors import ReplayError
from models_store.manifest import Manifest, ModelFile
from models_store.verify import TensorMap, read_manifest, replay_graph
from service.runtime.graph_loader import LoadOptions, load_session, open_graph
from service.runtime.providers import CPU, Provider, ProviderUnavailable, create_providers
from service.runtime.session import Session

MISSING = next(
    name
    for name in ("openvino", "cuda", "xnnpack")
    if Provider(name).ort_name not in ort.get_available_providers()
)


@pytest.fixture
def paint(store: Path) -> tuple[Path, Manifest, ModelFile]:
    folder = store / "paint" / "1"
    manifest = read_manifest(folder)
    return folder, manifest, manifest.get_file("model")


def test_a_provider_that_is_not_installed_names_its_package() -> None:
    with pytest.raises(
        ProviderUnavailable, match=r"no migraphx: install onnxruntime-migraphx.*cpu"
    ):
        create_providers({"migraphx": {}, "cpu": {}})


def test_unknown_provider_error_lists_the_available_ones() -> None:
    with pytest.raises(ProviderUnavailable, match="no provider 'gpu'; available: cpu, cuda, "):
        create_providers({"gpu": {}})


def test_the_operators_options_replace_the_defaults() -> None:
    (provider,) = create_providers({"cpu": {"use_arena": "0"}})
    assert provider.ort_providers == [("CPUExecutionProvider", {"use_arena": "0"})]


def test_a_graph_falls_back_to_the_next_provider(paint: tuple[Path, Manifest, ModelFile]) -> None:
    opened = open_graph(*paint, LoadOptions(providers=(Provider(MISSING), CPU)))
    assert opened.provider == "cpu"


def test_a_graph_that_no_provider_reproduces_is_rejected(
    paint: tuple[Path, Manifest, ModelFile],
) -> None:
    with pytest.raises(ReplayError):
        open_graph(*paint, LoadOptions(providers=(Provider(MISSING),)))


def _deviating(run: Callable[[TensorMap], TensorMap], share: float) -> Callable[..., TensorMap]:
    return lambda inputs: {
        name: (x.astype(np.float64) * (1 + share)).astype(x.dtype)
        for name, x in run(inputs).items()
    }


def test_tolerances_of_a_provider_are_a_multiple_of_the_published_ones(
    paint: tuple[Path, Manifest, ModelFile],
) -> None:
    folder, manifest, spec = paint  # whose rtol is 1e-5
    graph = load_session((folder / spec.path).read_bytes(), manifest, spec)
    run = _deviating(graph.run, 5e-5)
    replay_graph(folder, manifest, spec, run, tolerance_factor=10)
    with pytest.raises(ReplayError, match="deviates"):
        replay_graph(folder, manifest, spec, run)


def test_tolerances_of_integers_are_the_published_ones(store: Path) -> None:
    folder = store / "blur" / "1"
    manifest = read_manifest(folder)
    spec = manifest.get_file("model")
    graph = load_session((folder / spec.path).read_bytes(), manifest, spec)

    def run(inputs: TensorMap) -> TensorMap:
        return {"denoised": graph.run(inputs)["denoised"].astype(np.uint8) ^ np.uint8(2)}

    with pytest.raises(ReplayError, match="deviates by 2"):
        replay_graph(folder, manifest, spec, run, tolerance_factor=10)


class CountingLock:
    """Notes how many threads were inside at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.entered = 0

    def __enter__(self) -> None:
        self._lock.acquire()
        self.entered += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()


def test_every_run_holds_the_lock_of_its_provider(paint: tuple[Path, Manifest, ModelFile]) -> None:
    folder, _, spec = paint
    lock = CountingLock()
    session = Session((folder / spec.path).read_bytes(), spec, Provider("cpu", run_lock=lock))
    image = np.zeros((1, 8, 8, 3), np.uint8)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: session.run({"images": image}), range(8)))
    assert lock.entered == 8
