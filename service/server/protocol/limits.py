"""The connection limits that an operator sets."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits of each connection, and of their number."""

    header_timeout_s: float
    """Time for the headers of a request, and for the rest of a body after its response."""
    max_header_bytes: int
    write_timeout_s: float
    """Time in which a client must read 1 KiB a second of a response that waits for it."""
    max_connections: int
    """Connections per worker."""
