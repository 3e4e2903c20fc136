"""Tasks: an objective with its optimization step and its scores.

Adding one: its options in `training.config.tasks`, and a module here that registers its class.
"""

from importlib import import_module
from pkgutil import iter_modules

from training.tasks.base import build_task

__all__ = ["build_task"]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
