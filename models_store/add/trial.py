"""Run a graph for the first time, in a child process with a time limit."""

import signal
import subprocess
import sys
from pathlib import Path

from pydantic import NonNegativeInt, ValidationError

from models_store.base import FrozenModel
from models_store.errors import AddError
from models_store.manifest import DType, TensorSpec

RESULT = "trial.json"


class TrialRequest(FrozenModel):
    """A graph to run, and inputs for it."""

    model: Path
    inputs: tuple[TensorSpec, ...]
    golden: Path
    """Golden cases are written to this file."""
    sample: Path | None = None
    has_batch_axis: bool
    """True if the first dimension of every input may be a batch axis."""


class OutputTensor(FrozenModel):
    """An output of the first run."""

    name: str
    dtype: DType
    shape: tuple[NonNegativeInt, ...]
    inferred: tuple[int | None, ...]
    """Sizes that onnxruntime infers from the graph; None for free ones."""


class TrialResult(FrozenModel):
    """Result of the runs, or the error that ended them."""

    outputs: tuple[OutputTensor, ...] = ()
    cases: int = 0
    rows_are_independent: bool = False
    only_size: int | None = None
    """The only size that works for the free dimensions after the first; None if any size works."""
    milliseconds: float = 0.0
    """Duration of a run of one row, or of the whole sample if its rows are not independent."""
    error: str | None = None


def run_trial(request: TrialRequest, time_limit_s: float) -> TrialResult:
    """Run the graph of `request`.

    Raises:
        AddError: the graph fails, crashes onnxruntime or takes longer than `time_limit_s`.
    """
    try:
        process = subprocess.run(  # this interpreter, and a module of this package
            [sys.executable, "-m", "models_store.add.trial_child"],
            input=request.model_dump_json().encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=time_limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise AddError(
            f"the graph did not finish its first runs within {time_limit_s:g} s (--time-limit)"
        ) from None
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        hint = ", perhaps because memory ran out" if name == "SIGKILL" else ""
        raise AddError(f"the graph crashed onnxruntime ({name}) in its first run{hint}")
    try:
        result = TrialResult.model_validate_json((request.golden.parent / RESULT).read_bytes())
    except (OSError, ValidationError) as error:
        lines = process.stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"]
        raise AddError(f"the graph could not be tried: {lines[-1]}") from error
    if result.error is not None:
        raise AddError(result.error)
    return result
