"""Resolve a recipe's `precision: auto` for this machine."""

import torch

from training.config.recipe import Recipe
from training.config.train import PrecisionOption, ResolvedPrecision

_BFLOAT16_CAPABILITIES = ("amx_bf16", "avx512_bf16", "bf16")
"""Capabilities of x86 and ARM processors, by torch's names."""


def supports_bfloat16() -> bool:
    """Return whether the GPU, or else the processor, has instructions for bfloat16.

    Without them bfloat16 is emulated: on an AVX2 processor a step of ResNet-20 took 15 times as
    long as in float32, and torch's LSTM does not run in it at all.
    """
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in _BFLOAT16_CAPABILITIES)


def resolve_precision(
    precision: PrecisionOption, native_bfloat16: bool | None = None
) -> ResolvedPrecision:
    """Resolve `auto`. `native_bfloat16` overrides the detection of native instructions."""
    if precision != "auto":
        return precision
    native_bfloat16 = supports_bfloat16() if native_bfloat16 is None else native_bfloat16
    return "bf16-mixed" if native_bfloat16 else "32-true"


def resolve_recipe(recipe: Recipe) -> Recipe:
    """Return `recipe` with `auto` resolved, so that a run records the format that it used."""
    return recipe.model_copy(update={"precision": resolve_precision(recipe.precision)})
