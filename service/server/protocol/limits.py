"""The bounds that an operator sets."""

from dataclasses import dataclass

__all__ = ["Bounds"]


@dataclass(frozen=True)
class Bounds:
    """Of one connection, but for the last."""

    head_s: float
    """For a request's head, from its first byte; and for the rest of a body once it is answered."""
    head_bytes: int
    stalled_s: float
    """In which a client must take some of an answer that waits for it."""
    connections: int
    """In one worker."""
