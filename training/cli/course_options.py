"""What the course's commands share."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["SeedOption", "SeedsOption", "ToOption", "use_one_thread"]

ToOption = Annotated[Path, typer.Option(help="the picture")]
SeedOption = Annotated[int, typer.Option(min=0, help="of weights and batches")]
SeedsOption = Annotated[int, typer.Option(min=1, help="how many runs are averaged")]


def use_one_thread() -> None:
    """Nets as small as the course's only lose time to threads."""
    import torch

    torch.set_num_threads(1)
