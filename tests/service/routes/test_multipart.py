"""Forms are read as they were sent, in whatever chunks; anything else is rejected."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import Headers

from service.errors import BadRequest, ServiceError
from service.routes.http.multipart import Form, FormSpec, parse_form

ACCEPTED = FormSpec(files=("image", "clean"), fields=("top_k", "model"), max_files=3)

often = settings(max_examples=60)


def _parsed(pieces: Sequence[bytes], boundary: str = "x-7") -> Form:
    async def chunks() -> AsyncGenerator[bytes, None]:
        for piece in pieces:
            yield piece

    headers = Headers({"content-type": f"multipart/form-data; boundary={boundary}"})
    return asyncio.run(parse_form(headers, chunks(), ACCEPTED))


def _cut(body: bytes, positions: Sequence[int]) -> list[bytes]:
    at = [0, *sorted(position % (len(body) + 1) for position in positions), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(at)]


def _part(name: str, content: bytes, filename: str | None = None) -> bytes:
    head = f'--x-7\r\nContent-Disposition: form-data; name="{name}"'.encode()
    if filename is not None:
        head += f'; filename="{filename}"\r\nContent-Type: image/png'.encode()
    return head + b"\r\n\r\n" + content + b"\r\n"


# A file's bytes may hold anything but the line that ends it.
_CONTENT = st.binary(min_size=1, max_size=60).filter(lambda content: b"--x-7" not in content)
_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
_FILENAME = st.text(st.sampled_from("abcäé €.-_ 1"), min_size=1, max_size=12)


@often
@given(
    files=st.lists(st.tuples(st.sampled_from(["image", "clean"]), _CONTENT, _FILENAME), max_size=3),
    fields=st.dictionaries(st.sampled_from(["top_k", "model"]), _TEXT),
    positions=st.lists(st.integers(0, 2000), max_size=8),
)
def test_any_form_in_any_pieces_is_read_as_it_was_sent(
    files: list[tuple[str, bytes, str]], fields: dict[str, str], positions: list[int]
) -> None:
    parts = [_part(name, content, filename) for name, content, filename in files]
    parts += [_part(name, text.encode()) for name, text in fields.items()]
    body = b"".join(parts) + b"--x-7--\r\n"
    form = _parsed(_cut(body, positions))
    assert form.fields == fields
    expected: dict[str, list[bytes]] = {}
    for name, content, _ in files:
        expected.setdefault(name, []).append(content)
    assert form.files == expected


_SCRAPS = st.lists(
    st.binary(max_size=12)
    | st.sampled_from(
        [b"--x-7", b"--x-7\r\n", b"--x-7--", b"\r\n\r\n", b"\r\n", b"--", b'name="image"',
         b"Content-Disposition: form-data; ", b'filename="', b"filename*=utf-8''%ff", b"\xff" * 9]
    ),
    max_size=14,
)  # fmt: skip


@often
@given(scraps=_SCRAPS, positions=st.lists(st.integers(0, 200), max_size=4))
def test_parsing_does_not_depend_on_chunk_boundaries(
    scraps: list[bytes], positions: list[int]
) -> None:
    body = b"".join(scraps)
    outcomes = []
    for pieces in ([body], _cut(body, positions)):
        try:
            outcomes.append(repr(_parsed(pieces)))
        except ServiceError as error:
            outcomes.append(type(error).__name__)
    assert outcomes[0] == outcomes[1]


@often
@given(content=_CONTENT, end=st.integers(1, 200), boundary=st.sampled_from(["x-7", "x", "y" * 70]))
def test_truncated_form_is_rejected(content: bytes, end: int, boundary: str) -> None:
    body = _part("image", b"\x89PNG" + content, "cat.png") + b"--x-7--\r\n"
    kept = body[: -min(end, len(body) - 1) - 2]  # the last line end may be missing
    with pytest.raises(BadRequest):
        _parsed([kept], boundary)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'--x-7\r\nX: y\r\n\r\nz\r\n--x-7--', '"name" must be provided'),
        (b"--x-7\r\n" + b"X: " + b"y" * 9000, "not a valid multipart form"),
        (b"--x-7\r\n" + b"X: y\r\n" * 3000, "not a valid multipart form"),
        (b"no form at all", "not a valid multipart form"),
        (b"", "its closing boundary is missing"),
    ],
)  # fmt: skip
def test_malformed_form_is_a_bad_request(body: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        _parsed([body])


def test_preamble_and_epilogue_are_ignored() -> None:
    # RFC 2046, section 5.1.1: to be ignored.
    body = _part("image", b"\x89PNG", "a.png") + b"--x-7--\r\nepilogue" * 50
    assert _parsed([body]).files == {"image": [b"\x89PNG"]}
