"""Return the memory of unloaded models to the system."""

import ctypes
import sys


def trim_malloc() -> None:
    """Return freed memory to the system. Does nothing if the C library is not glibc.

    A model is thousands of allocations, made by a thread that has ended when they are freed, and
    glibc keeps free memory that lies between other allocations. After three models have been
    replaced 16 times, 140 MiB have become 331 without this, and 148 with it.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):  # musl has none
        return
