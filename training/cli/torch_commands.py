"""Commands that import torch, which takes seconds."""

import os
import sys
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand

__all__ = ["TorchCommands"]


class _TorchCommand(TyperCommand):
    def invoke(self, ctx: Any) -> Any:  # typer's own context class is private
        """Say what takes the first seconds, then run the command."""
        # OpenMP's threads spin while they wait by default, which slows down every process on a
        # busy machine. The runtime reads the variable when torch is imported.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        if "torch" not in sys.modules:
            typer.echo("loading PyTorch …", err=True)
        return super().invoke(ctx)


class TorchCommands(typer.Typer):
    """A group whose commands announce that they load PyTorch."""

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:
        """Register a command, as typer does."""
        return super().command(name, cls=_TorchCommand, **options)
