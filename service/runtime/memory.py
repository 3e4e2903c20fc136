"""Return the memory of unloaded models to the system."""

import ctypes


def trim_malloc() -> None:
    """Return freed memory to the system. Does nothing if the C library is not glibc.

    A model is thousands of allocations, and glibc keeps free memory that lies between others. When
    three models were replaced 16 times, memory grew from 140 to 331 MiB without this call, and to
    148 MiB with it.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):  # musl and macOS have none
        return
