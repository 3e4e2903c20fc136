"""Sizes of the frames in a stream of AV1 (AV1 Bitstream & Decoding Process Specification, 1.0.0).

The sequence header gives a size, and a frame may have its own (`frame_size_override_flag`), up to
what the sequence header has bits for: dav1d does not compare the two.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

Size = tuple[int, int]
"""(width, height)"""

_OBU_SEQUENCE_HEADER, _OBU_FRAME_HEADER, _OBU_FRAME = 1, 3, 6
_KEY_FRAME, _INTRA_ONLY_FRAME, _SWITCH_FRAME = 0, 2, 3
_SELECT = 2
"""A choice that each frame makes by a bit of its own."""
_ALL_FRAMES = 0xFF
_REFERENCES = 7
_MAX_HEADER_BYTES = 400
"""A sequence header of 32 operating points has 380; of a frame header, less is read."""


@dataclass(frozen=True)
class _Sequence:
    """The fields of a sequence header that the headers of its frames depend on."""

    size: Size
    largest_size: Size
    """The largest that the fields of a frame header can hold."""
    is_reduced: bool = True
    has_decoder_model: bool = False
    frame_id_bits: int = 0
    delta_frame_id_bits: int = 0
    order_hint_bits: int = 0
    screen_content_tools: int = _SELECT
    integer_mv: int = _SELECT


def read_frame_sizes(obus: Iterator[tuple[int, bytes]]) -> Iterator[Size]:
    """Yield the size of each frame that a decoder computes, from the types and contents of OBUs.

    Raises:
        ValueError: a frame comes before the first sequence header.
        EOFError: a header is cut off.
    """
    sequence, largest = None, (0, 0)
    for kind, content in obus:
        if kind == _OBU_SEQUENCE_HEADER:
            sequence = _read_sequence(_Bits(content))
        elif kind in (_OBU_FRAME_HEADER, _OBU_FRAME):
            if sequence is None:
                raise ValueError("a picture has no sequence header")
            size = _read_frame_size(_Bits(content), sequence, largest)
            if size is not None:
                largest = max(size, largest, key=lambda size: size[0] * size[1])
                yield size


class _Bits:
    """Reads bits, the first of each byte being the most significant."""

    def __init__(self, data: bytes) -> None:
        data = data[:_MAX_HEADER_BYTES]
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise EOFError
        return self._value >> self._left & (1 << count) - 1


def _read_sequence(bits: _Bits) -> _Sequence:
    """Read sequence_header_obu (section 5.5.1) as far as frame headers depend on it."""
    bits.take(4)  # seq_profile, still_picture
    is_reduced = bool(bits.take(1))
    has_decoder_model = False
    if is_reduced:
        bits.take(5)  # seq_level_idx
    else:
        has_decoder_model = _skip_operating_points(bits)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    size = bits.take(width_bits) + 1, bits.take(height_bits) + 1
    sequence = _Sequence(size, (1 << width_bits, 1 << height_bits), is_reduced, has_decoder_model)
    return sequence if is_reduced else _read_tools(bits, sequence)


def _read_tools(bits: _Bits, sequence: _Sequence) -> _Sequence:
    delta_bits = frame_id_bits = 0
    if bits.take(1):  # frame_id_numbers_present_flag
        delta_bits = bits.take(4) + 2
        frame_id_bits = bits.take(3) + delta_bits + 1
    bits.take(3)  # block size, intra filters
    bits.take(4)  # compound prediction, warped motion, dual filter
    has_order_hint = bits.take(1)
    if has_order_hint:
        bits.take(2)
    screen_content_tools = _SELECT if bits.take(1) else bits.take(1)
    integer_mv = _SELECT
    if screen_content_tools and not bits.take(1):
        integer_mv = bits.take(1)
    return replace(
        sequence,
        frame_id_bits=frame_id_bits,
        delta_frame_id_bits=delta_bits,
        order_hint_bits=bits.take(3) + 1 if has_order_hint else 0,
        screen_content_tools=screen_content_tools,
        integer_mv=integer_mv,
    )


def _skip_operating_points(bits: _Bits) -> bool:
    """Skip them and what comes before them; return decoder_model_info_present_flag."""
    delay_bits = 0
    if bits.take(1):  # timing_info_present_flag
        bits.take(64)
        if bits.take(1):  # equal_picture_interval
            _skip_uvlc(bits)
        if bits.take(1):  # decoder_model_info_present_flag
            delay_bits = bits.take(5) + 1
            bits.take(32 + 5 + 5)
    has_initial_delay = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:  # seq_level_idx
            bits.take(1)
        if delay_bits and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if has_initial_delay and bits.take(1):
            bits.take(4)
    return delay_bits > 0


def _skip_uvlc(bits: _Bits) -> None:
    zeros = 0
    while not bits.take(1):
        zeros += 1
    if zeros < 32:
        bits.take(zeros)


def _read_frame_size(bits: _Bits, sequence: _Sequence, largest_before: Size) -> Size | None:
    """Read uncompressed_header (section 5.9.2) up to the size; None if it shows an older frame."""
    if sequence.is_reduced:
        return sequence.size
    if bits.take(1):  # show_existing_frame
        return None
    if sequence.has_decoder_model:  # it has more fields, and stills have none
        return sequence.largest_size
    kind, is_shown = bits.take(2), bits.take(1)
    if not is_shown:
        bits.take(1)  # showable_frame
    refreshes_all = kind == _SWITCH_FRAME or (kind == _KEY_FRAME and is_shown)
    is_resilient = bool(refreshes_all or bits.take(1))
    _skip_tools(bits, sequence)
    if kind != _SWITCH_FRAME and not bits.take(1):  # frame_size_override_flag
        return sequence.size
    bits.take(sequence.order_hint_bits)
    is_intra = kind in (_KEY_FRAME, _INTRA_ONLY_FRAME)
    if not (is_intra or is_resilient):
        bits.take(3)  # primary_ref_frame
    refreshed = _ALL_FRAMES if refreshes_all else bits.take(8)
    if is_resilient and not (is_intra and refreshed == _ALL_FRAMES):
        bits.take(8 * sequence.order_hint_bits)
    if not is_intra and _has_size_of_reference(bits, sequence, is_resilient):
        return largest_before
    width, height = (bits.take((side - 1).bit_length()) + 1 for side in sequence.largest_size)
    return width, height


def _skip_tools(bits: _Bits, sequence: _Sequence) -> None:
    bits.take(1)  # disable_cdf_update
    tools = sequence.screen_content_tools
    if (bits.take(1) if tools == _SELECT else tools) and sequence.integer_mv == _SELECT:
        bits.take(1)
    bits.take(sequence.frame_id_bits)


def _has_size_of_reference(bits: _Bits, sequence: _Sequence, is_resilient: bool) -> bool:
    """Read the references of a frame, and found_ref (section 5.9.7)."""
    is_short = sequence.order_hint_bits and bits.take(1)  # frame_refs_short_signaling
    if is_short:
        bits.take(6)
    for _ in range(_REFERENCES):
        bits.take(sequence.delta_frame_id_bits + (0 if is_short else 3))
    return not is_resilient and any(bits.take(1) for _ in range(_REFERENCES))
