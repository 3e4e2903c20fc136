from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models_store.tasks import Classification
from models_store.verify import TensorMap
from tests.training.photos import recipe, write_photos, write_weights
from training.engine.trainer import fit, prepare
from training.errors import DataError, RecipeError
from training.publish.tasks import export_spec
from training.tasks.classification import Transfer

pytestmark = pytest.mark.usefixtures("data_home")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photos") / "shapes", 10)


def _task(root: Path, **changes: Any) -> Transfer:
    task = prepare(recipe(root, **changes), accelerator="cpu")[1]
    assert isinstance(task, Transfer)
    return task


def _copy(tensors: Any) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors}


def test_the_head_is_trained_before_anything_else(root: Path, tmp_path: Path) -> None:
    pretrained = {"weights": "imagenet", "weights_path": write_weights(tmp_path / "weights.pth")}
    scores = {}
    for epochs in (0, 100):
        task = _task(root, task={"head": {"epochs": epochs}}, network=pretrained)
        network = task.network_to_publish().eval()
        with torch.inference_mode():
            scores[epochs] = task.measure(network, task.data.train)
    assert scores[100]["accuracy"] == 1
    assert scores[100]["nll"] < 0.3 < scores[0]["nll"]


def test_frozen_logits_are_those_of_the_head_on_untrained_features(root: Path) -> None:
    task = _task(root, data={"held_out": 1})
    with torch.inference_mode():
        logits, _ = task.predict(task.network_to_publish().eval(), task.data.test)
    torch.testing.assert_close(task.frozen_logits_NK, logits, atol=1e-4, rtol=1e-4)
    before = task.frozen_logits_NK.clone()
    for batch in task.batches(0):
        task.step(batch)
    assert torch.equal(task.frozen_logits_NK, before)


def test_features_are_computed_once(root: Path, data_home: Path) -> None:
    _task(root)
    (file,) = (data_home / "features").iterdir()
    written = file.stat().st_mtime_ns
    for fold in (0, 1):
        _task(root, data={"held_out": fold})
    assert [file] == list((data_home / "features").iterdir())
    assert file.stat().st_mtime_ns == written
    _task(root, network={"padding": "tf-same"})
    _task(root, seed=4)  # other random weights
    assert len(list((data_home / "features").iterdir())) == 3


@pytest.mark.parametrize("frozen", [False, True])
def test_fine_tuning_moves_every_weight_and_no_statistic(root: Path, frozen: bool) -> None:
    task = _task(root, network={"frozen": frozen})
    network = task.network.module
    weights, statistics = _copy(network.named_parameters()), _copy(network.named_buffers())
    for batch in task.batches(0):
        task.step(batch)
    moved = {name for name, p in network.named_parameters() if not torch.equal(p, weights[name])}
    assert moved == {name for name in weights if not frozen or name.startswith("head.")}
    assert all(torch.equal(b, statistics[name]) for name, b in network.named_buffers())
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 52
    assert not any(norm.training for norm in norms)


def test_the_head_learns_at_a_rate_of_its_own(root: Path) -> None:
    task = _task(root, task={"head_rate": 7}, optimizer={"lr": 0.01, "weight_decay": 0.1})
    head = {id(p) for p in task.network.module.get_submodule("head").parameters()}
    seen = set()
    for group in task.optimizer.param_groups:
        for parameter in group["params"]:
            assert group["lr"] == pytest.approx(0.07 if id(parameter) in head else 0.01)
            assert group["weight_decay"] == (0.1 if parameter.ndim > 1 else 0)
            seen.add(id(parameter))
    assert seen == {id(p) for p in task.network.module.parameters()}
    for batch in task.batches(0):
        task.step(batch)
    rates = {group["lr"] / group["initial_lr"] for group in task.optimizer.param_groups}
    assert max(rates) == pytest.approx(min(rates))
    assert max(rates) < 1


@pytest.mark.parametrize("kind", ["one_cycle", "cyclic"])
def test_a_schedule_that_knows_one_rate_is_rejected(root: Path, kind: str) -> None:
    with pytest.raises(RecipeError, match=f"schedule {kind} sets one rate"):
        _task(root, schedule={"kind": kind})


def test_another_network_is_rejected(root: Path) -> None:
    other = {"kind": "resnet", "depth": 20, "stem": "cifar", "classes": 2}
    with pytest.raises(RecipeError, match="needs the network mobilenet, got resnet"):
        _task(root, network=other)


def test_another_number_of_classes_is_rejected(root: Path) -> None:
    with pytest.raises(RecipeError, match=r"network\.classes is 3, but shapes has 2"):
        _task(root, network={"classes": 3})


def test_images_are_scaled_as_the_weights_want_them(root: Path) -> None:
    task = _task(root, network={"scaling": "symmetric"})
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    scaled = task.normalize(task.to_floats(images)).flatten()
    torch.testing.assert_close(scaled, torch.tensor([-1, 51 / 127.5 - 1, 1]))


def test_the_average_starts_from_the_trained_head(root: Path) -> None:
    task = _task(root, ema_decay=0.9)
    published, raw = task.network_to_publish(), task.network.module
    assert published is not raw
    for name, parameter in published.named_parameters():
        assert torch.equal(parameter, raw.get_parameter(name))


def test_a_run_on_everything_has_no_score_and_no_figures(root: Path, tmp_path: Path) -> None:
    everything = recipe(root, epochs=1)
    fitted = fit(everything, tmp_path / "run", show_progress=False)
    assert not [name for name in fitted.log[-1] if name.startswith("test")]
    with pytest.raises(DataError, match="trained on all photographs, so there is nothing"):
        export_spec(fitted.task, everything).report({}, tmp_path / "preview.png")


def test_a_run_is_measured_on_the_fold_that_it_held_out(root: Path, tmp_path: Path) -> None:
    held_out = recipe(root, epochs=1, data={"held_out": 0})
    fitted = fit(held_out, tmp_path / "run", show_progress=False)
    assert 0 <= fitted.log[-1]["test_accuracy"] <= 1

    def dots_never(inputs: TensorMap) -> TensorMap:
        return {"probabilities": np.full((len(inputs["images"]), 2), (0.9, 0.1), np.float32)}

    report = export_spec(fitted.task, held_out).report
    metrics = report({"model": dots_never}, tmp_path / "preview.png")
    assert (metrics[0].value, metrics[0].n) == (0.5, 10)


def test_the_served_resize_rule_is_the_one_that_was_trained_with(root: Path) -> None:
    padded = recipe(root, data={"resize": "pad"})
    served = export_spec(prepare(padded, accelerator="cpu")[1], padded).task
    assert isinstance(served, Classification)
    assert served.image.resize == "pad"
