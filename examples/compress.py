"""A digit as a few bytes, and back. `python examples/compress.py [URL]`."""

import sys
from pathlib import Path

from service.client import Client

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
HERE = Path(__file__).parent

with Client(URL) as client:
    code = client.compress(HERE / "digit.png", model="autoencoder-mnist-conv")
    image = client.decompress(code)
    print(f"{len(code)} bytes of code; as PNG, the decompressed image has {len(image)}")
