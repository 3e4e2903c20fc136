"""ImageNet weights for a MobileNet: torchvision's by download, or a file of one's own."""

import hashlib
import pickle
from pathlib import Path
from urllib.error import URLError

import torch
from torch import nn
from torchvision.models import MobileNet_V2_Weights

from models_store.layout import sha256_of
from models_store.manifest import DataSource
from training.datasets.data_dir import data_dir, located
from training.errors import DataError
from training.networks.mobilenet import MobileNet
from training.pretrained.state import mismatches

__all__ = [
    "LOCAL",
    "describe",
    "fetched",
    "fingerprint",
    "licence_of",
    "load_weights",
    "read_state",
]

LOCAL = Path("mobilenet/mobilenet_v2-tfsame.pth")
"""A file of this name in the cache holds weights that TensorFlow trained: they
want `padding: tf-same` and `scaling: symmetric`."""

# The first of torchvision's two sets. The second was trained with label smoothing, which makes the
# features of the last layer less useful elsewhere (Kornblith et al. 2019, arXiv 1805.08974, 4.2).
_FETCHED = MobileNet_V2_Weights.IMAGENET1K_V1

_SHOWN = 3


def load_weights(network: MobileNet, config: MobileNet.Config) -> None:
    """Fill the features of `network` with the weights that `config` names.

    Raises:
        DataError: when the weights are neither there nor to be fetched, or are of another network.
    """
    if config.weights == "random":
        return
    path = _file(config)
    state = read_state(path)
    _check(state, network.features, path)
    prefix = "features."
    network.features.load_state_dict(
        {key.removeprefix(prefix): state[key] for key in state if key.startswith(prefix)}
    )


def read_state(path: Path) -> dict[str, object]:
    """The state dict in a file, on the CPU; no code in it is run.

    Raises:
        DataError: when there is none.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(f"{path} holds no weights that torch can read: {error}") from error
    if not isinstance(state, dict):
        raise DataError(f"{path} holds no state dict, but a {type(state).__name__}")
    return state


def describe(config: MobileNet.Config) -> DataSource | None:
    """The manifest's entry for what the weights were trained on; the hash is of their file."""
    if config.weights == "random":
        return None
    path = _file(config)
    fetched = config.weights_path is None
    return DataSource(
        title=f"ImageNet-1k, by way of the pretrained weights {path.name} (hash of the file)",
        source=_FETCHED.url if fetched else f"file {path.name}",
        licence=licence_of(config.weights_path),
        sha256=sha256_of(path),
        n=1_281_167,
    )


def fingerprint(network: MobileNet, config: MobileNet.Config) -> str:
    """Hex digest of everything that decides the pooled features of a picture."""
    digest = hashlib.sha256(f"{config.padding} {config.scaling}".encode())
    for name, tensor in network.features.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


def licence_of(path: Path | None) -> str:
    """Of a file of weights, or of torchvision's where it is None."""
    if path is None:
        return "BSD-3-Clause (torchvision)"
    return "Apache-2.0" if path.name == LOCAL.name else "as its maker states"


def _file(config: MobileNet.Config) -> Path:
    if config.weights_path is None:
        return fetched(_FETCHED.url, data_dir() / "mobilenet", "network.weights_path")
    path = located(config.weights_path)
    if not path.is_file():
        raise DataError(f"there are no weights at {path} (network.weights_path)")
    return path


def fetched(url: str, folder: Path, option: str) -> Path:
    """The file of `url` in `folder`, downloaded when it is not there yet.

    Raises:
        DataError: when it cannot be; names `option`, which takes a file instead.
    """
    path = folder / url.rpartition("/")[2]
    if not path.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # The file's name ends in the first digits of its SHA-256; torch compares them.
            torch.hub.load_state_dict_from_url(
                url, str(folder), map_location="cpu", progress=False, check_hash=True
            )
        except (URLError, OSError, RuntimeError) as error:
            raise DataError(
                f"ImageNet weights are not in {folder} and could not be fetched: {error}. "
                f"Put {url} there, or name a file of your own: {option}"
            ) from error
    return path


def _check(state: dict[str, object], features: nn.Module, path: Path) -> None:
    wanted = {f"features.{name}": tensor for name, tensor in features.state_dict().items()}
    # What is beside the features, the classifier of ImageNet, is not used.
    came = {name: value for name, value in state.items() if name.startswith("features.")}
    problems = mismatches(wanted, came)
    if problems:
        more = f", and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise DataError(
            f"{path} holds weights of another network than torchvision's mobilenet_v2: "
            f"{'; '.join(problems[:_SHOWN])}{more}"
        )
