"""Which of the media types that an answer can have the client likes best (RFC 9110, 12.5.1)."""

from collections.abc import Sequence

from service.errors import NotAcceptable

__all__ = ["negotiate"]


def negotiate(accept_header: str | None, available: Sequence[str]) -> str:
    """The best of `available`; between equals the first, which is the default too.

    Raises:
        NotAcceptable: none of them.
    """
    if not accept_header or accept_header == "*/*":
        return available[0]
    ranges = [_parse_media_range(part) for part in accept_header.split(",") if part.strip()]
    qualities = [_match_quality(media_type, ranges) for media_type in available]
    best = max(qualities)
    if best <= 0:
        raise NotAcceptable(
            f"Accept is {accept_header[:120]}; offered are {', '.join(available)}",
            accepted=list(available),
        )
    return available[qualities.index(best)]


def _parse_media_range(part: str) -> tuple[str, float]:
    media_range, *parameters = (token.strip() for token in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            quality = _parse_quality(value)
    return media_range.lower(), quality


def _parse_quality(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def _match_quality(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The most specific range that covers the type decides."""
    main = media_type.partition("/")[0]
    for pattern in (media_type, f"{main}/*", "*/*"):
        for media_range, quality in ranges:
            if media_range == pattern:
                return quality
    return 0.0
