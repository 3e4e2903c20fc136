"""The bounds that an operator sets."""

from dataclasses import dataclass

__all__ = ["ConnectionLimits"]


@dataclass(frozen=True)
class ConnectionLimits:
    """Of one connection, but for the last."""

    header_timeout_s: float
    """For a request's head, from its first byte; and for the rest of a body once it is answered."""
    max_header_bytes: int
    write_timeout_s: float
    """In which a client must take some of an answer that waits for it."""
    max_connections: int
    """In one worker."""
