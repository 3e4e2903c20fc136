"""Keep parsers of request bodies from writing to stderr.

Their messages quote numbers and names from the client's file, and have no format. The response says
what is wrong.
"""

import ctypes
import warnings

from PIL import _imaging

BODY_PARSERS = ("PIL", "pillow_heif", "python_multipart")
"""Packages whose warnings and log records are dropped."""


def silence_parsers() -> None:
    """Drop the warnings of Pillow, and the messages of libtiff, which it bundles.

    Both settings belong to the process. `warnings.catch_warnings` is not safe with several threads.
    """
    for name in BODY_PARSERS:
        warnings.filterwarnings("ignore", module=rf"{name}\.")
    pillow = ctypes.CDLL(_imaging.__file__)
    for handler in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        # Found through the libraries that the extension is linked to; absent without libtiff.
        if set_handler := getattr(pillow, handler, None):
            set_handler(None)
