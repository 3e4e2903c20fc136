"""TIFF files built field by field, which Pillow's writer cannot make."""

import struct
from collections.abc import Mapping, Sequence

SHORT, LONG = 3, 4
Ifd = Mapping[int, bytes | int | Sequence[int]]
"""Tag → ASCII text, or one or several LONGs."""


def build_tiff(*ifds: Ifd, pixels: bytes = b"", order: str = "<", sub_ifds: int = 0) -> bytes:
    """Return a TIFF of a chain of `ifds`, whose strip (tag 273) is `pixels`.

    The last `sub_ifds` of them are SubIFDs of the first instead.
    """
    chain, offsets = ifds[: len(ifds) - sub_ifds], []
    body = bytearray({"<": b"II*\0", ">": b"MM\0*"}[order] + bytes(4))
    strip_offset, body = len(body), body + pixels
    positions: list[tuple[int, int]] = []
    for ifd in ifds:
        fields = dict(ifd)
        if pixels and ifd is ifds[0]:
            fields |= {273: strip_offset, 279: len(pixels)}
        if sub_ifds and ifd is ifds[0]:
            fields[330] = [0] * sub_ifds
        offsets.append(len(body))
        end = len(body) + 2 + 12 * len(fields) + 4
        extra, entries = b"", b""
        for tag, value in sorted(fields.items()):
            kind = 2 if isinstance(value, bytes) else LONG
            values = [value] if isinstance(value, int) else value
            data = (
                values
                if isinstance(values, bytes)
                else struct.pack(f"{order}{len(values)}I", *values)
            )
            if tag == 330:
                at = end + len(extra) if len(data) > 4 else len(body) + 2 + len(entries) + 8
                positions = [(at + 4 * i, len(chain) + i) for i in range(sub_ifds)]
            count = len(values)
            entries += struct.pack(f"{order}HHI", tag, kind, count)
            if len(data) > 4:
                entries += struct.pack(f"{order}I", end + len(extra))
                extra += data
            else:
                entries += data.ljust(4, b"\0")
        body += struct.pack(f"{order}H", len(fields)) + entries + bytes(4) + extra
    for place, ifd_number in positions:
        struct.pack_into(f"{order}I", body, place, offsets[ifd_number])
    struct.pack_into(f"{order}I", body, 4, offsets[0])
    for number in range(1, len(chain)):
        fields_before = struct.unpack_from(f"{order}H", body, offsets[number - 1])[0]
        struct.pack_into(
            f"{order}I", body, offsets[number - 1] + 2 + 12 * fields_before, offsets[number]
        )
    return bytes(body)


def gray_tiff(
    pixels: bytes, width: int, bits: int, *, photometric: int = 1, sample_format: int = 1,
    order: str = "<",
) -> bytes:  # fmt: skip
    """Return a TIFF of one row of uncompressed grey samples."""
    fields: Ifd = {
        256: width, 257: 1, 258: bits, 259: 1, 262: photometric, 277: 1, 278: 1, 339: sample_format,
    }  # fmt: skip
    return build_tiff(fields, pixels=pixels, order=order)
