"""Commands of the product, run in this process."""

import pytest
import typer


def exit_code(app: typer.Typer, *arguments: str) -> int:
    """Run a command and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        app(args=list(arguments))
    assert isinstance(ended.value.code, int)
    return ended.value.code
