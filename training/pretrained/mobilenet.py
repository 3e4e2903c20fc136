"""ImageNet weights for a MobileNet: torchvision's, or a file of the user's own."""

import hashlib
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision.models import MobileNet_V2_Weights

from models_store.layout import file_sha256
from models_store.manifest import DataSource
from training.datasets.data_dir import data_dir, download, resolve_data_path
from training.errors import DataError
from training.networks.mobilenet import MobileNet, Pretrained
from training.pretrained.state import describe_mismatches

LOCAL_WEIGHTS = Path("mobilenet/mobilenet_v2-tfsame.pth")
"""Name of a file in the cache with weights that TensorFlow trained, which need `padding: tf-same`
and `scaling: symmetric`."""

IMAGENET_TRAIN_IMAGES = 1_281_167
"""Size of ImageNet-1k's training set (Russakovsky et al. 2015, arXiv 1409.0575)."""

# The first of torchvision's two sets. The second was trained with label smoothing, which makes the
# features of the last layer less useful elsewhere (Kornblith et al. 2019, arXiv 1805.08974, 4.2).
_TORCHVISION_WEIGHTS = MobileNet_V2_Weights.IMAGENET1K_V1


def load_weights(network: MobileNet, config: Pretrained) -> None:
    """Load the weights that `config` names into the features of `network`.

    Raises:
        DataError: when the weights cannot be found or downloaded, or are of another network.
    """
    if config.weights == "random":
        return
    path = _weights_file(config)
    state = read_state(path)
    _check_matches(state, network.features, path)
    prefix = "features."
    network.features.load_state_dict(
        {key.removeprefix(prefix): state[key] for key in state if key.startswith(prefix)}
    )


def read_state(path: Path) -> dict[str, Any]:
    """Return the state dict of a file, on the CPU, without running code from it.

    Raises:
        DataError: when the file holds none.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(f"{path} holds no weights that torch can read: {error}") from error
    if not isinstance(state, dict):
        raise DataError(f"{path} holds no state dict, but a {type(state).__name__}")
    return state


def weights_data_source(config: Pretrained) -> DataSource | None:
    """Return the manifest's entry on the weights' training data; the hash is of their file."""
    if config.weights == "random":
        return None
    return imagenet_source(_weights_file(config), config.weights_path, _TORCHVISION_WEIGHTS.url)


def imagenet_source(path: Path, weights_path: Path | None, url: str | None) -> DataSource:
    """Return the entry for the file `path`, of `url` unless the user chose it as `weights_path`."""
    downloaded = url is not None and weights_path is None
    return DataSource(
        title=f"ImageNet-1k, by way of the pretrained weights {path.name} (hash of the file)",
        source=str(url) if downloaded else f"file {path.name}",
        licence=weights_licence(weights_path),
        sha256=file_sha256(path),
        n=IMAGENET_TRAIN_IMAGES,
    )


def features_fingerprint(network: MobileNet, config: Pretrained) -> str:
    """Return a hex digest of everything that the pooled features of an image depend on."""
    digest = hashlib.sha256(f"{config.padding} {config.scaling}".encode())
    for name, tensor in network.features.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


def weights_licence(path: Path | None) -> str:
    """Return the licence of a file of weights, or of torchvision's if `path` is None."""
    if path is None:
        return "BSD-3-Clause (torchvision)"
    return "Apache-2.0" if path.name == LOCAL_WEIGHTS.name else "as its maker states"


def _weights_file(config: Pretrained) -> Path:
    if config.weights_path is None:
        return download_weights(
            _TORCHVISION_WEIGHTS.url, data_dir() / "mobilenet", "network.weights_path"
        )
    path = resolve_data_path(config.weights_path)
    if not path.is_file():
        raise DataError(f"there are no weights at {path} (network.weights_path)")
    return path


def download_weights(url: str, folder: Path, option: str) -> Path:
    """Return the file of `url` in `folder`, downloaded unless it exists.

    torchvision puts the first digits of the SHA-256 at the end of the file's name.

    Raises:
        DataError: when it cannot be downloaded; names `option`, which takes another file.
    """
    path = folder / url.rpartition("/")[2]
    return download(url, path.stem.rpartition("-")[2], path, option)


def _check_matches(state: dict[str, object], features: nn.Module, path: Path) -> None:
    expected = {f"features.{name}": tensor for name, tensor in features.state_dict().items()}
    # The state dict also holds ImageNet's classifier, which is not used.
    received = {name: value for name, value in state.items() if name.startswith("features.")}
    problems = describe_mismatches(expected, received)
    if problems:
        raise DataError(
            f"{path} holds weights of another network than torchvision's mobilenet_v2: {problems}"
        )
