"""A text → pen strokes on a page."""

from collections.abc import Callable

from models_store.sampling.handwriting import draw
from models_store.tasks import Handwriting
from service.codecs.handwriting_render import Page, lay_out
from service.errors import Invalid
from service.runtime.loaded_model import Published
from service.schemas.handwriting import HandwritingOptions

__all__ = ["check_text", "write_by_hand"]

_NAMED = 10


def check_text(model: Published[Handwriting], text: str) -> None:
    """Raises Invalid where `text` has symbols that the model cannot draw, or none at all."""
    symbols = model.task.symbols
    unknown = [one for one in dict.fromkeys(text) if one not in symbols and one != " "]
    if unknown:
        named = ", ".join(f"{one!r} (U+{ord(one):04X})" for one in unknown[:_NAMED])
        raise Invalid(
            f"{model.name} cannot draw {named}; it draws {symbols} and blanks",
            characters=unknown[:_NAMED],
        )
    if not text.strip(" "):
        raise Invalid(f"text is nothing but blanks; {model.name} draws {symbols}")


def write_by_hand(
    model: Published[Handwriting],
    options: HandwritingOptions,
    seed: int,
    check: Callable[[], None],
) -> Page:
    """The text as strokes; `check` is called before every run of the graph."""
    drawings = draw(
        model.graphs["step"].run,
        model.task,
        options.text.replace(" ", ""),
        seed=seed,
        bias=options.bias,
        check=check,
    )
    return lay_out(options.text, drawings, model.task.aspect, options.height)
