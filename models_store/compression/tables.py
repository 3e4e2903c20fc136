"""The entropy coding tables of a published model, checked against its task and graphs."""

from pathlib import Path

from models_store.compression.factorized import FrequencyTables, read_tables
from models_store.compression.hyperprior import ScaleTables
from models_store.errors import ManifestError
from models_store.manifest import Manifest
from models_store.tasks import Compression, Hyperprior


def load_tables(
    folder: Path, manifest: Manifest, task: Compression
) -> FrequencyTables | ScaleTables:
    """Return the tables of a version in `folder`, whose task is `task`.

    Raises:
        ManifestError: they are not valid, or do not fit the task or its graphs.
    """
    path = folder / manifest.get_file("tables").path
    if isinstance(task.entropy, Hyperprior):
        return _read_scale_tables(path, task.entropy)
    tables = read_tables(path, FrequencyTables)
    dimensions = latent_shape(manifest)[0]
    if dimensions != len(tables.tables):
        raise ManifestError(
            f"{path.name} has {len(tables.tables)} tables for {dimensions} latent dimensions"
        )
    return tables


def latent_shape(manifest: Manifest) -> tuple[int, int, int]:
    """Return latent dimensions, height and width for images of a fixed size."""
    outputs = manifest.get_file("encoder").outputs
    shape = next(output.shape for output in outputs if output.name == "latents")
    match shape[1:]:
        case int(dimensions), int(height), int(width):
            return dimensions, height, width
    raise ManifestError(f"latents are {list(shape)}, not [batch, D, h, w] of fixed sizes")


def _read_scale_tables(path: Path, entropy: Hyperprior) -> ScaleTables:
    tables = read_tables(path, ScaleTables)
    if len(tables.side_levels) != entropy.qualities:
        raise ManifestError(
            f"{path.name} has {len(tables.side_levels)} qualities, the task has {entropy.qualities}"
        )
    return tables
