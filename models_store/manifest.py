"""The manifest of a published model: everything that serving it needs, and its model card.

The card (Mitchell et al. 2019, "Model Cards for Model Reporting") states provenance, measured
figures, intended use and limits.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, FiniteFloat, NonNegativeInt, PositiveInt, model_validator

from models_store.base import FrozenModel
from models_store.batching import Batching
from models_store.layout import MANIFEST
from models_store.tasks import Task

ModelName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}[a-z0-9]$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,126}$")]
# JSON has neither NaN nor infinity: pydantic writes both as null, which is then no number.
NonNegative = Annotated[FiniteFloat, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
DType = Literal[
    "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    "float16", "float32", "float64", "bool", "string",
]  # fmt: skip
Role = Literal[
    "model", "encoder", "decoder", "features", "low", "middle", "high", "generator", "step",
    "tables", "golden", "preview",
]  # fmt: skip
Precision = Literal["fp32", "int8"]


class TensorSpec(FrozenModel):
    """An input or output of a graph. A named dimension is free; a number is fixed."""

    name: str
    dtype: DType
    shape: tuple[PositiveInt | str, ...]


class ModelFile(FrozenModel):
    """One file of the version's folder."""

    path: FileName
    role: Role
    bytes: PositiveInt
    sha256: Sha256
    precision: Precision | None = None
    """Precision of a graph: `fp32`, or `int8` for a quantised variant. None for other files."""
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()

    @property
    def is_graph(self) -> bool:
        return self.role not in ("tables", "golden", "preview")

    @property
    def is_batchable(self) -> bool:
        """True if each row of every input is an example and gives a row of every output."""
        tensors = (*self.inputs, *self.outputs)
        first_dimensions = {tensor.shape[0] for tensor in tensors if tensor.shape}
        batch = next(iter(first_dimensions), None)
        return (
            len(first_dimensions) == 1
            and isinstance(batch, str)
            and all(tensor.shape for tensor in tensors)
            and not any(batch in tensor.shape[1:] for tensor in tensors)
        )

    @model_validator(mode="after")
    def _graphs_are_described(self) -> Self:
        described = bool(self.precision and self.inputs and self.outputs)
        if self.is_graph and not described:
            raise ValueError(f"{self.path} is a graph: it needs precision, inputs and outputs")
        if not self.is_graph and self.precision:
            raise ValueError(f"{self.path} is not a graph: it must not have a precision")
        return self


class Golden(FrozenModel):
    """Tolerances within which a runtime must reproduce the outputs in the golden file.

    An output passes if `|got - expected| <= atol + rtol * |expected|` for every element.
    """

    cases: PositiveInt
    rtol: NonNegative
    atol: NonNegative


class Variant(FrozenModel):
    """Quantised graphs, stored beside the graphs they were made from."""

    precision: Literal["int8"]
    method: str
    """Quantisation method and calibration data."""
    rtol: NonNegative
    atol: NonNegative
    """Tolerances as in `Golden`, against the fp32 network's golden outputs."""
    speedup: Annotated[FiniteFloat, Field(gt=0)]
    """Speed relative to fp32 on `hardware`, with one thread."""
    hardware: str
    created: datetime
    command: str
    """Command that made the variant."""
    libraries: dict[str, str]


class Metric(FrozenModel):
    """One measured figure."""

    name: str
    value: FiniteFloat
    unit: str = ""
    dataset: str
    split: str
    n: PositiveInt
    """Number of examples."""
    precision: Precision = "fp32"
    note: str = ""


class DataSource(FrozenModel):
    """A data set that the model was trained on."""

    title: str
    source: str
    licence: str
    sha256: Sha256
    """Hash of the decoded training data, which identifies the data exactly."""
    n: PositiveInt


class Provenance(FrozenModel):
    """Everything needed to train the same model again."""

    recipe: dict[str, Any]
    command: str
    seed: NonNegativeInt
    git_commit: str | None
    libraries: dict[str, str]
    hardware: str
    duration_s: NonNegative
    epochs: PositiveInt | None = None


class Manifest(FrozenModel):
    """A published model: `models_store/<name>/<version>/manifest.json`."""

    schema_version: Literal[1] = 1
    name: ModelName
    version: PositiveInt
    created: datetime
    summary: str
    task: Task
    files: Annotated[tuple[ModelFile, ...], Field(min_length=1)]
    golden: Golden
    parameters: NonNegativeInt
    metrics: tuple[Metric, ...]
    data: tuple[DataSource, ...]
    provenance: Provenance
    licence: str
    intended_use: str
    limits: str
    variants: tuple[Variant, ...] = ()
    served: Precision = "fp32"
    """Default precision: the one with the better measured figures."""
    batching: dict[FileName, Batching] = Field(default_factory=dict)
    """Limits of dynamic batching, by the file of the graph. A graph without does not batch."""

    @model_validator(mode="after")
    def _files_are_complete(self) -> Self:
        paths = [file.path for file in self.files]
        if len(set(paths)) != len(paths):
            raise ValueError(f"a file is listed twice: {', '.join(sorted(paths))}")
        if MANIFEST in paths:
            raise ValueError(f"{MANIFEST} cannot list itself")
        roles = [(file.role, file.precision) for file in self.files]
        for role, precision in roles:
            if roles.count((role, precision)) > 1:
                suffix = f" and precision {precision}" if precision else ""
                raise ValueError(f"two files have the role {role}{suffix}")
        # A quantised variant stands beside the graph that it was made from, never in its place.
        present = {
            file.role for file in self.files if not file.is_graph or file.precision == "fp32"
        }
        missing = {*self.task.roles, *self.task.signature, "golden", "preview"} - present
        if missing:
            raise ValueError(
                f"a {self.task.kind} model needs a file with role {', '.join(sorted(missing))}"
            )
        return self

    @model_validator(mode="after")
    def _variants_are_whole(self) -> Self:
        described = [variant.precision for variant in self.variants]
        if len(set(described)) != len(described):
            raise ValueError(f"a variant is described twice: {', '.join(described)}")
        quantized = {file.precision for file in self.files if file.is_graph} - {"fp32"}
        if quantized != set(described):
            raise ValueError(
                f"there are graphs of {', '.join(sorted(map(str, quantized))) or 'no variant'}, "
                f"but {', '.join(described) or 'none'} is described"
            )
        for variant in self.variants:
            missing = set(self.graphs()) - set(self.graphs(variant.precision))
            if missing:
                raise ValueError(
                    f"{variant.precision} has no graph with role {', '.join(sorted(missing))}"
                )
        if self.served not in ("fp32", *described):
            raise ValueError(f"{self.served} is served, but there is no such variant")
        return self

    @model_validator(mode="after")
    def _batching_is_of_graphs(self) -> Self:
        batchable = {file.path for file in self.files if file.is_batchable}
        unknown = sorted(set(self.batching) - batchable)
        if unknown:
            raise ValueError(f"batching names {', '.join(unknown)}, which has no free batch axis")
        return self

    def graphs(self, precision: Precision = "fp32") -> dict[str, ModelFile]:
        """Return the graphs of one precision, by role."""
        return {f.role: f for f in self.files if f.is_graph and f.precision == precision}

    def tolerances(self, precision: Precision | None) -> tuple[float, float]:
        """Return `rtol` and `atol` of the golden outputs for graphs of this precision."""
        for variant in self.variants:
            if variant.precision == precision:
                return variant.rtol, variant.atol
        return self.golden.rtol, self.golden.atol

    def get_file(self, role: Role) -> ModelFile:
        """Return the file with `role`, the fp32 one of a graph. `golden` and `preview` exist."""
        return next(
            file for file in self.files if file.role == role and file.precision in (None, "fp32")
        )
