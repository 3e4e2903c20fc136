"""The same image over the Open Inference Protocol, by Triton's client.

`pip install 'tritonclient[http]'`, then `python examples/open_inference.py [URL]`.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
HERE = Path(__file__).parent

with Image.open(HERE / "cat.jpg") as image:
    pixels = np.array(image.convert("RGB").resize((32, 32)))[np.newaxis]  # (1, 32, 32, 3)
images = InferInput("images", list(pixels.shape), "UINT8")
images.set_data_from_numpy(pixels)
client = InferenceServerClient(URL.removeprefix("http://"))
best = InferRequestedOutput("probabilities", class_count=3)
for line in client.infer("resnet-cifar10", [images], outputs=[best]).as_numpy("probabilities")[0]:
    probability, _, label = line.decode().split(":")
    print(f"{float(probability):7.1%}  {label}")
