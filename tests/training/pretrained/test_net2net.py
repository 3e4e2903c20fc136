"""A larger network starts from the weights of a smaller one."""

from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from tests.training.tiny import ADVERSARIAL, recipe
from training.engine.trainer import fit, restore
from training.errors import RecipeError, WeightsError
from training.networks.photo_denoiser import PhotoDenoiser
from training.networks.resnet import ResNet
from training.optim.initializers import He
from training.pretrained.files import save_network
from training.pretrained.state import copy_tensors, load_widened
from training.tasks.single_network import SingleNetwork


def _resnet(width: int, shortcut: Literal["A", "B"] = "B") -> nn.Module:
    config = ResNet.Config(
        depth=20, stem="cifar", classes=10, in_channels=1, width=width, shortcut=shortcut
    )
    network = config.build()
    with torch.no_grad():
        network(torch.randn(16, 1, 8, 8))  # running averages that are not zero and one
    return network.eval()


def _denoiser(widths: tuple[int, ...], blocks: tuple[int, ...]) -> PhotoDenoiser:
    return PhotoDenoiser.Config(widths=widths, blocks=blocks).build()


def _as_doubles(network: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        y: Tensor = network.double()(x.double())
    return y


@pytest.mark.parametrize("width", [2, 3, 4])
def test_a_widened_residual_network_computes_the_same(width: int) -> None:
    torch.manual_seed(0)
    small, large = _resnet(2), _resnet(width)
    images = torch.randn(3, 1, 8, 8)
    assert not torch.allclose(_as_doubles(large, images), _as_doubles(small, images))
    load_widened(large, copy_tensors(small), "weights")
    torch.testing.assert_close(_as_doubles(large, images), _as_doubles(small, images))


@pytest.mark.parametrize(
    ("widths", "blocks"),
    [((8, 12), (1, 2)), ((10, 16), (1, 2)), ((8, 12), (3, 3)), ((9, 13), (2, 4))],
)
def test_a_wider_or_deeper_denoiser_computes_the_same(
    widths: tuple[int, ...], blocks: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    small, large = _denoiser((8, 12), (1, 2)), _denoiser(widths, blocks)
    He().apply(large)
    large.init_from_data(torch.empty(0))  # without it, new blocks are not the identity
    images = torch.rand(2, 3, 16, 12)
    load_widened(large, copy_tensors(small), "weights")
    torch.testing.assert_close(_as_doubles(large, images), _as_doubles(small, images))


def test_new_channels_learn_from_the_first_step() -> None:
    torch.manual_seed(0)
    small, large = _denoiser((8,), (1,)), _denoiser((12,), (1,))
    load_widened(large, copy_tensors(small), "weights")
    large(torch.rand(1, 3, 8, 8)).square().mean().backward()
    gradient = large.residual.weight.grad
    assert gradient is not None
    assert (gradient[:, 8:] != 0).any(dim=(0, 2, 3)).all()
    assert (large.residual.weight[:, 8:] == 0).all()


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"first.weight": torch.ones(9, 12, 3, 3)}, r"\(9, 12, 3, 3\), and does not fit into \(8,"),
        ({"first.weight": torch.ones(8, 12, 1, 1)}, r"does not fit into \(8, 12, 3, 3\)"),
        ({"first.bias": torch.ones(8, 1)}, r"does not fit into \(8,\)"),
        ({"last.weight": torch.ones(1)}, r"last\.weight is unknown"),
        ({f"a{n}": torch.ones(1) for n in range(5)}, "a2 is unknown, and 2 more"),
    ],
)
def test_weights_that_do_not_fit_are_rejected_and_change_nothing(
    tensors: dict[str, Tensor], message: str
) -> None:
    network = _denoiser((8,), (1,))
    before = copy_tensors(network)
    with pytest.raises(WeightsError, match=message):
        load_widened(network, {"residual.bias": torch.ones(12), **tensors}, "weights")
    assert all(torch.equal(before[name], actual) for name, actual in copy_tensors(network).items())


def _frozen_recipe(**changes: Any) -> Any:
    """Return a recipe whose learning rate is too small to change the weights."""
    changes = {"optimizer": {"kind": "sgd", "lr": 1e-30}, "epochs": 1, **changes}
    return recipe(ema_decay=0.9, **changes)


def test_training_starts_from_a_file_and_continues_without_it(tmp_path: Path) -> None:
    torch.manual_seed(1)
    small, file = _resnet(3, "A"), tmp_path / "small.safetensors"
    save_network(small, file)
    started = _frozen_recipe(start_from=file)
    fit(started, tmp_path / "run", show_progress=False, accelerator="cpu")
    file.unlink()
    task = restore(started, tmp_path / "run").task
    assert isinstance(task, SingleNetwork)
    for network in (task.network.module, task.network_to_publish()):
        for name, weights in small.named_parameters():
            actual = network.state_dict()[name]
            part = actual[tuple(slice(0, length) for length in weights.shape)]
            torch.testing.assert_close(part, weights, msg=name)


def test_published_recipe_hides_the_folder_of_the_weights(tmp_path: Path) -> None:
    started = _frozen_recipe(start_from=tmp_path / "small.safetensors")
    written = started.model_dump(mode="json", context={"published": True})
    assert written["start_from"] == "small.safetensors"
    assert started.model_dump(mode="json")["start_from"] == str(tmp_path / "small.safetensors")


def test_a_missing_file_leaves_no_run(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"there is no file .*small\.safetensors"):
        fit(
            _frozen_recipe(start_from=tmp_path / "small.safetensors"),
            tmp_path / "run",
            show_progress=False,
        )
    assert not (tmp_path / "run").exists()


def test_only_one_network_can_start_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "small.safetensors"
    save_network(_resnet(2), file)
    with pytest.raises(RecipeError, match="start_from is for recipes that train one network"):
        fit(recipe(start_from=file, **ADVERSARIAL), tmp_path / "run", show_progress=False)
