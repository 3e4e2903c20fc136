"""Choose a response by the client's Accept and Accept-Encoding headers (RFC 9110, 12.5)."""

from collections.abc import Mapping, Sequence

from service.codecs.content_coding import ContentCoding
from service.errors import BadRequest, NotAcceptable

_MAX_ELEMENTS = 100
"""Elements of one header; browsers send up to ten."""


def negotiate(accept_header: str | None, available: Sequence[str]) -> str:
    """Return the media type of `available` with the highest quality; of equals the first.

    Raises:
        NotAcceptable: the header excludes all of them.
        BadRequest: it has too many elements.
    """
    if not accept_header or accept_header == "*/*":
        return available[0]
    accepted = _parse_qualities(accept_header)
    qualities = [_match_quality(media_type, accepted) for media_type in available]
    best = max(qualities)
    if best <= 0:
        raise NotAcceptable(
            f"Accept is {accept_header[:120]}; available: {', '.join(available)}",
            accepted=list(available),
        )
    return available[qualities.index(best)]


def negotiate_coding(accept_encoding: str | None) -> ContentCoding | None:
    """Return gzip or deflate, whichever has the higher quality; None if neither is named.

    Raises:
        BadRequest: the header has too many elements.
    """
    qualities = _parse_qualities(accept_encoding or "")
    gzip, deflate = qualities.get("gzip", 0.0), qualities.get("deflate", 0.0)
    if max(gzip, deflate) <= 0:
        return None
    return "gzip" if gzip >= deflate else "deflate"


def _parse_qualities(header: str) -> Mapping[str, float]:
    """Return the quality of each value in lower case; of a repeated value, that of the first."""
    elements = header.count(",") + header.count(";") + 1
    if elements > _MAX_ELEMENTS:
        raise BadRequest(
            f"an Accept header has {elements} elements and parameters; the limit is {_MAX_ELEMENTS}"
        )
    qualities: dict[str, float] = {}
    for item in header.lower().split(","):
        value, *parameters = (token.strip() for token in item.split(";"))
        if value:
            qualities.setdefault(value, _quality(parameters))
    return qualities


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


def _match_quality(media_type: str, qualities: Mapping[str, float]) -> float:
    """Return the quality of the most specific range that covers the type; 0 if none does."""
    main_type = media_type.partition("/")[0]
    for media_range in (media_type, f"{main_type}/*", "*/*"):
        if media_range in qualities:
            return qualities[media_range]
    return 0.0
