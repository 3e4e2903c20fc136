"""No body costs more than a multiple of its bytes: steps in Python, counted and not timed.

A loop in C that copies its input again and again does not show here. Such loops are bounded by
number, in the tests of the codecs; `make reliability SCENARIO=body-cost` measures all of them.
"""

import sys
from types import FrameType
from typing import Any

import pytest

from service.errors import ServiceError
from service.observability.parser_messages import silence_parsers
from tests.service.costly_bodies import COSTLY_BODIES, CostlyBody

_STEPS, _STEPS_PER_BYTE = 250_000, 4
"""Executed lines of Python, at 10 to 30 million a second, that a body may cost."""


def _count_steps(body: CostlyBody, data: bytes) -> int:
    steps = 0

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal steps
        steps += 1
        return count

    sys.settrace(count)
    try:
        body.run(data)
    finally:
        sys.settrace(None)
    return steps


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("body", COSTLY_BODIES.values(), ids=COSTLY_BODIES)
def test_the_steps_for_a_body_grow_no_faster_than_its_bytes(body: CostlyBody) -> None:
    silence_parsers()
    small, large = body.make(body.parts), body.make(4 * body.parts)
    body.run(small)  # imports, caches
    few, many = _count_steps(body, small), _count_steps(body, large)
    assert many <= max(4.4 * few, 50_000)
    assert many <= _STEPS + _STEPS_PER_BYTE * len(large)


_REJECTED = {
    "JPEG, EXIF segments": "EXIF segments",
    "JPEG, scans": "scans",
    "JPEG, comments": "too many small parts",
    "PNG, unknown chunks": "too many small parts",
    "GIF, comments": "extension blocks",
    "AVIF, boxes": "too many small parts",
    "AVIF, OBUs": "too many small parts",
    "AVIF, frames": "too many small parts",
    "HEIC, boxes": "too many small parts",
    "HEIC, pictures": "coded pixels",
    "TIFF, fields": "fields",
    "TIFF, overlapping strips": "strips",
    "gzip, members": "gzip members",
    "BYTES tensor, empty elements": "strings",
    "form, files": "Too many files",
    "form, headers of a part": "not a valid multipart form",
    "JSON, inputs": "at most 64 items",
    "JSON, open brackets": "recursion limit",
    "Accept, elements": "elements",
}


@pytest.mark.parametrize(("name", "message"), _REJECTED.items(), ids=_REJECTED)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_too_many_parts_are_rejected_with_what_there_is_too_much_of(
    name: str, message: str
) -> None:
    body = COSTLY_BODIES[name]
    with pytest.raises(ServiceError, match=message) as caught:
        body.read(body.make(10 * body.parts))
    assert 400 <= caught.value.status < 500
