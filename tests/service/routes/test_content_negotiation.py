"""Choosing a media type and a content coding (RFC 9110, 12.5)."""

import pytest

from service.errors import BadRequest, NotAcceptable
from service.routes.http.content_negotiation import negotiate, negotiate_coding


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "image/png"),
        ("*/*", "image/png"),
        ("application/json", "application/json"),
        ("text/html, application/*;q=0.5, image/*;q=0.4", "application/json"),
        ("*/*;q=0.1, image/png;q=0", "application/json"),
        ("IMAGE/PNG", "image/png"),
        ("application/json; charset=utf-8", "application/json"),
        ("image/png;q=0.5, application/json;q=0.50001", "application/json"),
    ],
)
def test_media_type_has_the_highest_quality(accept: str | None, media_type: str) -> None:
    assert negotiate(accept, ("image/png", "application/json")) == media_type


@pytest.mark.parametrize("accept", ["text/html", "image/png;q=0", "image/png;q=x", ";;,"])
def test_no_acceptable_media_type_is_an_error(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="available: image/png"):
        negotiate(accept, ("image/png",))


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        (None, None),
        ("", None),
        ("br", None),
        ("*", None),
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br", "gzip"),
        ("gzip;q=0.2, deflate;q=0.7", "deflate"),
        ("gzip;q=0", None),
        ("gzip;q=x", None),
    ],
)
def test_content_coding_has_the_highest_quality(accept: str | None, coding: str | None) -> None:
    assert negotiate_coding(accept) == coding


@pytest.mark.parametrize("header", ["a/b," * 100, "*/*" + ";a=b" * 100, "," * 60_000])
def test_a_header_of_many_elements_is_rejected(header: str) -> None:
    with pytest.raises(BadRequest, match="the limit is 100"):
        negotiate(header, ("image/png",))
    with pytest.raises(BadRequest, match="the limit is 100"):
        negotiate_coding(header)
