"""Options that the course's commands share."""

from pathlib import Path
from typing import Annotated

import typer

ToOption = Annotated[Path, typer.Option(help="Image to write.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of weights and batches.")]
SeedsOption = Annotated[int, typer.Option(min=1, help="Number of runs to average.")]


def use_one_thread() -> None:
    """Use one thread: the course's networks are too small for more."""
    import torch

    torch.set_num_threads(1)
