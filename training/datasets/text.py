"""A text as indices into a vocabulary, split in reading order.

Shapes: N characters, V characters of the vocabulary.
"""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from models_store.manifest import DataSource
from training.errors import DataError


@dataclass(frozen=True)
class TextData:
    """A text in memory. The beginning is trained on; the end is used for metrics only."""

    title: str
    licence: str
    source: str
    vocabulary: str
    """Every character of the whole text once, sorted by code point."""
    train_N: Tensor
    """Indices into `vocabulary`, int64."""
    validation_N: Tensor

    def encode(self, text: str) -> Tensor:
        """Return the indices of `text`, int64.

        Raises:
            DataError: a character is not in the vocabulary.
        """
        unknown = [c for c in dict.fromkeys(text) if c not in self.vocabulary]
        if unknown:
            unknown_list = ", ".join(map(repr, unknown))
            raise DataError(f"{self.title} has no {unknown_list}; it has {self.vocabulary!r}")
        return torch.tensor([self.vocabulary.index(c) for c in text], dtype=torch.int64)

    def decode(self, indices_N: Tensor) -> str:
        """Return the text that the indices stand for."""
        return "".join(self.vocabulary[index] for index in indices_N.tolist())

    def to_data_source(self) -> DataSource:
        """Return the manifest's entry, with the hash of the UTF-8 training text."""
        text = self.decode(self.train_N)
        return DataSource(
            title=self.title,
            source=self.source,
            licence=self.licence,
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            n=len(self.train_N),
        )


def split_text(
    text: str, validation_fraction: float, *, title: str, licence: str, source: str
) -> TextData:
    """Hold out the last `validation_fraction` of `text`; the vocabulary is that of the whole.

    Raises:
        DataError: the text is too short, or holds only one distinct character.
    """
    vocabulary = "".join(sorted(set(text)))
    if len(vocabulary) == 1:
        raise DataError(
            f"{title} repeats the single character {vocabulary!r}; a text needs two or more"
        )
    held_out = int(len(text) * validation_fraction)
    if held_out < 2:
        raise DataError(
            f"{title} has {len(text)} characters: too few to train on and to hold "
            f"{validation_fraction:.0%} out"
        )
    index = {character: position for position, character in enumerate(vocabulary)}
    tokens_N = torch.tensor([index[character] for character in text], dtype=torch.int64)
    return TextData(
        title=title,
        licence=licence,
        source=source,
        vocabulary=vocabulary,
        train_N=tokens_N[:-held_out],
        validation_N=tokens_N[-held_out:],
    )
