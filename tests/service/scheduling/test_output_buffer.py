import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.scheduling.output_buffer import OutputBuffer


def pieces(text: str, stops: list[str]) -> tuple[list[str], bool]:
    """Return the text read after every character, and whether a stop string ended it."""
    writing, read = OutputBuffer(stops), []
    for character in text:
        going_on = writing.append(character)
        read.append(writing.read_available(is_complete=not going_on))
        if not going_on:
            return read, True
    read.append(writing.read_available(is_complete=True))
    return read, False


def test_without_stop_strings_every_character_is_available_at_once() -> None:
    assert pieces("añ😀", []) == (["a", "ñ", "😀", ""], False)


def test_a_stop_string_is_not_part_of_the_text() -> None:
    assert pieces("one. two", [". "]) == (["o", "n", "e", "", ""], True)


def test_possible_start_of_a_stop_string_is_held_back() -> None:
    assert pieces("aXXb", ["XXX"]) == (["a", "", "", "XXb", ""], False)


def test_held_back_characters_are_released_at_the_end() -> None:
    assert pieces("aXX", ["XXX"]) == (["a", "", "", "XX"], False)


def test_of_stops_that_end_together_the_one_that_begins_first_counts() -> None:
    read, stopped = pieces("xab", ["b", "ab"])
    assert ("".join(read), stopped) == ("x", True)


def test_the_first_stop_to_be_complete_counts() -> None:
    read, _ = pieces("abcd", ["abcde", "bc"])
    assert "".join(read) == "a"


def test_a_stop_string_of_one_character() -> None:
    assert pieces("ab\ncd", ["\n"]) == (["a", "b", ""], True)


def test_a_stop_string_may_overlap_itself() -> None:
    read, stopped = pieces("aabaabaaa!", ["aabaaa"])
    assert ("".join(read), stopped) == ("aab", True)


@pytest.mark.parametrize("stops", [[], ["q"]])
def test_the_length_is_of_the_text_alone(stops: list[str]) -> None:
    writing = OutputBuffer(stops)
    for character in "abc":
        writing.append(character)
    assert len(writing) == 3
    if stops:
        writing.append("q")
        assert len(writing) == 3


@given(
    text=st.text("abé", max_size=40),
    stops=st.lists(st.text("abé", min_size=1, max_size=5), max_size=3),
)
def test_no_part_of_a_stop_string_is_returned(text: str, stops: list[str]) -> None:
    read, stopped = pieces(text, stops)
    ends = [
        (begin + len(stop), begin) for stop in stops for begin in [text.find(stop)] if begin >= 0
    ]
    expected = text[: min(ends)[1]] if ends else text
    assert "".join(read) == expected
    assert stopped == bool(ends)
