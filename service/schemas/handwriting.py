"""`GET /v1/handwriting`."""

from typing import Annotated

from pydantic import Field

from service.schemas.base import ModelResponse, ModelSelector, ResponseModel, Seed, example


class HandwritingParams(ModelSelector):
    """Parameters of handwriting."""

    text: Annotated[str, Field(min_length=1, max_length=64, examples=["2026"])] = "0123456789"
    """Symbols that the model can draw, such as digits, and blanks."""

    seed: Seed | None = None
    """The same request with the same seed gives the same drawing from the same version of a model
    on the same kind of machine. Default: random, and returned in the response."""

    bias: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 1.0
    """0 gives the variety of the training data; higher values give neater and more uniform writing
    (Graves 2013, arXiv 1308.0850, section 5.4)."""

    height: Annotated[int, Field(ge=16, le=256)] = 96
    """Height of a symbol, in pixels; there is a margin around the text."""

    animate: bool = False
    """Animate the strokes of an SVG."""


class HandwrittenSymbol(ResponseModel):
    """One symbol of the text; blanks are omitted."""

    symbol: str
    strokes: list[list[tuple[float, float]]]
    """Lines of points between two lifts of the pen: x to the right and y down, in pixels of the
    page."""


class HandwritingResponse(ModelResponse):
    """The strokes of a text."""

    model_config = example(
        {
            "model": "handwriting-digits",
            "version": 1,
            "seed": 7,
            "text": "1",
            "width": 62,
            "height": 123,
            "symbols": [{"symbol": "1", "strokes": [[[13.4, 60.1], [41.0, 15.2], [38.5, 110.0]]]}],
        }
    )

    seed: int
    """Seed of the drawing."""
    text: str
    width: int
    height: int
    symbols: list[HandwrittenSymbol]
