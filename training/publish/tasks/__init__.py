"""How each task is published. Adding one: a module here that registers a builder."""

from importlib import import_module
from pkgutil import iter_modules

from training.publish.spec import export_spec

__all__ = ["export_spec"]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
