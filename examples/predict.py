"""Send pixels as plain JSON to any model: `python examples/predict.py [URL]`."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from service.client import Client

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
HERE = Path(__file__).parent
LABELS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]

with Client(URL) as client:
    pixels = np.asarray(ImageOps.fit(Image.open(HERE / "cat.jpg"), (32, 32)))
    response = client.predict("resnet-cifar10", {"images": pixels[None].tolist()})
    (probabilities,) = response.outputs["probabilities"]
    best = int(np.argmax(probabilities))
    print(f"{probabilities[best]:.1%}  {LABELS[best]}")
