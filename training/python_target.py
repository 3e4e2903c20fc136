"""Python objects that a recipe names as `module:name`: networks and data sets of the user's own."""

import importlib
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from training.errors import RecipeError

Target = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")]
"""`module:name`, of a module in the current folder, on PYTHONPATH or installed."""


def import_target(target: str) -> Any:
    """Return the object that `target` names.

    Raises:
        RecipeError: the module or the name does not exist.
    """
    module_name, _, name = target.partition(":")
    folder = str(Path.cwd())
    if folder not in sys.path:  # `python -m` adds it, a console script does not
        sys.path.append(folder)
    try:
        return getattr(importlib.import_module(module_name), name)
    except ImportError as error:
        raise RecipeError(
            f"{target} cannot be imported ({error}); modules are searched for in {folder}, on "
            "PYTHONPATH and among the installed packages"
        ) from error
    except AttributeError as error:
        raise RecipeError(f"{target}: {error}") from error


def call_target(target: str, arguments: Mapping[str, Any]) -> Any:
    """Call what `target` names.

    Raises:
        RecipeError: as `import_target`, or it does not take these arguments.
    """
    function = import_target(target)
    try:
        inspect.signature(function).bind(**arguments)
    except ValueError:
        pass  # some functions written in C have no signature
    except TypeError as error:
        raise RecipeError(f"{target}: {error}; args has {', '.join(arguments) or 'none'}") from None
    return function(**arguments)
