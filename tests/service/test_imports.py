"""The service is small to install: it must start where nothing of training is."""

import subprocess
import sys

_SCRIPT = """
import sys

class ImportBlocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(name + " is not installed here")

sys.meta_path.insert(0, ImportBlocker())
import service.app
import service.cli
import service.serve
service.app.create_app()
print("started")
"""
TRAINING_ONLY = {
    "torch", "torchvision", "torchmetrics", "lightning_fabric", "onnx", "onnxscript", "sklearn",
    "skimage", "scipy", "matplotlib", "pandas", "httpx", "training",
}  # fmt: skip


def test_the_service_starts_without_anything_that_only_training_needs() -> None:
    script = _SCRIPT.replace("{names}", repr(TRAINING_ONLY))
    done = subprocess.run(  # our own interpreter and script
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "started\n", done.stderr
