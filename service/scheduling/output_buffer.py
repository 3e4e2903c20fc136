"""A text while it is written by one thread and read by another, and the strings that end it."""

from collections.abc import Sequence

__all__ = ["OutputBuffer"]


class OutputBuffer:
    """Grows by characters until a stop string is complete; nothing of that is ever read.

    One thread writes, one reads. No lock: a list's append and length are atomic, and what is read
    lies before a length that was taken once.
    """

    def __init__(self, stop_strings: Sequence[str] = ()) -> None:
        """`stop_strings` are not empty strings. The end before the earliest beginning counts."""
        # The longest first: of two that end at one character it begins earlier.
        self._stop_strings = sorted(stop_strings, key=len, reverse=True)
        self._max_stop_length = max(map(len, stop_strings), default=0)
        self._characters: list[str] = []
        self._end: int | None = None
        self._read = 0

    def __len__(self) -> int:
        """Return the number of characters so far."""
        return len(self._characters) if self._end is None else self._end

    def append(self, character: str) -> bool:
        """Add one; False when a stop string is complete with it, which then is the end."""
        if self._max_stop_length:
            tail = "".join(
                self._characters[1 - self._max_stop_length :] if self._max_stop_length > 1 else ()
            )
            tail += character
            for stop in self._stop_strings:
                if tail.endswith(stop):
                    self._end = len(self._characters) + 1 - len(stop)
                    return False
        self._characters.append(character)
        return True

    def read_available(self, *, is_complete: bool) -> str:
        """Return the text since the last call.

        Unless the text is complete, a suffix that may start a stop string is held back.
        """
        length = len(self._characters)
        if self._end is not None:
            length = self._end
        elif not is_complete:
            length -= self._partial_stop_length(length)
        text = "".join(self._characters[self._read : length])
        self._read = max(self._read, length)
        return text

    def _partial_stop_length(self, length: int) -> int:
        """Length of the longest end of the text that a stop string begins with."""
        if not self._max_stop_length:
            return 0
        tail = "".join(self._characters[max(0, length - self._max_stop_length + 1) : length])
        return max(
            (
                size
                for stop in self._stop_strings
                for size in range(1, min(len(stop) - 1, len(tail)) + 1)
                if tail.endswith(stop[:size])
            ),
            default=0,
        )
