from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from torch import Tensor
from torchvision.models import mobilenet_v2

from models_store.layout import file_sha256
from training.errors import DataError
from training.networks.mobilenet import MobileNet
from training.pretrained.mobilenet import (
    LOCAL_WEIGHTS,
    features_fingerprint,
    load_weights,
    weights_data_source,
)


def _state(**replaced: Tensor | None) -> dict[str, Tensor]:
    """Return a state dict of the small network below; `None` omits an entry."""
    torch.manual_seed(1)
    state: dict[str, Tensor] = mobilenet_v2(width_mult=0.25).state_dict()
    for name, value in replaced.items():
        key = name.replace("__", ".")
        if value is None:
            del state[key]
        else:
            state[key] = value
    return state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.pth"


def _config(path: Path | None, **changes: Any) -> MobileNet.Config:
    return MobileNet.Config.model_validate(
        {"classes": 2, "width": 0.25, "weights_path": path, **changes}
    )


def _load(config: MobileNet.Config) -> MobileNet:
    network = config.build()
    load_weights(network, config)
    return network


@pytest.mark.parametrize("padding", ["torchvision", "tf-same"])
def test_the_features_of_a_file_are_loaded_and_its_classifier_is_not(
    path: Path, padding: str
) -> None:
    torch.save(_state(), path)
    network = _load(_config(path, padding=padding))
    features = network.features.state_dict()
    expected = {k: v for k, v in _state().items() if k.startswith("features.")}
    assert len(features) == len(expected)
    assert all(torch.equal(features[k.removeprefix("features.")], v) for k, v in expected.items())


def test_weights_are_read_from_the_cache(data_home: Path) -> None:
    (data_home / LOCAL_WEIGHTS).parent.mkdir()
    torch.save(_state(), data_home / LOCAL_WEIGHTS)
    _load(_config(LOCAL_WEIGHTS))


def test_random_weights_need_no_file(data_home: Path) -> None:
    config = _config(None, weights="random")
    _load(config)
    assert weights_data_source(config) is None
    assert not list(data_home.iterdir())


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (_state(features__0__0__weight=None), r"features\.0\.0\.weight is missing$"),
        (
            _state(features__0__0__weight=torch.zeros(8, 3, 5, 5)),
            r"features\.0\.0\.weight is \(8, 3, 5, 5\), not \(8, 3, 3, 3\)$",
        ),
        (_state(features__extra=torch.zeros(1)), r"features\.extra is unknown$"),
        (
            mobilenet_v2(width_mult=0.5).state_dict(),
            r"another network than .*: features\.0\.0\.weight is \(16, .*, and \d+ more$",
        ),
        ({"layer1.0.conv1.weight": torch.zeros(1)}, r"features\.0\.0\.weight is missing; "),
        ([1, 2], "holds no state dict, but a list"),
    ],
)
def test_weights_of_another_network_are_named(path: Path, state: object, message: str) -> None:
    torch.save(state, path)
    with pytest.raises(DataError, match=message):
        _load(_config(path))


@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04"])
def test_a_file_that_holds_no_weights_is_named(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"weights\.pth holds no weights that torch can read"):
        _load(_config(path))


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(DataError, match=r"no weights at .*weights\.pth \(network\.weights_path\)"):
        _load(_config(path))


def test_missing_weights_name_the_file_to_download(
    data_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(
        DataError, match=r"downloading https://.*mobilenet_v2-.*\.pth failed: .*no route to host"
    ):
        _load(_config(None))


def test_the_card_names_the_weights_and_not_where_they_lie(path: Path) -> None:
    torch.save(_state(), path)
    source = weights_data_source(_config(path))
    assert source is not None
    assert source.sha256 == file_sha256(path)
    assert "weights.pth" in source.title
    assert str(path.parent) not in source.model_dump_json()


def test_fingerprint_depends_on_everything_that_changes_the_features(path: Path) -> None:
    torch.save(_state(), path)
    configs = [
        _config(path),
        _config(path, padding="tf-same"),
        _config(path, scaling="symmetric"),
    ]
    prints = [features_fingerprint(_load(config), config) for config in configs]
    moved = _load(configs[0])
    with torch.no_grad():
        next(moved.features.parameters()).add_(1e-3)
    prints.append(features_fingerprint(moved, configs[0]))
    assert len(set(prints)) == 4
    assert features_fingerprint(_load(configs[0]), _config(path, classes=9)) == prints[0]
