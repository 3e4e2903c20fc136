"""Classify an image: `python examples/classify.py [URL]`."""

import sys
from pathlib import Path

from service.client import Client

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
HERE = Path(__file__).parent

with Client(URL) as client:
    response = client.classify(HERE / "cat.jpg", top_k=3)
    print(response.model)
    for prediction in response.results[0].predictions:
        print(f"{prediction.probability:7.1%}  {prediction.label}")
