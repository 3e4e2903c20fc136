"""Stop a long computation early if its measured pace shows that it will miss its deadline."""

from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import ContentTooLarge, DeadlineExceeded
from service.scheduling.admission import Ticket

_MIN_MEASURED_S = 1.0
"""Computing time before the first estimate, so that a pause of the machine decides nothing."""
_TOLERANCE = 1.25
"""The pace varies with the work of other threads: the first tiles of an image of 12 megapixels,
decoded beside two others, made 61 s likely on 2 cores, where such images take 38 to 42 s."""


class Progress:
    """Measures how fast the steps of a request's work run, and estimates when it will end."""

    def __init__(self, ticket: Ticket, *, total: int, pixels: int) -> None:
        """`total` is the work in units, such as pixels of tiles, for `pixels` of the client."""
        self._ticket = ticket
        self._total = total
        self._pixels = pixels
        self._done = 0
        self._measured_s = 0.0

    @contextmanager
    def step(self, units: int) -> Iterator[None]:
        """Time the block, which does `units` of the work.

        Raises:
            ContentTooLarge: the whole work takes longer than any request may.
            DeadlineExceeded: the rest takes longer than this request has left after its wait.
        """
        remaining_s = self._ticket.remaining_s
        yield
        self._measured_s += remaining_s - self._ticket.remaining_s
        self._done += units
        if self._measured_s >= _MIN_MEASURED_S:
            self._raise_if_late()

    def _raise_if_late(self) -> None:
        total_s = self._measured_s * self._total / self._done
        rest_s, remaining_s = total_s - self._measured_s, self._ticket.remaining_s
        if rest_s <= _TOLERANCE * remaining_s:
            return
        deadline_s = self._ticket.deadline_s
        if total_s <= deadline_s:
            raise DeadlineExceeded(
                f"the rest would take {rest_s:.0f} s, but after its wait the request has "
                f"{max(remaining_s, 0):.0f} s left of {deadline_s:g} s"
            )
        max_pixels = int(self._pixels * deadline_s / total_s)
        raise ContentTooLarge(
            f"{self._pixels:,} pixels would take {total_s:.0f} s, and the deadline is "
            f"{deadline_s:g} s; send at most {max_pixels:,} pixels in a request",
            estimated_s=round(total_s, 1),
            deadline_s=deadline_s,
            max_pixels=max_pixels,
        )
