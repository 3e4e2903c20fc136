"""Which requests are told without a parser, and that none is that a parser could read otherwise."""

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.server.load_shedding.fast_parse import SimpleRequest, parse_simple_request

HEAD = b"POST /v1/classify?top_k=3 HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nContent-Length: 3\r\n"


def _request(*lines: bytes, body: bytes = b"abc") -> bytes:
    return HEAD + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (_request(), SimpleRequest("POST", "/v1/classify")),
        (_request(b"connection: Keep-Alive"), SimpleRequest("POST", "/v1/classify")),
        (_request(b"X-API-Key:  secret "), SimpleRequest("POST", "/v1/classify")),
        (b"GET /v1/faces HTTP/1.1\r\nHost: x\r\n\r\n", SimpleRequest("GET", "/v1/faces")),
        (b"POST /a HTTP/1.1\r\ncontent-length:0\t\r\n\r\n", SimpleRequest("POST", "/a")),
    ],
)
def test_a_whole_plain_request_is_told(data: bytes, told: SimpleRequest) -> None:
    assert parse_simple_request(data) == told


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_request(body=b"ab"), id="not-all-of-the-body"),
        pytest.param(_request(body=b"abcG"), id="the-next-one-behind-it"),
        pytest.param(_request()[:40], id="not-all-of-the-head"),
        pytest.param(b"\r\n" + _request(), id="an-empty-line-first"),
        pytest.param(_request(b"Content-Length: 3"), id="two-lengths"),
        pytest.param(_request(b"Content-Length : 3"), id="space-before-the-colon"),
        pytest.param(HEAD.replace(b": 3", b": +3") + b"\r\nabc", id="a-sign"),
        pytest.param(HEAD.replace(b": 3", b": 3, 3") + b"\r\nabc", id="a-list"),
        pytest.param(HEAD.replace(b": 3", b": 0x3") + b"\r\nabc", id="hexadecimal"),
        pytest.param(_request(b"Transfer-Encoding: chunked"), id="chunked"),
        pytest.param(_request(b"Expect: 100-continue"), id="expect"),
        pytest.param(_request(b"Connection: close"), id="close"),
        pytest.param(_request(b"Connection: upgrade", b"Upgrade: websocket"), id="upgrade"),
        pytest.param(_request(b"Origin: https://there.example"), id="origin"),
        pytest.param(_request(b"X-Request-ID: mine"), id="an-id-of-its-own"),
        pytest.param(_request(b" folded"), id="a-folded-line"),
        pytest.param(_request(b"a: b\rTransfer-Encoding: chunked"), id="a-return-alone"),
        pytest.param(_request(b"a: b\nTransfer-Encoding: chunked"), id="a-line-feed-alone"),
        pytest.param(_request(b"a: \0"), id="a-null-byte"),
        pytest.param(_request(b"nothing"), id="no-colon"),
        pytest.param(_request(b"a: " + b"x" * 1024), id="a-long-head"),
        pytest.param(HEAD.replace(b"1.1", b"1.0") + b"\r\nabc", id="http-1.0"),
        pytest.param(HEAD.replace(b"POST", b"PUT") + b"\r\nabc", id="another-method"),
        pytest.param(HEAD.replace(b"/v1", b"/%76%31") + b"\r\nabc", id="an-encoded-path"),
        pytest.param(HEAD.replace(b"/v1", b"http://x/v1") + b"\r\nabc", id="a-whole-address"),
        pytest.param(HEAD.replace(b"\r\n", b"\n") + b"\nabc", id="line-feeds"),
    ],
)
def test_whatever_else_is_for_the_parser(data: bytes) -> None:
    assert parse_simple_request(data) is None


class _Parsed:
    """How many requests httptools finds."""

    def __init__(self) -> None:
        self.complete = 0
        self.url = b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_message_complete(self) -> None:
        self.complete += 1


_TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABC-_!~0123456789", min_size=1, max_size=18)
_VALUES = st.text(st.characters(min_codepoint=9, max_codepoint=255), max_size=12)
_NAMES = _TOKENS | st.sampled_from(
    ["content-length", "Content-Length", "Transfer-Encoding", "connection", "te", "Content-Length "]
)
_SAID = _VALUES | st.sampled_from(["0", "3", "03", "3 ", " 3", "chunked", "keep-alive", "3,3"])


@given(
    method=st.sampled_from(["GET", "POST", "PUT"]),
    headers=st.lists(st.tuples(_NAMES, _SAID), max_size=4),
    end=st.sampled_from(["\r\n", "\n", "\r"]),
    body=st.binary(max_size=5),
)
def test_what_is_told_is_exactly_one_request_for_the_parser_too(
    method: str, headers: list[tuple[str, str]], end: str, body: bytes
) -> None:
    lines = [f"{method} /v1/classify HTTP/1.1", "Host: x", *(f"{a}:{b}" for a, b in headers)]
    data = ("\r\n".join(lines[:2]) + "\r\n" + end.join([*lines[2:], ""]) + "\r\n").encode("latin-1")
    data += body
    told = parse_simple_request(data)
    if told is not None:
        parsed = _Parsed()
        parser = httptools.HttpRequestParser(parsed)
        parser.feed_data(data)  # raises where it is not HTTP
        assert (parsed.complete, parsed.url.decode()) == (1, told.path)
        assert parser.get_method().decode() == told.method
        assert parser.should_keep_alive()
        # And nothing is left of it: what comes next begins anew.
        parser.feed_data(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert parsed.complete == 2
