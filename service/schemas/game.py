"""`/v1/game`: rounds of "person or network?"."""

from typing import Annotated, Literal

from pydantic import Field

from service.schemas.base import Base64Png, RequestParams, ResponseModel, example

GameName = Literal["digits", "faces"]
"""`digits`: which digit did a person write? `faces`: which is the photograph?"""


class GamesResponse(ResponseModel):
    """The games that can be played."""

    model_config = example({"games": ["digits"]})

    games: list[GameName]
    """`digits` if a handwriting model is ready; `faces` if a face model is ready and the operator
    provides photographs."""


class GameRound(ResponseModel):
    """Two images, one of them real, and the model that drew the other."""

    model_config = example(
        {
            "round": "digits.5f0c1b7ae2d94c33.9b1d6c0a4e7f2d58",
            "model": "handwriting-digits",
            "version": 1,
            "images": ["iVBORw0KGgo=", "iVBORw0KGgo="],
        }
    )

    round: str
    """Token of this round, which the choice is sent with. It does not contain the answer."""
    model: str
    version: int
    images: Annotated[list[Base64Png], Field(min_length=2, max_length=2)]
    """Two PNGs, in base64."""


class GameChoice(RequestParams):
    """Which image the player takes for the real one."""

    model_config = example({"round": "digits.5f0c1b7ae2d94c33.9b1d6c0a4e7f2d58", "choice": 0})

    round: Annotated[str, Field(max_length=80)]
    """The round's token."""

    choice: Annotated[int, Field(ge=0, le=1)]
    """Position of the image: 0 for the first, 1 for the second."""


class GameAnswer(ResponseModel):
    """The answer to a round."""

    model_config = example({"correct": True, "answer": 0})

    correct: bool
    answer: int
    """Position of the image that a person drew or photographed."""
