"""Is this the model that was published, and does it still compute what it computed then?"""

import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray
from pydantic import ValidationError

from models_store.errors import (
    IntegrityError,
    ManifestError,
    ReplayError,
    SignatureError,
    StoreError,
)
from models_store.layout import MANIFEST, SIGNATURE, file_sha256
from models_store.manifest import Manifest, ModelFile
from models_store.onnx.errors import clean_message
from models_store.onnx.wire import has_external_data
from models_store.signing.signatures import TrustedKeys, check_signature
from models_store.tasks import Compression

__all__ = [
    "MAX_MANIFEST_BYTES",
    "MAX_SIGNATURE_BYTES",
    "GoldenCase",
    "GraphFn",
    "TensorMap",
    "check_files",
    "parse_manifest",
    "read_golden_cases",
    "read_manifest",
    "replay_graph",
    "write_golden",
]

TensorMap = Mapping[str, NDArray[np.generic]]
GraphFn = Callable[[TensorMap], TensorMap]
"""Computes a graph's named outputs from its named inputs."""

MAX_MANIFEST_BYTES = 4 << 20
MAX_SIGNATURE_BYTES = 16 << 10
_MAX_GOLDEN_BYTES = 256 << 20
"""Of all arrays, unpacked."""


def read_manifest(folder: Path, trusted_keys: TrustedKeys | None = None) -> Manifest:
    """The manifest of a version's folder, which must agree with where it lies.

    Raises:
        ManifestError: when it is missing, does not validate, or is of another model.
        SignatureError: when keys are `trusted`, and none of them has signed it.
    """
    manifest = parse_manifest(folder, trusted_keys)
    location = (folder.parent.name, folder.name)
    declared = (manifest.name, str(manifest.version))
    if location != declared:
        raise ManifestError(
            f"{MANIFEST} says {'/'.join(declared)}, but it lies in {'/'.join(location)}"
        )
    return manifest


def parse_manifest(folder: Path, trusted_keys: TrustedKeys | None = None) -> Manifest:
    """The manifest in `folder`, wherever that lies.

    Raises:
        ManifestError: when it is missing or does not validate.
        SignatureError: when keys are `trusted`, and none of them has signed it.
    """
    try:
        content = _read_regular_file(folder / MANIFEST, MAX_MANIFEST_BYTES)
        if trusted_keys is not None:  # before anything is made of what it says
            check_signature(content, _read_signature(folder, trusted_keys), trusted_keys)
        return Manifest.model_validate_json(content)
    except OSError as error:
        raise ManifestError(f"{MANIFEST} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        location = ".".join(map(str, problem["loc"])) or "it"
        raise ManifestError(f"{MANIFEST}: {location}: {problem['msg']}") from error


def _read_signature(folder: Path, trusted_keys: TrustedKeys) -> bytes:
    try:
        return _read_regular_file(folder / SIGNATURE, MAX_SIGNATURE_BYTES)
    except FileNotFoundError as error:
        raise SignatureError(
            f"it is not signed: there is no {SIGNATURE}; served is what a trusted key has signed: "
            + ", ".join(trusted_keys.values())
        ) from error


def _read_regular_file(path: Path, limit: int) -> bytes:
    status = path.lstat()
    # A pipe would be waited for, a link to a device would never end.
    if not stat.S_ISREG(status.st_mode):
        raise ManifestError(f"{path.name} is not a plain file")
    if status.st_size > limit:
        raise ManifestError(f"{path.name} is over {_format_size(limit)}")
    return path.read_bytes()


def _format_size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"


def check_files(folder: Path, manifest: Manifest) -> None:
    """Every listed file is there, plain, whole, and byte for byte the one that was published.

    Raises:
        DamageError: naming the file and what is wrong with it.
    """
    for file in manifest.files:
        try:
            _check_file(folder / file.path, file)
        except OSError as error:
            raise IntegrityError(f"{file.path} cannot be read: {error.strerror}") from error


def _check_file(path: Path, file: ModelFile) -> None:
    if path.is_symlink() or not path.is_file():
        raise IntegrityError(f"{file.path} is missing or not a plain file")
    size = path.stat().st_size
    if size != file.bytes:
        raise IntegrityError(f"{file.path} has {size} bytes, not the published {file.bytes}")
    if file_sha256(path) != file.sha256:
        raise IntegrityError(f"{file.path} is not the published file: its SHA-256 differs")
    if file.is_graph and _has_external_data(path):
        raise IntegrityError(f"{file.path} keeps data in other files, which nothing vouches for")


def _has_external_data(path: Path) -> bool:
    try:
        return has_external_data(path.read_bytes())
    except ValueError as error:
        raise IntegrityError(f"{path.name} is not ONNX: {error}") from error


@dataclass(frozen=True)
class GoldenCase:
    """One golden case of one graph: inputs, and the outputs that the trained network gave."""

    inputs: TensorMap
    outputs: TensorMap


def write_golden(path: Path, cases: Mapping[str, list[GoldenCase]]) -> None:
    """Store the cases of each graph, by the graph's role."""
    arrays = {
        f"{role}/{index}/{kind}/{name}": tensor
        for role, role_cases in cases.items()
        for index, case in enumerate(role_cases)
        for kind, tensors in (("inputs", case.inputs), ("outputs", case.outputs))
        for name, tensor in tensors.items()
    }
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read_golden_cases(path: Path, graph: ModelFile, count: int) -> Iterator[GoldenCase]:
    """The stored cases of one graph.

    Raises:
        DamageError: when the file is no golden file, or lacks a case of this graph.
    """
    try:
        with _open_golden(path) as archive:
            for index in range(count):
                prefix = f"{graph.role}/{index}"
                yield GoldenCase(
                    {spec.name: archive[f"{prefix}/inputs/{spec.name}"] for spec in graph.inputs},
                    {spec.name: archive[f"{prefix}/outputs/{spec.name}"] for spec in graph.outputs},
                )
    except Exception as error:  # a damaged archive raises whatever its decoder happens to
        raise IntegrityError(f"{path.name} holds no case for {graph.path}: {error}") from error


def _open_golden(path: Path) -> NpzFile:
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > _MAX_GOLDEN_BYTES:
        raise ValueError(f"it unpacks to over {_MAX_GOLDEN_BYTES >> 20} MiB")
    # Pickles are programs: never allowed.
    golden: NpzFile = np.load(path, allow_pickle=False)
    return golden


def replay_graph(folder: Path, manifest: Manifest, graph: ModelFile, run: GraphFn) -> None:
    """Run every golden case of `graph` through `run` and compare.

    Where a graph decides what bytes mean, not the last bit may differ, whatever the limits say.

    Raises:
        ReplayError: naming the case, the output and the largest deviation.
    """
    path = folder / manifest.get_file("golden").path
    tolerances = manifest.tolerances(graph.precision)
    if isinstance(manifest.task, Compression) and graph.role in manifest.task.exact_roles:
        tolerances = (0.0, 0.0)
    for index, case in enumerate(read_golden_cases(path, graph, manifest.golden.cases)):
        outputs = _run_case(run, case, f"case {index} of {graph.path}")
        for name, expected in case.outputs.items():
            _check_tolerance(
                f"case {index}, output {name} of {graph.path}", outputs[name], expected, tolerances
            )


def _run_case(run: GraphFn, case: GoldenCase, label: str) -> TensorMap:
    try:
        outputs = run(case.inputs)
    except StoreError:
        raise
    except Exception as error:  # whatever the runtime's own exceptions are
        raise ReplayError(f"{label} cannot be computed: {clean_message(error)}") from error
    missing = sorted(set(case.outputs) - set(outputs))
    if missing:
        raise ReplayError(f"{label}: the graph gives no {', '.join(missing)}")
    return outputs


def _check_tolerance(
    label: str,
    actual: NDArray[np.generic],
    expected: NDArray[np.generic],
    tolerances: tuple[float, float],
) -> None:
    rtol, atol = tolerances
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        raise ReplayError(
            f"{label}: got {actual.dtype} {actual.shape}, published {expected.dtype} "
            f"{expected.shape}"
        )
    with np.errstate(invalid="ignore"):  # of two infinities
        deviation = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
        allowed = atol + rtol * np.abs(expected.astype(np.float64))
    # Written so that NaN fails too.
    if not bool(np.all(deviation <= allowed)):
        raise ReplayError(
            f"{label}: deviates by {deviation.max():.3g}, allowed {atol:g} + {rtol:g} × |value|"
        )
