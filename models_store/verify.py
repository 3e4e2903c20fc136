"""Is this the model that was published, and does it still compute what it computed then?"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from models_store.errors import DamageError, ManifestError, ReplayError
from models_store.layout import MANIFEST, sha256_of
from models_store.manifest import Golden, Manifest, ModelFile

__all__ = ["Case", "Run", "check_files", "golden_cases", "read_manifest", "replay", "write_golden"]

Tensors = Mapping[str, NDArray[np.generic]]
Run = Callable[[Tensors], Tensors]
"""Computes a graph's named outputs from its named inputs."""

_MAX_MANIFEST_BYTES = 4 << 20


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a version's folder, which must agree with where it lies.

    Raises:
        ManifestError: when it is missing, does not validate, or is of another model.
    """
    path = folder / MANIFEST
    try:
        if path.stat().st_size > _MAX_MANIFEST_BYTES:
            raise ManifestError(f"{MANIFEST} is over {_MAX_MANIFEST_BYTES >> 20} MiB")
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ManifestError(f"{MANIFEST} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "it"
        raise ManifestError(f"{MANIFEST}: {where}: {problem['msg']}") from error
    lies = (folder.parent.name, folder.name)
    says = (manifest.name, str(manifest.version))
    if lies != says:
        raise ManifestError(f"{MANIFEST} says {'/'.join(says)}, but it lies in {'/'.join(lies)}")
    return manifest


def check_files(folder: Path, manifest: Manifest) -> None:
    """Every listed file is there, a plain file, and byte for byte the one that was published.

    Raises:
        DamageError: naming the file and what is wrong with it.
    """
    for file in manifest.files:
        path = folder / file.path
        if path.is_symlink() or not path.is_file():
            raise DamageError(f"{file.path} is missing or not a plain file")
        size = path.stat().st_size
        if size != file.bytes:
            raise DamageError(f"{file.path} has {size} bytes, not the published {file.bytes}")
        if sha256_of(path) != file.sha256:
            raise DamageError(f"{file.path} is not the published file: its SHA-256 differs")


@dataclass(frozen=True)
class Case:
    """One golden case of one graph: inputs, and the outputs that the trained network gave."""

    inputs: Tensors
    outputs: Tensors


def write_golden(path: Path, cases: Mapping[str, list[Case]]) -> None:
    """Store the cases of each graph, by the graph's role."""
    arrays = {
        f"{role}/{index}/{kind}/{name}": tensor
        for role, of_role in cases.items()
        for index, case in enumerate(of_role)
        for kind, tensors in (("inputs", case.inputs), ("outputs", case.outputs))
        for name, tensor in tensors.items()
    }
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def golden_cases(path: Path, graph: ModelFile, count: int) -> Iterator[Case]:
    """The stored cases of one graph.

    Raises:
        DamageError: when the file is no golden file, or lacks a case of this graph.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            for index in range(count):
                prefix = f"{graph.role}/{index}"
                yield Case(
                    {spec.name: archive[f"{prefix}/inputs/{spec.name}"] for spec in graph.inputs},
                    {spec.name: archive[f"{prefix}/outputs/{spec.name}"] for spec in graph.outputs},
                )
    except (OSError, KeyError, ValueError) as error:
        raise DamageError(f"{path.name} holds no case for {graph.path}: {error}") from error


def replay(folder: Path, manifest: Manifest, graph: ModelFile, run: Run) -> None:
    """Run every golden case of `graph` through `run` and compare.

    Raises:
        ReplayError: naming the case, the output and the largest deviation.
    """
    golden = manifest.golden
    path = folder / manifest.file("golden").path
    for index, case in enumerate(golden_cases(path, graph, golden.cases)):
        got = run(case.inputs)
        for name, expected in case.outputs.items():
            _compare(f"case {index}, output {name} of {graph.path}", got[name], expected, golden)


def _compare(
    what: str, got: NDArray[np.generic], expected: NDArray[np.generic], limits: Golden
) -> None:
    if got.shape != expected.shape or got.dtype != expected.dtype:
        raise ReplayError(
            f"{what}: got {got.dtype} {got.shape}, published {expected.dtype} {expected.shape}"
        )
    deviation = np.abs(got.astype(np.float64) - expected.astype(np.float64))
    allowed = limits.atol + limits.rtol * np.abs(expected.astype(np.float64))
    # Written so that NaN fails too.
    if not bool(np.all(deviation <= allowed)):
        raise ReplayError(
            f"{what}: deviates by {deviation.max():.3g}, "
            f"allowed {limits.atol:g} + {limits.rtol:g} × |value|"
        )
