"""Fuzz targets: each reads arbitrary bytes and raises if an invariant is broken.

The first bytes of an input choose a variant (a path, a chunk length); the rest is the data.
"""

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from models_store.compression.container import MAGIC, CompressedImage, fingerprint, pack, unpack
from models_store.tasks import Compression, FixedImage
from service.codecs.bitstream import unpack_code
from service.codecs.images import decode_native, decode_resized
from service.errors import ServiceError
from service.handlers.compress import compress, decompress
from tests.fakes.image_models import encode_png, solid_image
from tests.fuzz.app_runner import AppUnderTest
from tests.models_store.images.files import build_tiff
from tests.service.costly_bodies import COSTLY_BODIES

FuzzRunner = Callable[[bytes], None]

_JSON = {"content-type": "application/json"}
_IMAGE_FORMATS = ("JPEG", "PNG", "WebP", "GIF", "TIFF", "BMP", "AVIF", "HEIC")
_MAX_PIXELS = 1_000_000


@dataclass(frozen=True)
class FuzzTarget:
    """A function that reads bytes, with seed inputs."""

    create_runner: Callable[[], FuzzRunner]
    seeds: Callable[[], Iterator[bytes]]
    dictionary: tuple[str, ...] = ()
    """Tokens for the fuzzer's dictionary."""
    max_input_bytes: int = 1 << 20
    """Largest size of an input."""


# Images


def _image_runner() -> FuzzRunner:
    spec = FixedImage(width=8, height=8, mode="RGB", resize="crop")
    decoders: tuple[Callable[[bytes], np.ndarray[tuple[int, ...], np.dtype[np.uint8]]], ...] = (
        lambda data: decode_native(data, "RGB", _MAX_PIXELS),
        lambda data: decode_native(data, "L", _MAX_PIXELS),
        lambda data: decode_resized(data, spec, _MAX_PIXELS),
    )

    def run(data: bytes) -> None:
        try:
            image = decoders[data[0] % 3 if data else 0](data[1:])
        except ServiceError:
            return
        assert image.dtype == np.uint8, image.dtype
        assert image.ndim == 3, image.shape

    return run


def _image_seeds() -> Iterator[bytes]:
    noise = np.random.default_rng(0).integers(0, 256, (9, 7, 4), np.uint8)
    source = Image.fromarray(noise)
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind, modes in {
        "PNG": "1 L LA P RGB RGBA I;16", "JPEG": "L RGB CMYK", "GIF": "P", "BMP": "1 L P RGB",
        "WEBP": "RGB RGBA", "TIFF": "1 L P RGB RGBA CMYK I;16", "AVIF": "RGB", "PPM": "L RGB",
        "HEIF": "L RGB RGBA",
    }.items():  # fmt: skip
        for number, mode in enumerate(modes.split()):
            file = io.BytesIO()
            gray = source.convert("L")
            image = gray.convert("I").convert("I;16") if mode == "I;16" else source.convert(mode)
            image.save(file, kind, exif=exif) if kind in ("JPEG", "WEBP") else image.save(
                file, kind
            )
            yield bytes([number % 3]) + file.getvalue()
    file = io.BytesIO()
    frames = [source.convert("RGB"), source.convert("RGB").rotate(90)]
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    yield b"\0" + file.getvalue()
    for name, body in COSTLY_BODIES.items():
        if name.startswith(_IMAGE_FORMATS):
            yield b"\0" + body.make(20)
    yield b"\1" + build_tiff({271: b"NIKON\0"}, {262: 32803}, sub_ifds=1)


# Codes of compressed images


def _wrap_in_container(body: bytes) -> bytes:
    """Wrap a body in a container with valid length and checksum, so that the body is parsed."""
    size, length = len(body) + 4, bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    head = MAGIC + b"\x02" + bytes([*length, size]) + body
    return head + zlib.crc32(head).to_bytes(4, "big")


def _bitstream_runner() -> FuzzRunner:
    model = AppUnderTest().registry.catalog.resolve(Compression, "squeeze")

    def run(data: bytes) -> None:
        whole = data[1:] if data[:1] == b"\0" else _wrap_in_container(data[1:])
        try:
            code = unpack_code(whole)
            assert unpack(pack(code)) == code
            if code.fingerprint == fingerprint(model.manifest):
                decompress(model, code, max_pixels=_MAX_PIXELS, check=lambda: None)
        except ServiceError:
            return

    return run


def _bitstream_seeds() -> Iterator[bytes]:
    model = AppUnderTest().registry.catalog.resolve(Compression, "squeeze")
    for seed in range(4):
        pixels = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
        container = compress(
            model, encode_png(pixels), max_pixels=_MAX_PIXELS, check=lambda: None
        ).data
        yield b"\0" + container
        yield b"\1" + container[4:-4]
    yield b"\0" + pack(CompressedImage(bytes(4), 300, 7, "RGB", b"payload"))


# Requests


def _post_runner(path_of: Callable[[int], str], headers: dict[str, str]) -> FuzzRunner:
    """Send the body in two pieces, split at the position in its second byte."""
    app = AppUnderTest()

    def run(data: bytes) -> None:
        choice, cut = (*data[:2], 0, 0)[:2]
        body = data[2:]
        app.post(path_of(choice), (body[:cut], body[cut:]), headers)

    return run


def _json_seeds(*contents: object) -> Iterator[bytes]:
    for choice in range(2):
        for content in contents:
            yield bytes([choice, 0]) + json.dumps(content).encode()


def _tensor(**more: object) -> dict[str, object]:
    return {"name": "images", "shape": [1, 8, 8, 3], "datatype": "UINT8", **more}


def _v2_json_seeds() -> Iterator[bytes]:
    data = list(range(192))
    yield from _json_seeds(
        {"id": "a", "inputs": [_tensor(data=data)]},
        {"inputs": [_tensor(data=np.reshape(data, (1, 8, 8, 3)).tolist())],
         "outputs": [{"name": "probabilities", "parameters": {"classification": 2}}]},
        {"inputs": [_tensor(data=[1.5, "x", None, True])], "parameters": {"priority": 1}},
    )  # fmt: skip
    pair = [{"name": n, "shape": [2], "datatype": "INT64", "data": [-(2**63), 7]} for n in "ab"]
    yield b"\3\0" + json.dumps({"inputs": pair}).encode()
    words = {"name": "words", "shape": [1], "datatype": "BYTES", "data": ["é"]}
    yield b"\2\0" + json.dumps({"inputs": [words]}).encode()


def _v2_binary_runner() -> FuzzRunner:
    app = AppUnderTest()

    def run(data: bytes) -> None:
        choice, length = data[:1] or b"\0", int.from_bytes(data[1:3], "big")
        body = data[3:]
        headers = {"inference-header-content-length": str(length)}
        kind = choice[0] % 4
        if kind == 1:  # well packed, whatever is inside
            body, headers["content-encoding"] = gzip.compress(body, 1), "gzip"
        elif kind > 1:
            headers["content-encoding"] = ("gzip", "deflate")[kind - 2]
        app.post("/v2/models/paint/infer", (body,), headers)

    return run


def _v2_binary_seeds() -> Iterator[bytes]:
    for outputs in ([], [{"name": "probabilities", "parameters": {"binary_data": True}}]):
        inputs = [_tensor(parameters={"binary_data_size": 192})]
        head = json.dumps({"inputs": inputs, "outputs": outputs}).encode()
        body = head + bytes(range(192))
        for choice in range(2):
            yield bytes([choice]) + len(head).to_bytes(2, "big") + body
        yield b"\2" + len(head).to_bytes(2, "big") + gzip.compress(body)
        yield b"\2" + len(head).to_bytes(2, "big") + gzip.compress(body) + gzip.compress(b"") * 20
        yield b"\3" + len(head).to_bytes(2, "big") + zlib.compress(body)


def _form_part(name: str, content: bytes, extra_headers: str = "") -> bytes:
    return (
        f'--x\r\nContent-Disposition: form-data; name="{name}"{extra_headers}\r\n\r\n'.encode()
        + content
    )


def _form_seeds() -> Iterator[bytes]:
    image = encode_png(solid_image(2, 2, (255, 0, 0)))
    file = _form_part("image", image, '; filename="cat.png"\r\nContent-Type: image/png')
    for choice in range(3):
        head = bytes([choice, 40])
        yield head + file + b"\r\n--x--\r\n"
        yield head + _form_part("top_k", b"2") + b"\r\n" + file + b"\r\n" + file + b"\r\n--x--\r\n"
        yield head + file[:-20]
        yield head + b"preamble\r\n" + _form_part("image", b"cat.jpg") + b"\r\n--x--\r\nepilogue"
        for name, costly in COSTLY_BODIES.items():
            if name.startswith("form"):
                yield head + costly.make(20)


_FORM_PATHS = ("/v1/classify", "/v1/compress", "/v1/decompress")
_TEXT_PATHS = ("/v1/text", "/openai/v1/completions")
_INFER_PATHS = tuple(f"/v2/models/{name}/infer" for name in ("paint", "alphabet", "three", "ratio"))


def _text_seeds() -> Iterator[bytes]:
    yield from _json_seeds(
        {"prompt": "abc", "max_chars": 3, "temperature": 0, "seed": 1, "stop": ["e"]},
        {"prompt": "é€😀", "max_chars": 2, "top_k": 3, "top_p": 0.5, "stream": True},
        {"model": "alphabet", "prompt": ["a", "b"], "max_tokens": 2, "n": 2, "logprobs": 2},
        {"model": "alphabet", "prompt": "a", "stream": True, "echo": True, "stop": "c",
         "stream_options": {"include_usage": True}},
    )  # fmt: skip


_PREDICT_PATHS = tuple(
    f"/v1/predict?model={name}" for name in ("three", "ratio", "paint", "alphabet")
)


def _predict_seeds() -> Iterator[bytes]:
    numbers = [[1, 2.5, "NaN"], [4, -0.0, "Infinity"]]
    bodies: tuple[dict[str, object], ...] = (
        {"numbers": numbers, "words": ["a", "é"], "flags": [[True], [False]]},
        {"a": [-(2**63), 7], "b": [-1, 0]},
        {"images": np.zeros((1, 8, 8, 3), int).tolist()},
        {"tokens": [[1, 2]]},
    )
    for choice, inputs in enumerate(bodies):
        yield bytes([choice, 9]) + json.dumps({"inputs": inputs}).encode()


def _game_seeds() -> Iterator[bytes]:
    yield from _json_seeds(
        {"round": "digits.5f0c1b7ae2d94c33.9b1d6c0a4e7f2d58", "choice": 0},
        {"round": "é.😀.", "choice": True},
    )


_JSON_TOKENS = (
    "null",
    "true",
    "NaN",
    "Infinity",
    "-1",
    "1e999",
    "\\ud800",
    "\\u0000",
    "[[",
    "{}",
    '""',
)

TARGETS = {
    "image": FuzzTarget(
        _image_runner, _image_seeds, ("IHDR", "IDAT", "acTL", "fcTL", "eXIf", "iCCP", "WEBP", "VP8X",  # noqa: E501
        "ANMF", "GIF89a", "NETSCAPE", "II*", "MM", "ftypavif", "ftypheic", "ftypmif1",
        "ispe", "Exif", "iref", "dimg", "ipma", "pitm", "grid", "iovl", "hvcC", "iloc"),
    ),
    "code": FuzzTarget(_bitstream_runner, _bitstream_seeds),
    "v2-json": FuzzTarget(
        lambda: _post_runner(lambda choice: _INFER_PATHS[choice % 4], _JSON), _v2_json_seeds,
        ("inputs", "outputs", "datatype", "shape", "BYTES", "FP32", "INT64", "BOOL", "parameters",
         "classification", "tokens", *_JSON_TOKENS),
    ),
    "v2-binary": FuzzTarget(
        _v2_binary_runner, _v2_binary_seeds,
        ("binary_data_size", "binary_data", "binary_data_output", "BYTES", "FP16", *_JSON_TOKENS),
    ),
    "form": FuzzTarget(
        lambda: _post_runner(
            lambda choice: _FORM_PATHS[choice % 3], {"content-type": "multipart/form-data; boundary=x"}  # noqa: E501
        ),
        _form_seeds,
        ("--x", "--x--", "Content-Disposition", "form-data", "filename*=utf-8''", "code",
         "Content-Transfer-Encoding: base64", "\r\n\r\n"),
    ),
    "text": FuzzTarget(
        lambda: _post_runner(lambda choice: _TEXT_PATHS[choice % 2], _JSON), _text_seeds,
        ("prompt", "max_chars", "temperature", "top_k", "top_p", "stop", "stream", "logprobs",
         "echo", "suffix", "best_of", "n", *_JSON_TOKENS),
    ),
    "predict": FuzzTarget(
        lambda: _post_runner(lambda choice: _PREDICT_PATHS[choice % 4], _JSON), _predict_seeds,
        ("inputs", "numbers", "words", "flags", "images", "tokens", *_JSON_TOKENS),
    ),
    "game": FuzzTarget(
        lambda: _post_runner(lambda _: "/v1/game", _JSON), _game_seeds,
        ("round", "choice", "digits.", "faces.", *_JSON_TOKENS),
    ),
}  # fmt: skip
