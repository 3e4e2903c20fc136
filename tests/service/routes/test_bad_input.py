"""Invalid requests get a 4xx that states what was received and what is accepted."""

import struct
import tracemalloc
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fakes.image_models import encode_png, png_chunk, solid_image
from tests.service.serving import assert_problem

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("route", ["/v1/classify", "/v1/denoise"]),
]

IMAGE = encode_png(solid_image(64, 64, (9, 200, 30)))
LIMIT = 200_000


def _huge_png() -> bytes:
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IEND", b"")


def _form(name: str, data: bytes, end: bytes = b"\r\n--b--\r\n") -> tuple[bytes, dict[str, str]]:
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n\r\n'
    return head.encode() + data + end, {"content-type": "multipart/form-data; boundary=b"}


@pytest.mark.parametrize("junk", [b"hello", b"\0" * 100, b"%PDF-1.7 ...", b"<svg></svg>"])
async def test_file_that_is_no_image_is_unsupported(
    client: httpx.AsyncClient, route: str, junk: bytes
) -> None:
    problem = assert_problem(await client.post(route, content=junk), 415)
    assert "JPEG" in str(problem["detail"])


async def test_truncated_image_is_invalid(client: httpx.AsyncClient, route: str) -> None:
    assert_problem(await client.post(route, content=IMAGE[: len(IMAGE) // 2]), 422)


async def test_bad_image_of_several_is_named(client: httpx.AsyncClient, route: str) -> None:
    files = [("image", IMAGE), ("image", b"hello")]
    headers = {"accept": "application/json"}
    problem = assert_problem(await client.post(route, files=files, headers=headers), 415)
    assert str(problem["detail"]).startswith("image 2 of 2: ")


async def test_error_for_an_empty_body_states_what_to_send(
    client: httpx.AsyncClient, route: str
) -> None:
    assert "curl" in str(assert_problem(await client.post(route), 422)["detail"])


async def test_an_empty_file_in_a_form_is_invalid(client: httpx.AsyncClient, route: str) -> None:
    response = await client.post(route, files={"image": b""})
    assert "image is empty" in str(assert_problem(response, 422)["detail"])


async def test_error_for_a_form_without_image_lists_its_fields(
    client: httpx.AsyncClient, route: str
) -> None:
    body, headers = _form("model", b"paint")
    detail = assert_problem(await client.post(route, content=body, headers=headers), 422)["detail"]
    assert "no field image; it has: model" in str(detail)


async def test_unknown_field_is_rejected_with_those_that_exist(
    client: httpx.AsyncClient, route: str
) -> None:
    response = await client.post(route, files={"picture": IMAGE})
    problem = assert_problem(response, 422)
    assert "'picture'" in str(problem["detail"])
    assert "image" in str(problem["accepted"])


async def test_file_name_instead_of_a_file_gets_a_hint(
    client: httpx.AsyncClient, route: str
) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\ncat.jpg\r\n--b--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    detail = assert_problem(await client.post(route, content=body, headers=headers), 422)["detail"]
    assert "-F image=@cat.jpg" in str(detail)


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "multipart/mixed; boundary=b", "nonsense"]
)
async def test_content_type_of_no_image_is_unsupported(
    client: httpx.AsyncClient, route: str, content_type: str
) -> None:
    response = await client.post(route, content=IMAGE, headers={"content-type": content_type})
    problem = assert_problem(response, 415)
    assert content_type.partition(";")[0] in str(problem["detail"])
    assert problem["accepted"] == ["multipart/form-data", "image/*", "application/octet-stream"]


async def test_huge_image_is_rejected_by_its_header(client: httpx.AsyncClient, route: str) -> None:
    data = _huge_png()
    tracemalloc.start()
    try:
        problem = assert_problem(await client.post(route, content=data), 413)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "20000" in str(problem["detail"]).replace(",", "")
    assert peak < 8 << 20


async def test_body_over_the_limit_is_rejected_unread(
    client: httpx.AsyncClient, route: str
) -> None:
    read = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read = True
        yield b"x" * (LIMIT + 1)

    headers = {"content-length": str(LIMIT + 1)}
    problem = assert_problem(await client.post(route, content=body(), headers=headers), 413)
    assert str(LIMIT + 1) in str(problem["detail"])
    assert problem["limit"] == LIMIT
    assert not read


@pytest.mark.parametrize("form", [False, True])
async def test_body_of_unknown_length_is_rejected_at_the_limit(
    client: httpx.AsyncClient, route: str, form: bool
) -> None:
    sent = 0
    start, headers = _form("image", b"", end=b"") if form else (b"", {})

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        yield start
        for _ in range(1000):
            sent += 10_000
            yield b"x" * 10_000

    problem = assert_problem(await client.post(route, content=body(), headers=headers), 413)
    assert problem["limit"] == LIMIT
    assert sent <= LIMIT + 10_000


async def test_too_many_images_are_rejected(client: httpx.AsyncClient, route: str) -> None:
    problem = assert_problem(await client.post(route, files=[("image", IMAGE)] * 5), 413)
    assert problem["limit"] == 4


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--b\r\n"),
        ("multipart/form-data; boundary=b", b"no form at all"),
        ("multipart/form-data; boundary=" + "b" * 5000, b"--b\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nno headers\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"A" * 100_000 + b": b\r\n\r\n\r\n--b--"),
        ("multipart/form-data; boundary=b", _form("image", IMAGE, end=b"")[0]),
    ],
    ids=["no boundary", "no form", "long boundary", "no name", "long header", "cut off"],
)
async def test_malformed_form_is_a_bad_request(
    client: httpx.AsyncClient, route: str, content_type: str, body: bytes
) -> None:
    response = await client.post(route, content=body, headers={"content-type": content_type})
    assert_problem(response, 400)


async def test_long_text_field_is_rejected_without_quoting_it(
    client: httpx.AsyncClient, route: str
) -> None:
    body, headers = _form("model", b"secret" * 1000)
    response = await client.post(route, content=body, headers=headers)
    assert "secret" not in str(assert_problem(response, 422))


async def test_repeated_form_field_is_rejected(client: httpx.AsyncClient, route: str) -> None:
    response = await client.post(route, files=[("image", IMAGE), ("model", b"a"), ("model", b"b")])
    assert "twice" in str(assert_problem(response, 422)["detail"])


async def test_repeated_parameter_is_rejected(client: httpx.AsyncClient, route: str) -> None:
    response = await client.post(f"{route}?model=a&model=b", content=IMAGE)
    assert "'model' is in the query twice" in str(assert_problem(response, 422)["detail"])
