"""A text → pen strokes on a page."""

from collections.abc import Callable

from models_store.sampling.handwriting import sample_drawings
from models_store.tasks import HandwritingGeneration
from service.codecs.handwriting_render import Page, layout_page
from service.errors import InvalidValue
from service.handlers.generation import list_characters
from service.runtime.loaded_model import LoadedModel

_MAX_LISTED_SYMBOLS = 10


def validate_text(model: LoadedModel[HandwritingGeneration], text: str) -> None:
    """Raise InvalidValue if `text` has symbols that the model cannot draw, or only blanks."""
    symbols = model.task.symbols
    unknown = [symbol for symbol in dict.fromkeys(text) if symbol not in symbols and symbol != " "]
    if unknown:
        listed = unknown[:_MAX_LISTED_SYMBOLS]
        raise InvalidValue(
            f"{model.name} cannot draw {list_characters(listed)}; it draws {symbols} and blanks",
            characters=listed,
        )
    if not text.strip(" "):
        raise InvalidValue(f"text has only blanks; {model.name} draws {symbols}")


def generate_handwriting(
    model: LoadedModel[HandwritingGeneration],
    text: str,
    *,
    seed: int,
    bias: float,
    height: int,
    check: Callable[[], None],
) -> Page:
    """Return the text as strokes; `check` is called before every run of the graph."""
    drawings = sample_drawings(
        model.graphs["step"].run,
        model.task,
        text.replace(" ", ""),
        seed=seed,
        bias=bias,
        check=check,
    )
    return layout_page(text, drawings, model.task.aspect, height)
