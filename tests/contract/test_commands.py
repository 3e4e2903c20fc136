"""The command lines that the documentation and the manifests name. More may come; none may go."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

import models_store.cli
import service.cli
import training.cli.main

COMMANDS = {
    "models": {"--store", "--trusted-keys"},
    "models list": set(),
    "models show": {"name", "--version"},
    "models card": {"name", "--version"},
    "models verify": {"names"},
    "models add": {
        "file",
        "--name",
        "--sample",
        "--labels",
        "--size",
        "--resize",
        "--mean",
        "--std",
        "--layout",
        "--channels",
        "--scale",
        "--softmax",
        "--samples",
        "--new-version",
    },
    "models export": {"file", "models", "--all"},
    "models import": {"file"},
    "models schema": set(),
    "serve": {"--host", "--port", "--store", "--models"},
    "train list": set(),
    "train fit": {"recipe", "--set", "--run-dir", "--resume"},
    "train evaluate": {"run"},
    "train publish": {"run", "--checkpoint", "--store"},
    "train plot curves": {"run", "--to"},
}


def _walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield a command, and the commands of a group. Typer's classes are its copies of click's."""
    yield name, command
    for part, inner in getattr(command, "commands", {}).items():
        yield from _walk(inner, f"{name} {part}")


@pytest.fixture(scope="module")
def commands() -> dict[str, Any]:
    apps = {
        "models": models_store.cli.app,
        "serve": service.cli.app,
        "train": training.cli.main.app,
    }
    return {
        name: command
        for part, app in apps.items()
        for name, command in _walk(typer.main.get_command(app), part)
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_command_accepts_documented_options(commands: dict[str, Any], name: str) -> None:
    taken = {
        word for parameter in commands[name].params for word in (*parameter.opts, parameter.name)
    }
    assert taken >= COMMANDS[name]


def test_every_command_and_option_is_explained(commands: dict[str, Any]) -> None:
    silent = [name for name, command in commands.items() if not command.help]
    silent += [
        f"{name} {parameter.name}"
        for name, command in commands.items()
        for parameter in command.params
        if parameter.name != "help" and not getattr(parameter, "help", None)
    ]
    assert silent == []
