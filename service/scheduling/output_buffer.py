"""The output of a text that one thread generates and another reads, with its stop strings."""

from collections.abc import Sequence


class OutputBuffer:
    """Grows by characters until a stop string is complete, which readers never see.

    One thread writes, one reads, without a lock: append and length of a list are atomic, and a
    reader only reads up to a length that it has taken once.
    """

    def __init__(self, stop_strings: Sequence[str] = ()) -> None:
        """`stop_strings` must not be empty strings. The text ends before the earliest match."""
        # Longest first: of two that end at the same character, it starts earlier.
        self._stop_strings = sorted(stop_strings, key=len, reverse=True)
        self._max_stop_length = max(map(len, stop_strings), default=0)
        self._characters: list[str] = []
        self._end: int | None = None
        self._read = 0

    def __len__(self) -> int:
        """Return the number of characters so far."""
        return len(self._characters) if self._end is None else self._end

    def append(self, character: str) -> bool:
        """Add a character. Return False if it completes a stop string, which ends the text."""
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
        """Return the length of the longest suffix of the text that starts a stop string."""
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
