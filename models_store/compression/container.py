"""The container of a compressed picture. It says what it is, what made it, and whether it is whole.

    2 bytes  magic D5 53
    1        format, 1
    varint   number of bytes that follow this field, the checksum included
    1 + n    model's name: n, then the name as a number in base 37
    varint   model's version
    4        fingerprint of what gives the payload its meaning: the decoder and the tables
    varint   2 × width, and 1 more for RGB; varint height: of the picture that comes back
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
from models_store.tasks import Mode

__all__ = [
    "MAGIC",
    "Code",
    "CodeError",
    "DamagedCode",
    "ForeignCode",
    "NewerCode",
    "TruncatedCode",
    "fingerprint",
    "pack",
    "unpack",
    "varint",
]

MAGIC = b"\xd5S"
"""No text: in UTF-8, D5 begins a character that 53 cannot end."""
FORMAT = 1

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}[a-z0-9]")
_ALPHABET = ascii_lowercase + digits + "-"
_NAME_BYTES = 42
"""64 characters at 5.21 bits."""
_FINGERPRINT_BYTES = 4
_CHECK_BYTES = 4
_VARINT_BYTES = 5
_MAX_SIDE = 65_535


class CodeError(ValueError):
    """These bytes are no code that can be read; the message says why."""


class ForeignCode(CodeError):
    """Something else altogether."""


class NewerCode(CodeError):
    """A code of a format that is not known here yet."""


class TruncatedCode(CodeError):
    """The end is missing."""


class DamagedCode(CodeError):
    """A code whose bytes are not those that were written."""


@dataclass(frozen=True)
class Code:
    """A compressed picture, and what is needed to bring it back."""

    model: str
    version: int
    fingerprint: bytes
    width: int
    height: int
    mode: Mode
    payload: bytes


def fingerprint(manifest: Manifest) -> bytes:
    """Of the files that decide what a payload means: another store's version 1 is another model."""
    hashes = (manifest.file("decoder").sha256, manifest.file("tables").sha256)
    return hashlib.sha256("".join(hashes).encode("ascii")).digest()[:_FINGERPRINT_BYTES]


def pack(code: Code) -> bytes:
    """The container's bytes."""
    name = _packed_name(code.model)
    body = b"".join(
        (
            len(name).to_bytes(),
            name,
            varint(code.version),
            code.fingerprint,
            varint(2 * code.width + (code.mode == "RGB")),
            varint(code.height),
            code.payload,
        )
    )
    head = MAGIC + FORMAT.to_bytes() + varint(len(body) + _CHECK_BYTES) + body
    return head + zlib.crc32(head).to_bytes(_CHECK_BYTES, "big")


def unpack(data: bytes) -> Code:
    """Read a container; takes any bytes at all.

    Raises:
        ForeignCode, NewerCode, TruncatedCode, DamagedCode: which of them, and why.
    """
    if not data.startswith(MAGIC[: len(data)]) or not data:
        raise ForeignCode(f"it begins with {data[:2].hex(' ') or 'nothing'}, a code with d5 53")
    if len(data) <= len(MAGIC):
        raise TruncatedCode(f"it ends after {len(data)} bytes")
    if data[2] > FORMAT:
        raise NewerCode(f"it has format {data[2]}; formats up to {FORMAT} are known here")
    reader = _Reader(data, at=3)
    _check_whole(data, reader)
    body = _Reader(data[:-_CHECK_BYTES], reader.at)
    name = _unpacked_name(body.take(body.take(1)[0]))
    version = body.varint()
    mark = body.take(_FINGERPRINT_BYTES)
    width, colour = divmod(body.varint(), 2)
    height = body.varint()
    if not (version and 0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
        raise DamagedCode(f"it says version {version}, {width} × {height} pixels")
    return Code(name, version, mark, width, height, "RGB" if colour else "L", body.rest())


def _check_whole(data: bytes, reader: "_Reader") -> None:
    try:
        promised = reader.varint()
    except DamagedCode as error:
        if len(data) < reader.at + 1:
            raise TruncatedCode(f"it ends after {len(data)} bytes") from error
        raise
    came = len(data) - reader.at
    if came < promised:
        raise TruncatedCode(f"it ends {promised - came} bytes too early")
    if came > promised:
        raise DamagedCode(f"{came - promised} bytes follow its end")
    if zlib.crc32(data[:-_CHECK_BYTES]) != int.from_bytes(data[-_CHECK_BYTES:], "big"):
        raise DamagedCode("its checksum is not that of its bytes")
    if data[2] != FORMAT or promised < _CHECK_BYTES:
        raise DamagedCode("its header makes no sense")


class _Reader:
    """Takes fields off the front of some bytes."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self.at = at

    def take(self, count: int) -> bytes:
        if self.at + count > len(self._data):
            raise DamagedCode("a field reaches over its end")
        self.at += count
        return self._data[self.at - count : self.at]

    def varint(self) -> int:
        value = 0
        for index in range(_VARINT_BYTES):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                return value
        raise DamagedCode("a number in it has no end")

    def rest(self) -> bytes:
        return self._data[self.at :]


def varint(value: int) -> bytes:
    """A whole number of 0 and more: seven bits a byte, lowest first; a set top bit says: go on."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _packed_name(name: str) -> bytes:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no model name")
    number = 1  # in front, so that the name's length needs no field
    for character in name:
        number = number * len(_ALPHABET) + _ALPHABET.index(character)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _unpacked_name(packed: bytes) -> str:
    number = int.from_bytes(packed[: _NAME_BYTES + 1], "big")
    characters = []
    while number > 1:
        number, index = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[index])
    name = "".join(reversed(characters))
    if not _NAME.fullmatch(name):
        raise DamagedCode("the name in it is no model's")
    return name
