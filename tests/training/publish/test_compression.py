from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models_store.compression.factorized import (
    FrequencyTables,
    decode_latents,
    encode_latents,
    read_tables,
)
from models_store.onnx.runtime import load_graph_fn
from models_store.tasks import Compression
from models_store.verify import check_files, read_golden_cases, read_manifest, replay_graph
from tests.training.tiny import COMPRESSION, recipe
from training.engine.trainer import fit
from training.publish.compression import compression_report
from training.publish.compression.baseline_codecs import (
    LOSSLESS,
    LOSSY,
    lossless_bytes,
    lossy_curve,
)
from training.publish.compression.frequency_tables import build_frequency_tables
from training.publish.publisher import publish_run


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train and publish a tiny autoencoder."""
    home = tmp_path_factory.mktemp("published")
    tiny = recipe(**COMPRESSION, data={"kind": "digits", "validation_size": 900}, epochs=1)
    fit(tiny, home / "run", show_progress=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            compression_report, "BASELINE_SAMPLE_SIZE", 10
        )  # other codecs are tested elsewhere
        return publish_run(tiny, home / "run", home / "store")


def _random(shape: tuple[int, ...], spread: float) -> NDArray[np.int16]:
    return np.rint(np.random.default_rng(0).normal(0, spread, shape)).astype(np.int16)


@pytest.mark.parametrize("spread", [0, 0.3, 5, 400])
def test_tables_are_integer_frequencies_of_all_values(spread: float) -> None:
    latents = _random((500, 3, 2, 1), spread)
    tables = build_frequency_tables(latents).tables
    assert len(tables) == 3
    for dimension, table in enumerate(tables):
        values = latents[:, dimension]
        assert (table.lowest, table.highest) == (values.min(), values.max())
        assert sum(table.frequencies) == 2**16
        assert min(table.frequencies) >= 1
        share = table.frequencies[-table.lowest] / 2**16  # of the value 0
        assert share == pytest.approx((values == 0).mean(), abs=0.02)


def test_published_codec_verifies(published: Path) -> None:
    manifest = read_manifest(published)
    check_files(published, manifest)
    assert isinstance(manifest.task, Compression)
    assert set(manifest.graphs()) == {"encoder", "decoder"}
    for graph in manifest.graphs().values():
        replay_graph(published, manifest, graph, load_graph_fn(published / graph.path))


def test_golden_latents_are_equal_to_the_last_bit(published: Path) -> None:
    manifest = read_manifest(published)
    encoder = manifest.get_file("encoder")
    run = load_graph_fn(published / encoder.path)
    for case in read_golden_cases(published / "golden.npz", encoder, manifest.golden.cases):
        latents = run(case.inputs)["latents"]
        assert latents.dtype == np.int16
        assert np.array_equal(latents, case.outputs["latents"])
        assert latents.any()


def test_tables_code_the_latents_of_the_encoder(published: Path) -> None:
    tables = read_tables(published / "tables.json", FrequencyTables)
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), np.uint8)
    latents = load_graph_fn(published / "encoder.onnx")({"images": images})["latents"]
    for latent in latents.astype(np.int16):
        code = encode_latents(latent.reshape(len(latent), -1), tables)
        assert np.array_equal(decode_latents(code, tables, 1), latent.reshape(len(latent), -1))


def test_code_bytes_count_whole_containers(published: Path) -> None:
    figures = {metric.name: metric for metric in read_manifest(published).metrics}
    assert figures["code_bytes"].n == 500
    # By hand: 8 bytes around the fields, 4 of the fingerprint, 2 of the size
    overhead = 8 + 4 + 2
    expected = figures["payload_bytes"].value + overhead
    assert figures["code_bytes"].value == pytest.approx(expected)
    assert {"mse_float", "mse", "psnr", "gzip_bytes", "png_bytes", "webp_bytes"} <= set(figures)
    assert {"jpeg_bytes_at_psnr", "webp_lossy_bytes_at_psnr"} <= set(figures)
    assert figures["gzip_bytes"].n == 10


def test_a_better_quality_is_a_larger_file() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 12, 12, 3), np.uint8)
    for codec in LOSSY:
        curve = lossy_curve(codec, images)
        assert curve[-1].rate > curve[0].rate
        assert curve[-1].psnr_db > curve[0].psnr_db
    for codec in LOSSLESS:
        assert lossless_bytes(codec, images) > 12 * 12 * 3  # noise cannot be compressed
