"""`/v1/faces` and `/v1/faces/morph`."""

from typing import Annotated

from pydantic import Field

from service.schemas.base import (
    Base64Png,
    ModelResponse,
    ModelSelector,
    ResponseModel,
    Seed,
    example,
)


class _FaceParams(ModelSelector):
    """Parameters shared by grids and animations."""

    truncation: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 1.0
    """Truncation towards the model's typical face: 1 keeps each seed's face, lower values make
    faces more alike, 0 gives the typical face."""


class FacesParams(_FaceParams):
    """Parameters of face generation."""

    model_config = example({"count": 12, "seed": 7})

    count: Annotated[int, Field(ge=1, le=64)] = 16
    """Number of faces."""

    seed: Seed | None = None
    """Seed of the first face; each further face has the next seed. A seed always gives the same
    face with the same model version. Default: random, and returned in the response."""

    columns: Annotated[int, Field(ge=1, le=64, examples=[4])] | None = None
    """Faces per row of the image. Default: as square as possible."""


class MorphParams(_FaceParams):
    """Parameters of a morph between two faces."""

    model_config = example({"from": 7, "to": 8, "steps": 24})

    from_: Annotated[Seed | None, Field(alias="from")] = None
    """Seed of the first frame's face. Default: random, and returned in the response."""

    to: Seed | None = None
    """Seed of the last frame's face. Default: random, and returned in the response."""

    steps: Annotated[int, Field(ge=2, le=64)] = 24
    """Number of frames, including the first and the last."""

    frame_ms: Annotated[int, Field(ge=20, le=2000)] = 80
    """Duration of a frame, in milliseconds."""


class Face(ResponseModel):
    """One face."""

    seed: int
    image: Base64Png
    """A PNG, in base64."""


class FacesResponse(ModelResponse):
    """The faces in the order of their seeds."""

    model_config = example(
        {"model": "faces-gan", "version": 1, "faces": [{"seed": 7, "image": "iVBORw0KGgo="}]}
    )

    faces: list[Face]
