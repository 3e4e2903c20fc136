"""The user's own pictures: a folder with a folder per class, named as the class."""

from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, SerializationInfo, field_serializer
from torch import Generator, Tensor

from models_store.base import Frozen
from training.datasets.base import ImageData, ImageSplit, class_counts, hold_out
from training.datasets.class_folders import Unreadable, class_files, class_folders, read_each
from training.datasets.image_io import Mode, read_picture
from training.datasets.path_redaction import name_of, written
from training.errors import DataError

__all__ = ["Folder"]


class Folder(Frozen):
    """`path/<class>/<picture>`: read once, brought to one size, split by class and seed."""

    kind: Literal["folder"] = "folder"
    path: Path
    """The folder of class folders; `~` is the home folder."""
    size: tuple[PositiveInt, PositiveInt]
    """Height and width: scaled until the picture covers them, then the centre is cut out."""
    mode: Mode = "RGB"
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Of each class, at least one picture."""
    validation_size: NonNegativeInt = 0
    seed: NonNegativeInt = 0
    """Chooses the test and validation pictures, and nothing else."""
    unreadable: Unreadable = "stop"

    @field_serializer("path")
    def _write_path(self, path: Path, info: SerializationInfo) -> str:
        return written(path, info)

    def load(self) -> ImageData:
        """Raises DataError, naming the folder or file, when there is nothing usable there."""
        root = self.path.expanduser()
        classes = class_folders(root)
        splits = [self._read_class(folder) for folder in classes]
        chosen = Generator().manual_seed(self.seed)
        train, test = [], []
        for label, (folder, images_NCHW) in enumerate(zip(classes, splits, strict=True)):
            count = self._test_count(folder.name, len(images_NCHW))
            order = torch.randperm(len(images_NCHW), generator=chosen)
            every = ImageSplit(images_NCHW, torch.full((len(images_NCHW),), label))
            test.append(every.take(order[:count]))
            train.append(every.take(order[count:]))
        data = ImageData(
            title=name_of(root),
            licence="the user's own pictures; terms not stated",
            source=f"folder {name_of(root)}",
            labels=tuple(folder.name for folder in classes),
            train=_mixed(train, chosen),
            test=_mixed(test, chosen),
        )
        return _every_class_left(hold_out(data, self.validation_size, self.seed))

    def _read_class(self, folder: Path) -> Tensor:
        def read(file: Path) -> Tensor:
            return read_picture(file, self.size, self.mode)

        return torch.stack(list(read_each(class_files(folder), read, self.unreadable).values()))

    def _test_count(self, name: str, total: int) -> int:
        count = max(1, round(self.test_fraction * total))
        if count >= total:
            raise DataError(
                f"class {name!r} has {total} pictures: too few to train on some and test on "
                f"{self.test_fraction:.0%}"
            )
        return count


def _mixed(parts: list[ImageSplit], generator: Generator) -> ImageSplit:
    """All parts in one, shuffled: the first pictures of a split are then not all of one class."""
    images_NCHW = torch.cat([part.images_NCHW for part in parts])
    labels_N = torch.cat([part.labels_N for part in parts])
    order = torch.randperm(len(labels_N), generator=generator)
    return ImageSplit(images_NCHW[order], labels_N[order])


def _every_class_left(data: ImageData) -> ImageData:
    counts = class_counts(data.train.labels_N, data.labels)
    missing = [name for name, count in counts.items() if not count]
    if missing:
        raise DataError(
            f"validation_size is {len(data.validation or ())}, which leaves no picture of "
            f"{', '.join(missing)} to train on"
        )
    return data
