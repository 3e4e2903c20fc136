"""The container of a compressed image: which model wrote it, its size, and a checksum.

    2 bytes  magic D5 53
    1        format, 2
    varint   number of bytes that follow this field, including the checksum
    4        fingerprint of the model's decoder and tables, which give the payload its meaning
    varint   2 × width, plus 1 for RGB; varint height: of the decompressed image
    …        payload: entropy-coded latents, up to the checksum
    4        CRC-32 of everything before it, big-endian

Varints have 7 bits a byte, lowest first. Codes are small, so each field is as short as it can be:
the container of a digit takes 14 bytes. CRC-32 detects every error burst of up to 32 bits, and any
other error with a probability of 1 - 2^-32.

Format 1, which is still read, has two more fields before the fingerprint: the model's name (a
length byte and as many bytes) and the model's version (a varint). The fingerprint identifies the
model without them.
"""

import hashlib
import zlib
from dataclasses import dataclass

from models_store.manifest import Manifest
from models_store.tasks import ColorMode
from models_store.varint import decode_varint, encode_varint

MAGIC = b"\xd5S"
"""No text: in UTF-8, D5 begins a character that 53 cannot end."""
FORMAT = 2
_NAMED_FORMAT = 1
_FINGERPRINT_BYTES = 4
_CHECKSUM_BYTES = 4
_VARINT_BYTES = 5
_MAX_SIDE = 65_535


class ContainerError(ValueError):
    """The bytes cannot be read as a code; the message says why."""


class UnknownFormatError(ContainerError):
    """The bytes do not begin with the magic number."""


class UnsupportedVersionError(ContainerError):
    """The format is newer than those that this version reads."""


class TruncatedError(ContainerError):
    """The code ends before its declared length."""


class CorruptedError(ContainerError):
    """The checksum or a field is wrong."""


@dataclass(frozen=True)
class CompressedImage:
    """A compressed image with the fields of its header."""

    fingerprint: bytes
    width: int
    height: int
    mode: ColorMode
    payload: bytes


def fingerprint(manifest: Manifest) -> bytes:
    """Hash the files that a payload depends on; it identifies a code's model in any store."""
    hashes = (manifest.get_file("decoder").sha256, manifest.get_file("tables").sha256)
    return hashlib.sha256("".join(hashes).encode("ascii")).digest()[:_FINGERPRINT_BYTES]


def pack(image: CompressedImage) -> bytes:
    """Return the container's bytes."""
    body = b"".join(
        (
            image.fingerprint,
            encode_varint(2 * image.width + (image.mode == "RGB")),
            encode_varint(image.height),
            image.payload,
        )
    )
    header = MAGIC + FORMAT.to_bytes() + encode_varint(len(body) + _CHECKSUM_BYTES) + body
    return header + zlib.crc32(header).to_bytes(_CHECKSUM_BYTES, "big")


def unpack(data: bytes) -> CompressedImage:
    """Read a container; `data` may be any bytes.

    Raises:
        ContainerError: its subclass and message say why these bytes cannot be read.
    """
    if not data.startswith(MAGIC[: len(data)]) or not data:
        raise UnknownFormatError(
            f"it begins with {data[:2].hex(' ') or 'nothing'}, a code with d5 53"
        )
    if len(data) <= len(MAGIC):
        raise TruncatedError(f"it ends after {len(data)} bytes")
    if data[2] > FORMAT:
        raise UnsupportedVersionError(
            f"it has format {data[2]}; this version reads formats up to {FORMAT}"
        )
    reader = _ByteReader(data, position=3)
    _check_integrity(data, reader)
    body = _ByteReader(data[:-_CHECKSUM_BYTES], reader.position)
    if data[2] == _NAMED_FORMAT:
        body.read(body.read(1)[0])
        body.read_varint()
    fingerprint = body.read(_FINGERPRINT_BYTES)
    width, is_rgb = divmod(body.read_varint(), 2)
    height = body.read_varint()
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
        raise CorruptedError(f"its header states {width} × {height} pixels")
    mode: ColorMode = "RGB" if is_rgb else "L"
    return CompressedImage(fingerprint, width, height, mode, body.remaining())


def _check_integrity(data: bytes, reader: "_ByteReader") -> None:
    try:
        declared = reader.read_varint()
    except CorruptedError as error:
        if len(data) < reader.position + _VARINT_BYTES:
            raise TruncatedError(f"it ends after {len(data)} bytes") from error
        raise
    received = len(data) - reader.position
    if received < declared:
        raise TruncatedError(f"it is {declared - received} bytes too short")
    if received > declared:
        raise CorruptedError(f"{received - declared} bytes follow its end")
    if zlib.crc32(data[:-_CHECKSUM_BYTES]) != int.from_bytes(data[-_CHECKSUM_BYTES:], "big"):
        raise CorruptedError("its checksum does not match its bytes")
    if data[2] not in (_NAMED_FORMAT, FORMAT) or declared < _CHECKSUM_BYTES:
        raise CorruptedError("its header is invalid")


class _ByteReader:
    """Takes fields off the front of some bytes."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self.position = position

    def read(self, count: int) -> bytes:
        if self.position + count > len(self._data):
            raise CorruptedError("a field extends beyond its end")
        self.position += count
        return self._data[self.position - count : self.position]

    def read_varint(self) -> int:
        try:
            value, self.position = decode_varint(self._data, self.position, _VARINT_BYTES)
        except ValueError as error:
            raise CorruptedError(str(error)) from error
        return value

    def remaining(self) -> bytes:
        return self._data[self.position :]
