import io
import logging.config
import subprocess
import sys

import pytest
from PIL import Image

from service.observability.logging_config import log_config

_DECODE = """
import sys
from service.codecs.images import decode_native
from service.errors import ServiceError
from service.observability.parser_messages import silence_parsers
if "silent" in sys.argv:
    silence_parsers()
try:
    decode_native(sys.stdin.buffer.read(), "RGB", 10_000)
except ServiceError:
    print("rejected")
"""


def _tiff(compression: str) -> bytes:
    file = io.BytesIO()
    Image.radial_gradient("L").resize((64, 64)).save(file, "TIFF", compression=compression)
    data = file.getvalue()
    return data[:8] + bytes([data[8] ^ 0xFF, data[9] ^ 0x55]) * 40 + data[88:]


def _truncated_tiff() -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "TIFF", software="x" * 100)
    return file.getvalue()[:100]


@pytest.mark.parametrize(
    "data", [_tiff("tiff_lzw"), _tiff("tiff_adobe_deflate"), _truncated_tiff()],
    ids=["LZW", "deflate", "truncated directory"],
)  # fmt: skip
def test_no_message_about_a_clients_file_reaches_stderr(data: bytes) -> None:
    def decode(*arguments: str) -> tuple[bytes, bytes]:
        command = [sys.executable, "-c", _DECODE, *arguments]
        done = subprocess.run(command, input=data, capture_output=True, check=True)
        return done.stdout, done.stderr

    assert decode()[1]  # else this would test nothing
    assert decode("silent") == (b"rejected\n", b"")


def test_no_message_about_a_clients_file_is_logged(capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logging.config.dictConfig(log_config("debug", "text"))
        for name in ("PIL.TiffImagePlugin", "python_multipart.multipart"):
            logging.getLogger(name).warning("value 12345 of the client")
        logging.getLogger("service.x").warning("ours")
        err = capfd.readouterr().err
        assert "12345" not in err
        assert "ours" in err
    finally:
        root.handlers[:], root.level = handlers, level
