"""The command lines that the documentation and the manifests name. More may come; none may go."""

import argparse
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from models_store.__main__ import _build_parser
from training.cli.main import app

TRAINING = {
    "list": set(),
    "fit": {"recipe", "--set", "--run-dir", "--resume"},
    "evaluate": {"run"},
    "publish": {"run", "--store"},
    "plot curves": {"run", "--to"},
}
SHELF = {
    "": {"--store"},
    "list": set(),
    "show": {"name", "--version"},
    "verify": {"names"},
    "schema": set(),
}


def _commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Commands, also of groups within. typer's classes are click's, or its own copies of them."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


@pytest.fixture(scope="module")
def training() -> dict[str, Any]:
    return dict(_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", TRAINING)
def test_a_training_command_takes_what_was_promised(training: dict[str, Any], name: str) -> None:
    taken = {
        word for parameter in training[name].params for word in (*parameter.opts, parameter.name)
    }
    assert taken >= TRAINING[name]


def test_every_training_command_and_option_is_explained(
    training: dict[str, Any],
) -> None:
    silent = [name for name, command in training.items() if not command.help]
    silent += [
        f"{name} {parameter.name}"
        for name, command in training.items()
        for parameter in command.params
        if parameter.name != "help" and not getattr(parameter, "help", None)
    ]
    assert silent == []


def _shelf() -> dict[str, argparse.ArgumentParser]:
    parser = _build_parser()
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return {"": parser, **commands.choices}


@pytest.mark.parametrize("name", SHELF)
def test_a_shelf_command_takes_what_was_promised(name: str) -> None:
    taken = {
        word
        for action in _shelf()[name]._actions
        for word in action.option_strings or [action.dest]
    }
    assert taken >= SHELF[name]
