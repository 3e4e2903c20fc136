"""Ten texts at once: they share every run of the model. `python examples/many_at_once.py [URL]`."""

import asyncio
import sys

from service.client import AsyncClient

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"


async def main() -> None:
    async with AsyncClient(URL) as client:
        numbers = range(120, 130)
        requests = [
            client.text(f"{number} = ", model="charnn-tiny", stop="\n", temperature=0)
            for number in numbers
        ]
        for number, response in zip(numbers, await asyncio.gather(*requests), strict=True):
            print(number, response.text)


asyncio.run(main())
