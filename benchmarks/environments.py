"""Environments of their own for peers whose packages would not go together with ours."""

import subprocess
import sys
from pathlib import Path

__all__ = ["PACKAGES", "python_of"]

PACKAGES = {"litserve": ("litserve", "onnxruntime", "pillow", "numpy")}
"""By the peer's name: what is installed for it."""

_FOLDER = Path("build/benchmarks/environments")


def python_of(peer: str) -> Path:
    """The interpreter of `peer`'s environment, which is made when it is first asked for.

    Raises:
        RuntimeError: there is no such peer, or its packages cannot be installed.
    """
    if peer not in PACKAGES:
        raise RuntimeError(f"there is no peer {peer}; there are: {', '.join(PACKAGES)}")
    folder = _FOLDER / peer
    python = folder / "bin" / "python"
    done = folder / "done"
    if not done.exists():
        commands = (
            [sys.executable, "-m", "venv", str(folder)],
            [str(python), "-m", "pip", "install", "--quiet", *PACKAGES[peer]],
        )
        for command in commands:
            if subprocess.run(command, check=False).returncode:  # noqa: S603
                raise RuntimeError(f"the environment of {peer} could not be made")
        done.touch()
    return python.absolute()
