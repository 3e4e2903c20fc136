"""Command groups that report expected errors on one line. All command lines share them."""

import errno
import os
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from models_store.errors import StoreError

_OWN_PACKAGES = ("deepshelf", "models_store", "service", "training")


class CommandGroup(TyperGroup):
    """A group of commands that reports expected errors on one line, with exit code 1."""

    expected_errors: ClassVar[tuple[type[Exception], ...]] = (StoreError, OSError)
    extra: ClassVar[str | None] = None
    """The extra of deepshelf that brings the packages of these commands."""

    def invoke(self, ctx: Any) -> Any:  # typer's own context class is private
        """Run the command; a missing package is an error that names what to install."""
        try:
            return super().invoke(ctx)
        except self.expected_errors as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            message = single_line(_describe(error))
        except ModuleNotFoundError as error:
            if self.extra is None or (error.name or "").partition(".")[0] in _OWN_PACKAGES:
                raise
            message = f"{error}. Install it with: pip install 'deepshelf[{self.extra}]'"
        typer.echo(f"error: {message}", err=True)
        raise typer.Exit(1)


def _describe(error: Exception) -> object:
    """Return an error of the operating system as command-line tools show it, without its number."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return error


def printable(text: str) -> str:
    """Replace control characters, which names in a graph or a manifest may hold, by spaces."""
    return "".join(character if character.isprintable() else " " for character in text)


def single_line(message: object) -> str:
    """Return the message on one line without control characters."""
    return " ".join(printable(str(message)).split())
