"""Download files with a checksum."""

from pathlib import Path

import torch

from training.errors import DataError


def download(url: str, sha256: str, target: Path, alternative: str) -> Path:
    """Return `target`, downloaded from `url` unless it exists. It appears whole or not at all.

    Args:
        url: where the file is.
        sha256: checksum of the file, or its first digits.
        target: path of the file.
        alternative: setting that takes a file of the user's own, for the error message.

    Raises:
        DataError: when the file cannot be downloaded or written, or has another checksum.
    """
    if target.exists():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(target), sha256, progress=False)
    except (OSError, RuntimeError) as error:  # RuntimeError: another checksum
        raise DataError(
            f"{target} does not exist, and downloading {url} failed: {error}. Put the file there, "
            f"set DEEPSHELF_DATA to the folder of your data sets, or set {alternative}"
        ) from error
    return target
