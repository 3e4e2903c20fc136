"""The container of a compressed image. It says what it is, what made it, and whether it is whole.

    2 bytes  magic D5 53
    1        format, 1
    varint   number of bytes that follow this field, the checksum included
    1 + n    model's name: n, then the name as a number in base 37
    varint   model's version
    4        fingerprint of what gives the payload its meaning: the decoder and the tables
    varint   2 × width, and 1 more for RGB; varint height: of the image that comes back
    …        payload: entropy-coded latents, to where the checksum begins
    4        CRC-32 of all that stands before it, big-endian

Varints have 7 bits a byte, lowest first. Codes are small, so each field is as short as it can be:
a digit's whole container spends some 30 bytes on all that is not payload. A CRC-32 finds every
damage of up to 32 bits in a row for certain, and any other but for one in 2^32.
"""

import hashlib
import re
import zlib
from dataclasses import dataclass
from string import ascii_lowercase, digits

from models_store.manifest import Manifest
from models_store.tasks import ColorMode
from models_store.varint import decode_varint, encode_varint

__all__ = [
    "MAGIC",
    "CompressedImage",
    "ContainerError",
    "CorruptedError",
    "TruncatedError",
    "UnknownFormatError",
    "UnsupportedVersionError",
    "fingerprint",
    "pack",
    "unpack",
]

MAGIC = b"\xd5S"
"""No text: in UTF-8, D5 begins a character that 53 cannot end."""
FORMAT = 1

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}[a-z0-9]")
_ALPHABET = ascii_lowercase + digits + "-"
_NAME_BYTES = 42
"""64 characters at 5.21 bits."""
_FINGERPRINT_BYTES = 4
_CHECKSUM_BYTES = 4
_VARINT_BYTES = 5
_MAX_SIDE = 65_535


class ContainerError(ValueError):
    """These bytes are no code that can be read; the message says why."""


class UnknownFormatError(ContainerError):
    """Something else altogether."""


class UnsupportedVersionError(ContainerError):
    """A code of a format that is not known here yet."""


class TruncatedError(ContainerError):
    """The end is missing."""


class CorruptedError(ContainerError):
    """A code whose bytes are not those that were written."""


@dataclass(frozen=True)
class CompressedImage:
    """A compressed image, and what is needed to bring it back."""

    model: str
    version: int
    fingerprint: bytes
    width: int
    height: int
    mode: ColorMode
    payload: bytes


def fingerprint(manifest: Manifest) -> bytes:
    """Hash the files that a payload depends on.

    Another store's version 1 of the same name may be a different model.
    """
    hashes = (manifest.get_file("decoder").sha256, manifest.get_file("tables").sha256)
    return hashlib.sha256("".join(hashes).encode("ascii")).digest()[:_FINGERPRINT_BYTES]


def pack(image: CompressedImage) -> bytes:
    """The container's bytes."""
    name = _encode_name(image.model)
    body = b"".join(
        (
            len(name).to_bytes(),
            name,
            encode_varint(image.version),
            image.fingerprint,
            encode_varint(2 * image.width + (image.mode == "RGB")),
            encode_varint(image.height),
            image.payload,
        )
    )
    header = MAGIC + FORMAT.to_bytes() + encode_varint(len(body) + _CHECKSUM_BYTES) + body
    return header + zlib.crc32(header).to_bytes(_CHECKSUM_BYTES, "big")


def unpack(data: bytes) -> CompressedImage:
    """Read a container; takes any bytes at all.

    Raises:
        ForeignCode, NewerCode, TruncatedCode, DamagedCode: which of them, and why.
    """
    if not data.startswith(MAGIC[: len(data)]) or not data:
        raise UnknownFormatError(
            f"it begins with {data[:2].hex(' ') or 'nothing'}, a code with d5 53"
        )
    if len(data) <= len(MAGIC):
        raise TruncatedError(f"it ends after {len(data)} bytes")
    if data[2] > FORMAT:
        raise UnsupportedVersionError(
            f"it has format {data[2]}; formats up to {FORMAT} are known here"
        )
    reader = _ByteReader(data, position=3)
    _check_integrity(data, reader)
    body = _ByteReader(data[:-_CHECKSUM_BYTES], reader.position)
    name = _decode_name(body.read(body.read(1)[0]))
    version = body.read_varint()
    fingerprint = body.read(_FINGERPRINT_BYTES)
    width, is_rgb = divmod(body.read_varint(), 2)
    height = body.read_varint()
    if not (version and 0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
        raise CorruptedError(f"it says version {version}, {width} × {height} pixels")
    return CompressedImage(
        name, version, fingerprint, width, height, "RGB" if is_rgb else "L", body.remaining()
    )


def _check_integrity(data: bytes, reader: "_ByteReader") -> None:
    try:
        declared = reader.read_varint()
    except CorruptedError as error:
        if len(data) < reader.position + _VARINT_BYTES:
            raise TruncatedError(f"it ends after {len(data)} bytes") from error
        raise
    received = len(data) - reader.position
    if received < declared:
        raise TruncatedError(f"it ends {declared - received} bytes too early")
    if received > declared:
        raise CorruptedError(f"{received - declared} bytes follow its end")
    if zlib.crc32(data[:-_CHECKSUM_BYTES]) != int.from_bytes(data[-_CHECKSUM_BYTES:], "big"):
        raise CorruptedError("its checksum is not that of its bytes")
    if data[2] != FORMAT or declared < _CHECKSUM_BYTES:
        raise CorruptedError("its header makes no sense")


class _ByteReader:
    """Takes fields off the front of some bytes."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self.position = position

    def read(self, count: int) -> bytes:
        if self.position + count > len(self._data):
            raise CorruptedError("a field reaches over its end")
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


def _encode_name(name: str) -> bytes:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no model name")
    number = 1  # in front, so that the name's length needs no field
    for character in name:
        number = number * len(_ALPHABET) + _ALPHABET.index(character)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _decode_name(packed: bytes) -> str:
    number = int.from_bytes(packed[: _NAME_BYTES + 1], "big")
    characters = []
    while number > 1:
        number, index = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[index])
    name = "".join(reversed(characters))
    if not _NAME.fullmatch(name):
        raise CorruptedError("the name in it is no model's")
    return name
