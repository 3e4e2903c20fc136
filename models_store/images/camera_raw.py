"""Recognise the raw files of cameras.

Most are TIFF files whose first image is a thumbnail, which a TIFF reader would return in place of
the photograph. The photograph is a colour filter mosaic that has to be developed first.
"""

import re

from models_store.images.tiff import iter_ifd_offsets, read_ifd

_SIGNATURES = (
    (rb"(?:II\*\0|MM\0\*).{4}CR[\x02\x03]", "CR2"),
    (rb"....ftypcrx ", "CR3"),
    (rb"II\x1a\0.{2}\0\0HEAPCCDR", "CRW"),
    (rb"FUJIFILMCCD-RAW", "RAF"),
    (rb"IIR[OS]|MMOR", "ORF"),
    (rb"IIU\0", "RW2"),
    (rb"FOVb", "X3F"),
    (rb"\0MR[MI]", "MRW"),
    (rb"(?:II\*\0|MM\0\*).{4}(?:IIII|MMMM)", "IIQ"),
)
_EXTENSION_BY_MAKE = {
    b"NIKON": "NEF", b"SONY": "ARW", b"PENTAX": "PEF", b"RICOH": "PEF", b"SAMSUNG": "SRW",
    b"HASSELBLAD": "3FR", b"KODAK": "DCR", b"EASTMAN": "DCR", b"SEIKO": "ERF", b"EPSON": "ERF",
    b"MAMIYA": "MEF", b"LEAF": "MOS", b"PHASE ONE": "IIQ", b"CANON": "CR2", b"LEICA": "RWL",
}  # fmt: skip
_MAKE, _PHOTOMETRIC, _DNG_VERSION = 271, 262, 50706
_COLOR_FILTER_ARRAY, _LINEAR_RAW = 32803, 34892
"""Values of PhotometricInterpretation (TIFF/EP, ISO 12234-2; DNG 1.7)."""


def find_camera_raw(data: bytes) -> str | None:
    """Return the usual extension of a raw file, such as NEF, or None for any other file."""
    for pattern, name in _SIGNATURES:
        if re.match(pattern, data[:32], re.DOTALL):
            return name
    if not data.startswith((b"II*\0", b"MM\0*")):
        return None
    if any(field.tag == _DNG_VERSION for field in read_ifd(data)):
        return "DNG"
    if any(_holds_mosaic(data, offset) for offset in iter_ifd_offsets(data)):
        return _extension_by_make(data)
    return None


def _holds_mosaic(tiff: bytes, ifd_offset: int) -> bool:
    return any(
        field.tag == _PHOTOMETRIC and field.value in (_COLOR_FILTER_ARRAY, _LINEAR_RAW)
        for field in read_ifd(tiff, ifd_offset)
    )


def _extension_by_make(tiff: bytes) -> str:
    for field in read_ifd(tiff):
        if field.tag == _MAKE:
            make = tiff[field.value : field.value + min(field.count, 32)].upper()
            for prefix, extension in _EXTENSION_BY_MAKE.items():
                if make.startswith(prefix):
                    return extension
    return "raw"
