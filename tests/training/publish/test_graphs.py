"""Requirements of every exported graph; a new network adds its line to the table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter
from torch import Tensor, nn

from models_store.onnx.wire import has_external_data
from training.errors import ExportError
from training.networks import NetworkConfig
from training.networks.airbench import Airbench
from training.networks.resnet import ResNet
from training.publish import sample_inputs
from training.publish.onnx.graphs import ClassifierGraph, DenoiserGraph
from training.publish.spec import ExportedGraph, GraphSpec, export_graph

_MEAN, _STD = [0.49, 0.48, 0.45], [0.25, 0.24, 0.26]

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class _Row:
    task: Literal["classification", "denoising"]
    network: dict[str, Any]
    example: tuple[int, int, int, int]
    """(B, H, W, C) that the exporter sees."""
    others: tuple[tuple[int, int, int, int], ...]
    """Other input shapes than the exported example's."""


_CIFAR = {"kind": "resnet", "stem": "cifar", "width": 4, "classes": 5}
_IMAGENET = {"kind": "resnet", "stem": "imagenet", "width": 8, "classes": 7}
ROWS = {
    "resnet-20": _Row(
        "classification", {**_CIFAR, "depth": 20}, (3, 16, 16, 3), ((1, 16, 16, 3), (5, 16, 16, 3))
    ),
    "resnet-20-grey-projecting": _Row(
        "classification",
        {**_CIFAR, "depth": 20, "in_channels": 1, "shortcut": "B"},
        (2, 8, 8, 1),
        ((1, 8, 8, 1), (5, 8, 8, 1)),
    ),
    "resnet-18": _Row(
        "classification",
        {**_IMAGENET, "depth": 18},
        (2, 32, 32, 3),
        ((1, 32, 32, 3), (5, 32, 32, 3)),
    ),
    "resnet-50": _Row(
        "classification",
        {**_IMAGENET, "depth": 50},
        (2, 32, 48, 3),
        ((1, 32, 48, 3), (5, 32, 48, 3)),
    ),
    "airbench-residual": _Row(
        "classification",
        {"kind": "airbench", "widths": [16, 16, 16], "residual": True, "classes": 5},
        (3, 32, 32, 3),
        ((1, 32, 32, 3), (5, 32, 32, 3)),
    ),
    "denoiser-grey": _Row(
        "denoising",
        {"kind": "denoiser", "widths": [4, 8, 12]},
        (2, 8, 12, 1),
        ((1, 28, 28, 1), (5, 64, 36, 1), (1, 4, 4, 1)),
    ),
    "denoiser-colour": _Row(
        "denoising",
        {"kind": "denoiser", "channels": 3, "widths": [4, 8], "convolutions": 1},
        (2, 8, 12, 3),
        ((1, 28, 28, 3), (5, 64, 36, 3), (1, 2, 2, 3)),
    ),
}
CLASSIFIERS = [name for name, row in ROWS.items() if row.task == "classification"]
DENOISERS = [name for name, row in ROWS.items() if row.task == "denoising"]

_ADAPTER: TypeAdapter[Any] = TypeAdapter(NetworkConfig)


@dataclass(frozen=True)
class _Made:
    network: nn.Module
    module: nn.Module
    exported: ExportedGraph


def _network(row: _Row) -> nn.Module:
    """Give the network batch statistics and outputs that differ from a new one's."""
    torch.manual_seed(0)
    network: nn.Module = _ADAPTER.validate_python(row.network).build()
    batch, height, width, channels = row.example
    with torch.no_grad():
        if isinstance(network, Airbench):
            network.init_from_data(torch.rand(16, channels, height, width))
        for _ in range(3):
            network.train()(torch.rand(max(batch, 4), channels, height, width))
        if isinstance(network, ResNet | Airbench):
            network.fc.weight *= 20
    return network.eval()


def _images(shape: tuple[int, int, int, int]) -> Tensor:
    """Different ones: noise looks all the same once it is pooled."""
    batch, height, width, channels = shape
    return sample_inputs.photo_crops(batch, height, width, "L" if channels == 1 else "RGB")


def _graph(row: _Row, network: nn.Module) -> GraphSpec:
    channels = row.example[3]
    if row.task == "classification":
        module: nn.Module = ClassifierGraph(network, _MEAN[:channels], _STD[:channels])
        output, axes = "probabilities", {0: "batch"}
    else:
        module = DenoiserGraph(network)
        output, axes = "denoised", {0: "batch", 1: "height", 2: "width"}
    return GraphSpec(
        role="model",
        module=module,
        outputs=(output,),
        dynamic_axes=axes,
        cases=(
            {"images": sample_inputs.random_bytes(row.example)},
            {"images": sample_inputs.random_bytes(row.others[0])},
        ),
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, _Made]:
    """Return a function that exports a row of the table on first use."""

    class Table(dict[str, _Made]):
        def __missing__(self, name: str) -> _Made:
            network = _network(ROWS[name])
            graph = _graph(ROWS[name], network)
            exported = export_graph(graph, tmp_path_factory.mktemp(name))
            self[name] = _Made(network, graph.module, exported)
            return self[name]

    return Table()


def _run(made: _Made, images: Tensor) -> NDArray[Any]:
    (output,) = made.exported.graph_fn({"images": images.numpy()}).values()
    return output


def _torch(module: nn.Module, images: Tensor) -> NDArray[Any]:
    with torch.inference_mode():
        return np.asarray(module(images).numpy())


@pytest.mark.parametrize("name", ROWS)
def test_a_graph_is_one_valid_file(name: str, made: dict[str, _Made]) -> None:
    path = made[name].exported.path
    assert path.name == "model.onnx"
    assert [other.name for other in path.parent.iterdir()] == ["model.onnx"]
    assert not has_external_data(path.read_bytes())
    onnx.checker.check_model(str(path), full_check=True)


@pytest.mark.parametrize("name", ROWS)
def test_a_graph_takes_and_gives_what_its_task_documents(name: str, made: dict[str, _Made]) -> None:
    row = ROWS[name]
    _, height, width, channels = row.example
    (images,), (output,) = made[name].exported.inputs, made[name].exported.outputs
    if row.task == "classification":
        assert images.shape == ("batch", height, width, channels)
        assert (output.name, output.dtype) == ("probabilities", "float32")
        assert output.shape == ("batch", row.network["classes"])
    else:
        assert images.shape == ("batch", "height", "width", channels)
        assert (output.name, output.dtype) == ("denoised", "uint8")
        assert output.shape == images.shape
    assert (images.name, images.dtype) == ("images", "uint8")


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_onnxruntime_agrees_with_torch_on_batches_it_was_not_exported_with(
    name: str, made: dict[str, _Made]
) -> None:
    for shape in (ROWS[name].example, *ROWS[name].others):
        images = _images(shape)
        np.testing.assert_allclose(
            _run(made[name], images), _torch(made[name].module, images), rtol=1e-3, atol=1e-5
        )


@pytest.mark.parametrize("name", DENOISERS)
def test_onnxruntime_agrees_with_torch_on_sizes_it_was_not_exported_with(
    name: str, made: dict[str, _Made]
) -> None:
    for shape in (ROWS[name].example, *ROWS[name].others):
        images = sample_inputs.random_bytes(shape, seed=1)
        got, expected = _run(made[name], images), _torch(made[name].module, images)
        assert got.shape == expected.shape == shape
        assert got.dtype == expected.dtype == np.uint8
        # A value halfway between two levels may be rounded either way, one in many.
        steps = np.abs(got.astype(int) - expected)
        assert steps.max() <= 1
        assert steps.mean() < 0.01


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_normalisation_inside_equals_normalisation_outside(
    name: str, made: dict[str, _Made]
) -> None:
    images_BHWC = _images(ROWS[name].others[1])
    channels = images_BHWC.shape[3]
    mean = np.array(_MEAN[:channels], np.float32)
    std = np.array(_STD[:channels], np.float32)
    normalized_BHWC = (images_BHWC.numpy() / np.float32(255) - mean) / std
    logits_BK = _torch(made[name].network, torch.from_numpy(normalized_BHWC).permute(0, 3, 1, 2))
    powers = np.exp(logits_BK - logits_BK.max(axis=1, keepdims=True))
    expected = powers / powers.sum(axis=1, keepdims=True)
    assert expected.std(axis=0).max() > 0.01  # equal outputs for all images would prove nothing
    np.testing.assert_allclose(_run(made[name], images_BHWC), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", DENOISERS)
def test_bytes_in_and_out_are_the_networks_floats_times_255(
    name: str, made: dict[str, _Made]
) -> None:
    images_BHWC = sample_inputs.random_bytes(ROWS[name].others[0], seed=2)
    floats = images_BHWC.numpy().astype(np.float32) / 255
    estimate = _torch(made[name].network, torch.from_numpy(floats).permute(0, 3, 1, 2))
    expected = np.clip(np.round(estimate.transpose(0, 2, 3, 1) * 255), 0, 255)
    assert estimate.min() < 0 or estimate.max() > 1  # what has to be clipped is among it
    assert np.abs(_run(made[name], images_BHWC) - expected).max() <= 1


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_probabilities_sum_to_one(name: str, made: dict[str, _Made]) -> None:
    probabilities_BK = _run(made[name], _images(ROWS[name].others[1]))
    assert probabilities_BK.min() >= 0
    np.testing.assert_allclose(probabilities_BK.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("name", ROWS)
def test_output_of_an_image_is_independent_of_its_batch(name: str, made: dict[str, _Made]) -> None:
    images = _images(ROWS[name].others[1])
    together, alone = _run(made[name], images)[3:4], _run(made[name], images[3:4])
    tolerance = 1e-5 if ROWS[name].task == "classification" else 1
    np.testing.assert_allclose(together.astype(float), alone.astype(float), 1e-3, tolerance)


@pytest.mark.parametrize("name", ["resnet-20", "denoiser-grey"])
def test_golden_cases_are_what_torch_computes(name: str, made: dict[str, _Made]) -> None:
    (output,) = made[name].exported.outputs
    cases = made[name].exported.cases
    assert [case.inputs["images"].shape for case in cases] == [
        ROWS[name].example,
        ROWS[name].others[0],
    ]
    for case in cases:
        images = torch.from_numpy(case.inputs["images"])
        np.testing.assert_array_equal(case.outputs[output.name], _torch(made[name].module, images))


class _Undecided(nn.Module):
    """Goes one way or the other by the values that it sees: no graph can say that."""

    def forward(self, images: Tensor) -> Tensor:
        return images.float() if images.sum() > 10 else images.float() * 2


def test_a_network_that_cannot_be_exported_is_a_training_error(tmp_path: Path) -> None:
    graph = GraphSpec(
        role="model",
        module=_Undecided(),
        outputs=("y",),
        cases=({"images": sample_inputs.random_bytes((2, 4, 4, 1))},),
    )
    with pytest.raises(ExportError, match=r"model\.onnx cannot be exported: "):
        export_graph(graph, tmp_path)
    assert list(tmp_path.iterdir()) == []
