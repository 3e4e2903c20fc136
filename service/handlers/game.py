"""Rounds of "person or network?": two images, one real and one drawn by a model.

A round is a token: its game, a nonce and a MAC of both. Everything about the round, such as which
image is the real one, follows from an HMAC of the nonce, so that nothing is stored, the token does
not give the answer away, and any worker that has the secret can check a choice.
"""

import hmac
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models_store.sampling.handwriting import Drawing, sample_drawings
from models_store.tasks import ColorMode, FaceGeneration, FixedImage, HandwritingGeneration
from service.codecs.handwriting_render import layout_page, render_png
from service.codecs.images import decode_resized, encode_png
from service.errors import InvalidValue, ServiceError, Unavailable
from service.handlers.faces import generate_faces
from service.runtime.loaded_model import LoadedModel

_PEN_DIGITS = Path(__file__).with_name("pen_digits.json")
PHOTOGRAPH_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
_BIAS = 0.5
"""Neatness of the model's digits. At 1 they are more legible than people's (99.8 and 97.7 %)."""
_TRUNCATION = 0.9
_HEIGHT = 256
"""Height of a digit, in pixels."""

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Round:
    """One round and all that was drawn at random for it."""

    token: str
    real: int
    """Position of the real image: 0 or 1."""
    seed: int

    def order(self, real: bytes, generated: bytes) -> tuple[bytes, bytes]:
        return (real, generated) if self.real == 0 else (generated, real)


def new_round(game: str, secret: bytes) -> Round:
    """Return a round with a random nonce."""
    return _derive_round(f"{game}.{secrets.token_hex(8)}", secret)


def read_round(token: str, secret: bytes) -> Round:
    """Return the round of `token`.

    Raises:
        InvalidValue: the token was not made with this secret.
    """
    derived = _derive_round(token.rpartition(".")[0], secret)
    if not hmac.compare_digest(derived.token.encode(), token.encode()):
        raise InvalidValue("round is not a token of this service; GET a new round")
    return derived


def _derive_round(name: str, secret: bytes) -> Round:
    digest = hmac.digest(secret, name.encode(), "sha256")
    return Round(
        token=f"{name}.{digest[:8].hex()}",
        real=digest[8] & 1,
        seed=int.from_bytes(digest[9:16], "big"),
    )


def draw_digits(
    model: LoadedModel[HandwritingGeneration], round_: Round, check: Callable[[], None]
) -> tuple[bytes, bytes]:
    """Return two PNGs of the same digit, the person's at `round_.real`."""
    random = np.random.default_rng(round_.seed)
    drawings = _pen_digits()
    digit = str(random.choice([symbol for symbol in drawings if symbol in model.task.symbols]))
    person = drawings[digit][random.integers(len(drawings[digit]))]
    (network,) = sample_drawings(
        model.graphs["step"].run, model.task, digit, seed=round_.seed, bias=_BIAS, check=check
    )
    pages = [
        layout_page(digit, [Drawing(digit, _fill_box(strokes))], model.task.aspect, _HEIGHT)
        for strokes in (person, network.strokes)
    ]
    return round_.order(render_png(pages[0]), render_png(pages[1]))


def _fill_box(strokes: tuple[Points, ...]) -> tuple[Points, ...]:
    """Stretch a drawing to the whole box, on a grid of 1/100, as the recorded digits are."""
    points = np.concatenate(strokes)
    corner = points.min(axis=0)
    size = np.maximum(np.ptp(points, axis=0), 1e-6)
    return tuple(np.round((stroke - corner) / size, 2) for stroke in strokes)


@lru_cache(maxsize=1)
def _pen_digits() -> dict[str, list[tuple[Points, ...]]]:
    """Return people's drawings by digit; the file names their authors and licence."""
    digits = json.loads(_PEN_DIGITS.read_text("utf-8"))["digits"]
    return {
        digit: [tuple(np.array(stroke) / 100.0 for stroke in drawing) for drawing in drawings]
        for digit, drawings in digits.items()
    }


def list_photographs(folder: Path | None) -> list[Path]:
    """Return the image files in `folder`, in the order of their names; none without a folder."""
    try:
        files = sorted(folder.iterdir()) if folder else []
    except OSError:
        return []
    return [file for file in files if file.suffix.lower() in PHOTOGRAPH_SUFFIXES]


def show_faces(
    model: LoadedModel[FaceGeneration],
    round_: Round,
    check: Callable[[], None],
    *,
    photographs: list[Path],
    max_pixels: int,
) -> tuple[bytes, bytes]:
    """Return two PNGs of the generator's size, the photograph at `round_.real`.

    Raises:
        Unavailable: none of the photographs can be read.
    """
    (face,) = generate_faces(model, [round_.seed], _TRUNCATION, check)
    height, width, channels = face.shape
    mode: ColorMode = "L" if channels == 1 else "RGB"
    spec = FixedImage(width=width, height=height, mode=mode, resize="crop")
    order = np.random.default_rng(round_.seed).permutation(len(photographs))
    readable = _decode_first((photographs[index] for index in order), spec, max_pixels)
    return round_.order(encode_png(readable), encode_png(face))


def _decode_first(files: Iterator[Path], spec: FixedImage, max_pixels: int) -> NDArray[np.uint8]:
    for file in files:
        try:
            return decode_resized(file.read_bytes(), spec, max_pixels)
        except (OSError, ServiceError):
            continue
    raise Unavailable("none of the photographs for the game can be read")
