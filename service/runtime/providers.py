"""onnxruntime's execution providers: their names here, the packages that have them, and their use.

Providers are tried in the order of `DEEPSHELF_PROVIDERS`, for each graph: the first one on which
its golden cases replay within their tolerances computes it.
"""

import contextlib
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import onnxruntime as ort


class ProviderUnavailable(Exception):
    """The installed onnxruntime lacks a provider; the message names the package that has it."""


@dataclass(frozen=True)
class _ProviderSpec:
    ort_name: str
    package: str
    options: Mapping[str, str] = field(default_factory=dict)
    """Defaults, which the operator's options replace."""
    tolerance_factor: float = 1.0
    """Factor of the published tolerances of floating-point outputs. 1 for providers that compute in
    single precision. 10 for those that may choose half precision, whose numbers have 11 significant
    bits: rounding an operator's result changes it by up to 5e-4 of its value, and the published
    tolerance of probabilities is 1e-3."""
    parallel_runs: bool = True
    """True where each compute thread runs graphs on a core of its own. False for an accelerator,
    which runs one graph at a time: parallel runs would share its stream and its memory."""


_SPECS: Mapping[str, _ProviderSpec] = {
    "cpu": _ProviderSpec("CPUExecutionProvider", "onnxruntime"),
    # TensorFloat-32 has 11 significant bits.
    "cuda": _ProviderSpec(
        "CUDAExecutionProvider", "onnxruntime-gpu", {"use_tf32": "0"}, parallel_runs=False
    ),
    "tensorrt": _ProviderSpec(
        "TensorrtExecutionProvider",
        "onnxruntime-gpu with TensorRT",
        tolerance_factor=10,
        parallel_runs=False,
    ),
    # bfloat16, which newer processors would choose, has 8 significant bits.
    "openvino": _ProviderSpec(
        "OpenVINOExecutionProvider",
        "onnxruntime-openvino",
        {"device_type": "CPU", "precision": "FP32", "num_of_threads": "1"},
    ),
    "xnnpack": _ProviderSpec(
        "XnnpackExecutionProvider",
        "an onnxruntime built with --use_xnnpack",
        {"intra_op_num_threads": "1"},
    ),
    "coreml": _ProviderSpec(
        "CoreMLExecutionProvider", "onnxruntime for macOS", tolerance_factor=10, parallel_runs=False
    ),
    "directml": _ProviderSpec(
        "DmlExecutionProvider",
        "onnxruntime-directml for Windows",
        tolerance_factor=10,
        parallel_runs=False,
    ),
    "migraphx": _ProviderSpec(
        "MIGraphXExecutionProvider", "onnxruntime-migraphx", parallel_runs=False
    ),
}


@dataclass(frozen=True)
class Provider:
    """An execution provider with its options, shared by all graphs that it runs."""

    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    run_lock: AbstractContextManager[object] = field(default_factory=contextlib.nullcontext)
    """Held during a run."""

    @property
    def ort_name(self) -> str:
        return _SPECS[self.name].ort_name

    @property
    def tolerance_factor(self) -> float:
        return _SPECS[self.name].tolerance_factor

    @property
    def ort_providers(self) -> list[str | tuple[str, dict[str, str]]]:
        """Return this provider and, for operators that it lacks, the CPU."""
        if self.name == "cpu":
            return [(self.ort_name, dict(self.options))]
        return [(self.ort_name, dict(self.options)), CPU.ort_name]


CPU = Provider("cpu")


def create_providers(options_by_name: Mapping[str, Mapping[str, str]]) -> tuple[Provider, ...]:
    """Return the named providers, in order.

    Raises:
        ProviderUnavailable: a name is unknown, or the installed onnxruntime lacks the provider.
    """
    available = ort.get_available_providers()
    return tuple(_create(name, options, available) for name, options in options_by_name.items())


def _create(name: str, options: Mapping[str, str], available: list[str]) -> Provider:
    spec = _SPECS.get(name)
    if spec is None:
        raise ProviderUnavailable(f"there is no provider {name!r}; available: {', '.join(_SPECS)}")
    if spec.ort_name not in available:
        present = ", ".join(key for key, other in _SPECS.items() if other.ort_name in available)
        raise ProviderUnavailable(
            f"the installed onnxruntime has no {name}: install {spec.package} instead of "
            f"onnxruntime; it has {present}"
        )
    if spec.package.startswith("onnxruntime-gpu"):
        _load_cuda_libraries()
    run_lock = contextlib.nullcontext() if spec.parallel_runs else threading.Lock()
    return Provider(name, {**spec.options, **options}, run_lock)


def _load_cuda_libraries() -> None:
    """Load CUDA and cuDNN from the nvidia-… packages, where they are installed as such."""
    with contextlib.suppress(Exception):  # then the system's are used, or the session says why not
        ort.preload_dlls()
