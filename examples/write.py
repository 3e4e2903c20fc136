"""A text while it is written. `python examples/write.py [URL]`."""

import sys

from service.client import Client

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"

with Client(URL) as client:
    for piece in client.stream_text("7 = ", model="charnn-tiny", max_chars=200, temperature=0.3):
        print(piece, end="", flush=True)
print()
