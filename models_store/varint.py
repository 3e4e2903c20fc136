"""Variable-length integers (LEB128): seven bits a byte, lowest first; a set top bit continues."""


def encode_varint(value: int) -> bytes:
    """Encode `value`, which is 0 or more."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def decode_varint(
    content: bytes | memoryview, position: int, max_bytes: int = 10
) -> tuple[int, int]:
    """Return the integer that starts at `position`, and the position after it.

    Raises:
        ValueError: it does not end within `max_bytes` bytes or with `content`.
    """
    value = 0
    for index, byte in enumerate(content[position : position + max_bytes]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, position + index + 1
    raise ValueError("a number is truncated")
