"""Modules import only what other modules list in `__all__`."""

import pytest

from tests.contract.surface import PACKAGES, load_modules

MODULES = load_modules()


def test_the_modules_are_found() -> None:
    for name in (*PACKAGES, "models_store.manifest", "service.app", "training.networks.resnet"):
        assert name in MODULES


@pytest.mark.parametrize("name", MODULES)
def test_module_declares_its_public_names(name: str) -> None:
    module = MODULES[name]
    if module.is_empty or name.endswith("__main__"):
        return
    assert module.exported_names is not None
    assert sorted(set(module.exported_names)) == sorted(module.exported_names)
    assert set(module.exported_names) <= module.defined_names
    assert [public for public in module.exported_names if public.startswith("_")] == []


@pytest.mark.parametrize("name", MODULES)
def test_module_imports_only_public_names(name: str) -> None:
    private_names = []
    for source, imported, called in MODULES[name].imports():
        submodule = MODULES.get(f"{source}.{imported}")
        if submodule is not None:
            used = MODULES[name].attributes_of(called) - set(submodule.exported_names or ())
            private_names += [f"{submodule.name}.{attribute}" for attribute in used]
        elif source in MODULES and imported not in (MODULES[source].exported_names or ()):
            private_names.append(f"{source}.{imported}")
    assert private_names == []
