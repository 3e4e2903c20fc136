"""Verify a published model: its files match the manifest, and its graphs the golden cases."""

import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

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
from models_store.graph_signature import check_graph_signatures
from models_store.layout import MANIFEST, SIGNATURE, file_sha256
from models_store.manifest import Manifest, ModelFile, Precision
from models_store.onnx.errors import clean_message
from models_store.onnx.wire import has_external_data
from models_store.signing.signatures import TrustedKeys, check_signature
from models_store.tasks import Compression
from models_store.validation_messages import format_errors

TensorMap = Mapping[str, NDArray[np.generic]]
GraphFn = Callable[[TensorMap], TensorMap]
"""A graph as a function from named inputs to named outputs."""

GraphT = TypeVar("GraphT")

MAX_MANIFEST_BYTES = 4 << 20
MAX_SIGNATURE_BYTES = 16 << 10
_MAX_GOLDEN_BYTES = 256 << 20
"""Largest total size of the unpacked arrays."""


def read_manifest(folder: Path, trusted_keys: TrustedKeys | None = None) -> Manifest:
    """Read the manifest of a version's folder; its name and version must match the path.

    Raises:
        ManifestError: when it is missing, does not validate, or belongs to another model.
        SignatureError: when `trusted_keys` is given and none of the keys signed it.
    """
    manifest = parse_manifest(folder, trusted_keys)
    location = (folder.parent.name, folder.name)
    declared = (manifest.name, str(manifest.version))
    if location != declared:
        raise ManifestError(
            f"{MANIFEST} is for {'/'.join(declared)}, but its folder is {'/'.join(location)}"
        )
    return manifest


def parse_manifest(folder: Path, trusted_keys: TrustedKeys | None = None) -> Manifest:
    """Read the manifest in `folder`, without comparing it with the path.

    Raises:
        ManifestError: when it is missing or does not validate.
        SignatureError: when `trusted_keys` is given and none of the keys signed it.
    """
    try:
        content = _read_regular_file(folder / MANIFEST, MAX_MANIFEST_BYTES)
        if trusted_keys is not None:  # before the content is parsed
            check_signature(content, _read_signature(folder, trusted_keys), trusted_keys)
        return Manifest.model_validate_json(content)
    except OSError as error:
        raise ManifestError(f"{MANIFEST} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise ManifestError(f"{MANIFEST}: {format_errors(error, Manifest)}") from error


def _read_signature(folder: Path, trusted_keys: TrustedKeys) -> bytes:
    try:
        return _read_regular_file(folder / SIGNATURE, MAX_SIGNATURE_BYTES)
    except FileNotFoundError as error:
        raise SignatureError(
            f"it is not signed: there is no {SIGNATURE}; only versions signed by one of "
            f"these keys are served: {', '.join(trusted_keys.values())}"
        ) from error


def _read_regular_file(path: Path, limit: int) -> bytes:
    status = path.lstat()
    # Reading a pipe would block, and a link to a device would never end.
    if not stat.S_ISREG(status.st_mode):
        raise ManifestError(f"{path.name} is not a plain file")
    if status.st_size > limit:
        size = f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit >> 10} KiB"
        raise ManifestError(f"{path.name} is over {size}")
    return path.read_bytes()


def check_files(folder: Path, manifest: Manifest) -> None:
    """Check that every listed file exists, is a regular file, and matches its size and hash.

    Raises:
        IntegrityError: naming the file and what is wrong with it.
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
        raise IntegrityError(f"{file.path} stores data in other files, which are not verified")


def _has_external_data(path: Path) -> bool:
    try:
        return has_external_data(path.read_bytes())
    except ValueError as error:
        raise IntegrityError(f"{path.name} is not ONNX: {error}") from error


@dataclass(frozen=True)
class GoldenCase:
    """Inputs of a graph, and the outputs that the trained network computed for them."""

    inputs: TensorMap
    outputs: TensorMap


def write_golden(path: Path, cases: Mapping[str, list[GoldenCase]]) -> None:
    """Write the cases of each graph, keyed by its role. Strings may be objects, as outputs are."""
    arrays = {
        f"{role}/{index}/{kind}/{name}": tensor.astype(np.str_)
        if tensor.dtype == object
        else tensor
        for role, role_cases in cases.items()
        for index, case in enumerate(role_cases)
        for kind, tensors in (("inputs", case.inputs), ("outputs", case.outputs))
        for name, tensor in tensors.items()
    }
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read_golden_cases(path: Path, graph: ModelFile, count: int) -> Iterator[GoldenCase]:
    """Yield the stored cases of one graph.

    Raises:
        IntegrityError: when the file is damaged or lacks a case of this graph.
    """
    try:
        with _open_golden(path) as archive:
            for index in range(count):
                prefix = f"{graph.role}/{index}"
                yield GoldenCase(
                    {spec.name: archive[f"{prefix}/inputs/{spec.name}"] for spec in graph.inputs},
                    {spec.name: archive[f"{prefix}/outputs/{spec.name}"] for spec in graph.outputs},
                )
    except Exception as error:  # a damaged archive raises many kinds of exceptions
        raise IntegrityError(f"{path.name} holds no case for {graph.path}: {error}") from error


def _open_golden(path: Path) -> NpzFile:
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > _MAX_GOLDEN_BYTES:
        raise ValueError(f"it unpacks to over {_MAX_GOLDEN_BYTES >> 20} MiB")
    # Loading a pickle runs code.
    golden: NpzFile = np.load(path, allow_pickle=False)
    return golden


def replay_graph(
    folder: Path,
    manifest: Manifest,
    graph: ModelFile,
    run: GraphFn,
    *,
    tolerance_factor: float = 1.0,
) -> None:
    """Run every golden case of `graph` through `run` and compare.

    `tolerance_factor` multiplies the tolerances of floating-point outputs. Graphs that entropy
    coding depends on must match exactly, whatever the tolerances.

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
            factor = tolerance_factor if expected.dtype.kind == "f" else 1.0
            _check_tolerance(
                f"case {index}, output {name} of {graph.path}",
                outputs[name],
                expected,
                (tolerances[0] * factor, tolerances[1] * factor),
            )


def load_graphs(
    manifest: Manifest, precision: Precision, load: Callable[[ModelFile], GraphT]
) -> dict[str, GraphT]:
    """Load the graphs of a version by role; `load` loads one and replays its golden cases.

    Raises:
        ManifestError: the graphs do not have the tensors that the task declares.
    """
    specs = manifest.graphs(precision)
    check_graph_signatures(manifest.task, specs)
    return {role: load(spec) for role, spec in specs.items()}


def _run_case(run: GraphFn, case: GoldenCase, label: str) -> TensorMap:
    try:
        outputs = run(case.inputs)
    except StoreError:
        raise
    except Exception as error:  # the runtime has no public exception base
        raise ReplayError(f"{label} cannot be computed: {clean_message(error)}") from error
    missing = sorted(set(case.outputs) - set(outputs))
    if missing:
        raise ReplayError(f"{label}: the graph returns no {', '.join(missing)}")
    return outputs


def _check_tolerance(
    label: str,
    actual: NDArray[np.generic],
    expected: NDArray[np.generic],
    tolerances: tuple[float, float],
) -> None:
    rtol, atol = tolerances
    if expected.dtype.kind == "U":
        _check_strings(label, actual, expected)
        return
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        raise ReplayError(
            f"{label}: got {actual.dtype} {actual.shape}, published {expected.dtype} "
            f"{expected.shape}"
        )
    with np.errstate(invalid="ignore"):  # two infinities
        deviation = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
        allowed = atol + rtol * np.abs(expected.astype(np.float64))
    # Written so that NaN fails too.
    if not bool(np.all(deviation <= allowed)):
        raise ReplayError(
            f"{label}: deviates by {deviation.max():.3g}, allowed {atol:g} + {rtol:g} × |value|"
        )


def _check_strings(label: str, actual: NDArray[np.generic], expected: NDArray[np.generic]) -> None:
    """Compare objects, as a runtime returns strings, with numpy's text, as an archive has it."""
    if actual.shape != expected.shape or not bool(np.all(actual.astype(np.str_) == expected)):
        raise ReplayError(f"{label}: the strings differ from the published ones")
