"""Which of the media types that an answer can have the client likes best (RFC 9110, 12.5.1)."""

from collections.abc import Sequence

from service.errors import NotAcceptable

__all__ = ["preferred"]


def preferred(accept: str | None, offered: Sequence[str]) -> str:
    """The best of `offered`; between equals the first, which is the default too.

    Raises:
        NotAcceptable: none of them.
    """
    if not accept or accept == "*/*":
        return offered[0]
    ranges = [_range(part) for part in accept.split(",") if part.strip()]
    qualities = [_quality(media_type, ranges) for media_type in offered]
    best = max(qualities)
    if best <= 0:
        raise NotAcceptable(
            f"Accept is {accept[:120]}; offered are {', '.join(offered)}", accepted=list(offered)
        )
    return offered[qualities.index(best)]


def _range(part: str) -> tuple[str, float]:
    media_range, *parameters = (piece.strip() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            quality = _number(value)
    return media_range.lower(), quality


def _number(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def _quality(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The most specific range that covers the type decides."""
    main = media_type.partition("/")[0]
    for pattern in (media_type, f"{main}/*", "*/*"):
        for media_range, quality in ranges:
            if media_range == pattern:
                return quality
    return 0.0
