"""Commands that import torch, which takes seconds."""

import atexit
import gc
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand


class _TorchCommand(TyperCommand):
    def invoke(self, ctx: Any) -> Any:  # typer's own context class is private
        """Announce the slow import of torch, then run the command."""
        # OpenMP's threads spin while they wait by default, which slows down every process on a
        # busy machine. The runtime reads the variable when torch is imported.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        if "torch" not in sys.modules:
            typer.echo("loading PyTorch …", err=True)
            with fast_imports():  # optimizers import torch._dynamo in any case
                importlib.import_module("torch._dynamo")
        return super().invoke(ctx)


class TorchCommands(typer.Typer):
    """A group whose commands announce that they load PyTorch."""

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:
        """Register a command, as typer does."""
        return super().command(name, cls=_TorchCommand, **options)


@contextmanager
def fast_imports() -> Iterator[None]:
    """Import modules without garbage collection, which takes a fifth of the time of large ones.

    Later collections skip their objects, too. The last one, at exit, does not, because nanobind
    would report the objects of triton as leaks.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
    gc.freeze()
    atexit.register(gc.unfreeze)


@contextmanager
def resumable(run_dir: Path) -> Iterator[None]:
    """On Ctrl-C, print how to continue the run in `run_dir`, and exit with 130."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(
            f"interrupted: the same command with --resume --run-dir {run_dir} continues", err=True
        )
        raise typer.Exit(130) from None
