import hashlib
import re
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from tests.full_disk import no_file_over
from training.config.recipe import load_recipe
from training.datasets.data_dir import download
from training.datasets.number_words import build_text, number_to_words
from training.datasets.text_corpus import TextCorpus, decode_text, strip_gutenberg
from training.errors import DataError
from training.publish.provenance import public_recipe


def saved(folder: Path, content: bytes, name: str = "mine.txt") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_the_last_part_is_held_out_and_the_vocabulary_is_of_the_whole(tmp_path: Path) -> None:
    data = TextCorpus(path=saved(tmp_path, "abcabcabcabcabcabcé€".encode())).load()
    assert data.vocabulary == "abcé€"
    assert data.train_N.tolist() == [0, 1, 2] * 6
    assert data.validation_N.tolist() == [3, 4]
    assert data.train_N.dtype == torch.int64


def test_decode_inverts_encode(tmp_path: Path) -> None:
    text = "añ😀\n" * 20
    data = TextCorpus(path=saved(tmp_path, text.encode())).load()
    tokens = torch.cat((data.train_N, data.validation_N))
    assert "".join(data.vocabulary[index] for index in tokens) == text
    assert data.encode("😀a").tolist() == [data.vocabulary.index("😀"), data.vocabulary.index("a")]


def test_the_manifest_names_the_text_by_its_hash_and_not_by_its_path(tmp_path: Path) -> None:
    source = TextCorpus(path=saved(tmp_path, b"abcd" * 10)).load().to_data_source()
    assert source.sha256 == hashlib.sha256((b"abcd" * 10)[:36]).hexdigest()
    assert (source.title, source.source, source.n) == ("mine.txt", "file mine.txt", 36)
    recipe = load_recipe("charnn-tiny", [f"data={{kind: corpus, path: {tmp_path}/mine.txt}}"])
    assert public_recipe(recipe)["data"]["path"] == "mine.txt"
    assert recipe.model_dump(mode="json")["data"]["path"] == f"{tmp_path}/mine.txt"


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfab\r\nab\rab\n", b"ab\nab\nab\n"])
def test_marks_and_line_ends_of_other_systems_are_no_characters(content: bytes) -> None:
    assert decode_text(content, "it") == "ab\nab\nab\n"


_SAMPLES = {"English": "It was a dark night.\n" * 20, "Russian": "Была тёмная ночь.\n" * 20,
            "short": "ab"}  # fmt: skip


@pytest.mark.parametrize("text", _SAMPLES.values(), ids=_SAMPLES)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le",
                                      "utf-32-be"])  # fmt: skip
@pytest.mark.parametrize("marked", [True, False])
def test_utf_16_and_utf_32_are_named_with_the_command_that_converts_them(
    tmp_path: Path, text: str, encoding: str, marked: bool
) -> None:
    mark = "\ufeff" if marked and encoding[-2:] in ("le", "be") else ""
    path = saved(tmp_path, (mark + text).encode(encoding))
    with pytest.raises(DataError) as caught:
        TextCorpus(path=path).load()
    name = encoding[:6].upper()
    assert f"mine.txt is {name}" in str(caught.value)
    (command_encoding,) = re.findall(r"iconv -f (\S+) -t utf-8", str(caught.value))
    # What iconv does with that name, in Python: the text as it was.
    assert path.read_bytes().decode(command_encoding) == text


def test_a_zero_byte_in_utf_8_is_a_character() -> None:
    assert decode_text(b"a\0b" + b"cdef" * 20, "it").startswith("a\0b")


def test_a_text_that_is_not_utf_8_is_rejected_at_its_byte(tmp_path: Path) -> None:
    path = saved(tmp_path, "uno\ndos\naño".encode("latin-1"))
    with pytest.raises(DataError, match=r"mine\.txt is not UTF-8: byte 0xf1 at offset 9, line 3"):
        TextCorpus(path=path).load()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"ab", "has 2 characters: too few"),
        (b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "repeats the single character 'a'"),
    ],
)
def test_empty_short_and_constant_texts_are_rejected(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        TextCorpus(path=saved(tmp_path, content)).load()


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.txt cannot be read: No such file"):
        TextCorpus(path=tmp_path / "none.txt").load()


@pytest.mark.parametrize("fields", [{}, {"name": "numbers", "path": "a.txt"}])
def test_a_corpus_has_one_source(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="exactly one of name and path"):
        TextCorpus.model_validate(fields)


def test_unknown_characters_are_named() -> None:
    with pytest.raises(DataError, match="Numbers in words has no 'Z', '!'; it has"):
        TextCorpus(name="numbers").load().encode("Z one!")


@pytest.mark.parametrize(("name", "file"), [("shakespeare",) * 2, ("quijote",) * 2])
def test_gutenberg_text_is_read_from_its_folder(data_home: Path, name: str, file: str) -> None:
    (data_home / "text").mkdir()
    saved(data_home / "text", b"to be or not to be\n" * 9, f"{file}.txt")
    data = TextCorpus.model_validate({"name": name}).load()
    assert len(data.train_N) + len(data.validation_N) == 9 * 19
    assert data.licence == "public domain"


def test_a_missing_book_without_download_names_its_target_file(data_home: Path) -> None:
    with pytest.raises(DataError, match=r"save it as .*/text/quijote\.txt .*gutenberg\.org"):
        TextCorpus(name="quijote").load()


def test_notes_of_project_gutenberg_are_removed() -> None:
    book = (
        "The Project Gutenberg eBook\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\n"
        "En un lugar\nde la Mancha\n\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\nlicence"
    )
    assert strip_gutenberg(book) == "En un lugar\nde la Mancha\n"
    assert strip_gutenberg("plain\ntext\n") == "plain\ntext\n"


def test_a_fetched_file_must_have_the_right_hash(tmp_path: Path) -> None:
    url = saved(tmp_path, b"abc", "source").as_uri()
    right = hashlib.sha256(b"abc").hexdigest()
    target = tmp_path / "cache" / "text.txt"
    with pytest.raises(DataError, match="invalid hash value"):
        download(url, right[::-1], target, "data.path")
    assert not target.exists()
    assert download(url, right, target, "data.path").read_bytes() == b"abc"
    assert list(target.parent.iterdir()) == [target]


def test_a_fetched_file_that_was_damaged_since_is_rejected(data_home: Path) -> None:
    (data_home / "text").mkdir()
    saved(data_home / "text", b"First Citizem:\n" * 9, "tinyshakespeare.txt")
    with pytest.raises(DataError, match=r"tinyshakespeare\.txt is not Tiny Shakespeare .* SHA-256"):
        TextCorpus(name="shakespeare").load()


def test_full_disk_leaves_no_partial_download(tmp_path: Path) -> None:
    content = b"abc" * 1000
    url = saved(tmp_path, content, "source").as_uri()
    target = tmp_path / "cache" / "text.txt"
    with no_file_over(1000), pytest.raises(DataError, match="File too large"):
        download(url, hashlib.sha256(content).hexdigest(), target, "data.path")
    assert list(target.parent.iterdir()) == []


def test_a_failed_download_is_named_in_the_error(tmp_path: Path) -> None:
    url = (tmp_path / "nowhere").as_uri()
    with pytest.raises(DataError, match=r"downloading .* failed: .*set data\.path"):
        download(url, "", tmp_path / "text.txt", "data.path")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "one"), (10, "ten"), (13, "thirteen"), (20, "twenty"), (42, "forty-two"),
        (100, "one hundred"), (319, "three hundred nineteen"), (999, "nine hundred ninety-nine"),
    ],
)  # fmt: skip
def test_numbers_are_spelt_in_words(number: int, words: str) -> None:
    assert number_to_words(number) == words


def test_every_number_has_its_line_and_the_order_is_always_the_same() -> None:
    lines = build_text().splitlines()
    assert {line.split(" = ")[0] for line in lines} == {str(number) for number in range(1, 1000)}
    assert len({line.split(" = ")[1] for line in lines}) == 999
    assert build_text() == build_text()
