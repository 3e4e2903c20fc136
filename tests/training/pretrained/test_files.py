"""Files of weights: round trips, and errors for networks that do not match."""

import json
from pathlib import Path

import h5py
import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors
import torch
from torch import nn

from models_store.onnx.half_precision import store_as_float16
from tests.training.tiny import recipe
from training.cli.main import app
from training.engine.trainer import fit
from training.errors import WeightsError
from training.networks.resnet import ResNet
from training.pretrained.files import load_weights_file, save_network
from training.pretrained.state import load_into
from training.workflows.saved_weights import build_from_definition

ENDINGS = (".safetensors", ".h5", ".onnx")


def _config(width: int = 2) -> ResNet.Config:
    return ResNet.Config(depth=20, stem="cifar", classes=10, in_channels=1, width=width)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    network = _config().build()
    network(torch.randn(4, 1, 8, 8))  # running averages that are not zero and one
    return network.eval()


@pytest.fixture(scope="module")
def folder(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    for ending in ENDINGS:
        save_network(
            network, folder / f"whole{ending}", _config().model_dump(), torch.rand(2, 1, 8, 8)
        )
    return folder


@pytest.mark.parametrize("ending", ENDINGS)
def test_whole_model_round_trips_with_equal_outputs(
    network: nn.Module, folder: Path, ending: str
) -> None:
    path = folder / f"whole{ending}"
    saved = load_weights_file(path)
    again = build_from_definition(saved, path)
    load_into(again, saved.tensors, path)
    images = torch.randn(3, 1, 8, 8)
    assert torch.equal(again.eval()(images), network(images))


@pytest.mark.parametrize("ending", [".safetensors", ".h5"])
def test_weights_alone_need_a_network_to_go_into(
    network: nn.Module, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"weights{ending}"
    save_network(network, path)
    saved = load_weights_file(path)
    with pytest.raises(
        WeightsError, match=r"holds only weights: name their network .* --into RECIPE"
    ):
        build_from_definition(saved, path)
    other = _config().build()
    load_into(other, saved.tensors, path)
    assert torch.equal(other.state_dict()["layer3.2.bn2.running_var"],
                       network.state_dict()["layer3.2.bn2.running_var"])  # fmt: skip


def test_hdf5_is_read_layer_by_layer_with_h5py(network: nn.Module, folder: Path) -> None:
    with h5py.File(folder / "whole.h5", "r") as file:
        layer = file["layer1/0/conv1"]
        assert layer.attrs["layer"] == "Conv2d"
        weight = network.get_submodule("layer1.0.conv1").weight
        assert np.array_equal(layer["weight"][()], weight.detach().numpy())  # type: ignore[operator]
        assert json.loads(file.attrs["definition"])["depth"] == 20


def test_safetensors_is_read_with_safetensors(folder: Path) -> None:
    with safetensors.safe_open(folder / "whole.safetensors", framework="np") as file:
        assert file.get_tensor("fc.weight").shape == (10, 8)
        assert json.loads(file.metadata()["definition"])["kind"] == "resnet"


def test_onnx_file_runs_in_onnxruntime(network: nn.Module, folder: Path) -> None:
    session = onnxruntime.InferenceSession(folder / "whole.onnx")
    images = torch.randn(5, 1, 8, 8)
    (logits,) = session.run(None, {"input": images.numpy()})
    np.testing.assert_allclose(logits, network(images).detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("ending", ENDINGS)
def test_weights_that_do_not_fit_are_rejected_and_change_nothing(folder: Path, ending: str) -> None:
    wider = _config(width=4).build()
    before = wider.state_dict()["conv1.weight"].clone()
    path = folder / f"whole{ending}"
    message = (
        r"not fit this network: conv1.weight is \(2, 1, 3, 3\), not \(4, 1, 3, 3\); .*and \d+ mo"
    )
    with pytest.raises(WeightsError, match=message):
        load_into(wider, load_weights_file(path).tensors, path)
    assert torch.equal(wider.state_dict()["conv1.weight"], before)


def test_missing_and_unknown_names_give_different_errors() -> None:
    with pytest.raises(
        WeightsError, match="x does not fit this network: bias is missing; scale is unknown"
    ):
        load_into(nn.Linear(2, 3), {"weight": torch.ones(3, 2), "scale": torch.ones(1)}, "x")


@pytest.mark.parametrize("ending", ENDINGS)
def test_damaged_and_missing_files_are_errors(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x{ending}"
    with pytest.raises(WeightsError, match="there is no file"):
        load_weights_file(path)
    path.write_bytes(b"not this")
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        load_weights_file(path)


def test_an_unknown_ending_is_an_error(network: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(
        WeightsError, match=r"must end in one of \.safetensors, \.h5, \.hdf5, \.onnx"
    ):
        save_network(network, tmp_path / "x.pth")


def test_a_run_is_saved_and_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    fitted = fit(recipe(epochs=1), Path("run"), show_progress=False)
    expected = fitted.task.evaluate("test")["accuracy"]

    def call(*arguments: str) -> str:
        with pytest.raises(SystemExit):
            app(list(arguments))
        return "".join(capsys.readouterr())

    assert "saved the weights in w.h5" in call("save", "run", "w.h5", "--weights-only")
    assert f"{expected:.4f}" in call("load", "w.h5", "--into", "run/recipe.yaml")
    assert "error: w.h5 holds only weights" in call("load", "w.h5")
    assert "saved the resnet and its weights in w.onnx" in call("save", "run", "w.onnx")
    listed = call("load", "w.onnx")
    assert "Conv2d: weight 4 × 1 × 3 × 3" in listed
    assert "all tensors of w.onnx fit" in listed
    assert "error: w.h5 does not fit this network" in call(
        "load", "w.h5", "--into", "resnet-digits"
    )


def test_weights_stored_as_float16_are_read_under_their_own_names(tmp_path: Path) -> None:
    path, network = tmp_path / "half.onnx", _config(width=16).build()
    save_network(network, path, example=torch.rand(2, 1, 8, 8))
    model = onnx.load(path)
    assert store_as_float16(model) > 0
    onnx.save_model(model, path)
    again = _config(width=16).build()
    load_into(again, load_weights_file(path).tensors, path)
    for name, value in network.named_parameters():
        torch.testing.assert_close(again.get_parameter(name), value, rtol=2**-11, atol=1e-7)


def test_weights_are_interpolated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / f"{name}.safetensors" for name in ("first", "second", "between")]
    networks = [_config().build() for _ in range(2)]
    first, second = (network.state_dict() for network in networks)
    second["bn1.num_batches_tracked"] += 5
    for network, path in zip(networks, paths, strict=False):
        save_network(network, path, _config().model_dump())

    def between(share: str) -> dict[str, torch.Tensor]:
        with pytest.raises(SystemExit):
            app(["interpolate", *map(str, paths), "--share", share])
        return dict(load_weights_file(paths[2]).tensors)

    mixed = between("0.25")
    expected = 0.75 * first["conv1.weight"] + 0.25 * second["conv1.weight"]
    torch.testing.assert_close(mixed["conv1.weight"], expected)
    assert mixed["bn1.num_batches_tracked"] == 5
    assert torch.equal(between("0")["conv1.weight"], first["conv1.weight"])
    assert torch.equal(between("1")["conv1.weight"], second["conv1.weight"])
    save_network(_config(width=4).build(), paths[1], _config(width=4).model_dump())
    capsys.readouterr()
    between("0.5")
    assert "does not fit this network" in "".join(capsys.readouterr())
