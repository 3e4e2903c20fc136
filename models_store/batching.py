"""How many rows of concurrent requests a graph runs together, and the measurement behind it."""

from typing import Annotated

from pydantic import Field, FiniteFloat, PositiveInt

from models_store.base import FrozenModel

DEFAULT_WAIT_MS = 2.0

Positive = Annotated[FiniteFloat, Field(gt=0)]


class BatchMeasurement(FrozenModel):
    """Speed of runs of one batch size, on one thread."""

    size: PositiveInt
    runs_per_s: Positive
    rows_per_s: Positive


class Batching(FrozenModel):
    """Limits of dynamic batching of one graph."""

    max_batch_size: PositiveInt
    """Rows of a run; 1 where larger batches were measured to bring nothing."""
    max_wait_ms: Annotated[FiniteFloat, Field(ge=0)]
    """Longest time for which a run that could start takes in further waiting requests."""
    measured: tuple[BatchMeasurement, ...] = ()
    hardware: str = ""

    def describe(self) -> str:
        """Return the limits and the measured gain in a phrase."""
        if self.max_batch_size == 1:
            return "off: single rows are about as fast"
        rates = {measurement.size: measurement.rows_per_s for measurement in self.measured}
        gain = rates.get(self.max_batch_size, 0.0) / rates.get(1, 1.0)
        measured = f" ({gain:.1f} × the rows per second of single rows)" if gain else ""
        return f"up to {self.max_batch_size} rows, {self.max_wait_ms:g} ms{measured}"


def parse_batching(text: str) -> dict[str, Batching]:
    """Parse `name=off,name=16:5`, model name → limits; a part without a name is for all, as `*`.

    Raises:
        ValueError: the text has another format.
    """
    parts = [item.strip().rpartition("=") for item in text.split(",") if item.strip()]
    return {name.strip() or "*": _parse_limits(limits.strip()) for name, _, limits in parts}


def _parse_limits(text: str) -> Batching:
    if text == "off":
        return Batching(max_batch_size=1, max_wait_ms=0.0)
    size, _, wait_ms = text.partition(":")
    try:
        return Batching(max_batch_size=int(size), max_wait_ms=float(wait_ms or DEFAULT_WAIT_MS))
    except ValueError:
        raise ValueError(
            "the format is model=off, model=ROWS or model=ROWS:WAIT_MS, comma-separated, "
            "such as iris=32:5"
        ) from None
