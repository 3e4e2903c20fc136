"""Health check for containers: exit with 0 if the service in this environment is ready.

    python -m service.server.healthcheck

Reads DEEPSHELF_HOST, DEEPSHELF_PORT and DEEPSHELF_TLS_CERTFILE. Imports only the standard library,
because it runs every few seconds beside the service and most of its cost is starting Python.
"""

import contextlib
import http.client
import os
import ssl
import sys

_TIMEOUT_S = 2.0
_WILDCARD_HOSTS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # an address to connect to, not to listen on


def main(arguments: list[str] | None = None) -> int:
    """Return 0 if `/readyz` (or the given path, such as `/livez`) responds with 200, else 1."""
    path = next(iter(sys.argv[1:] if arguments is None else arguments), "/readyz")
    try:
        with contextlib.closing(_connect()) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read(300).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        sys.stderr.write(f"no response: {error}\n")
        return 1
    if response.status != http.client.OK:
        sys.stderr.write(f"{response.status}: {body}\n")
        return 1
    return 0


def _connect() -> http.client.HTTPConnection:
    host = os.environ.get("DEEPSHELF_HOST", "")
    host, port = _WILDCARD_HOSTS.get(host, host), int(os.environ.get("DEEPSHELF_PORT") or 8000)
    if not os.environ.get("DEEPSHELF_TLS_CERTFILE"):
        return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    # The certificate names the public host, not this loopback address. Nothing secret is sent, and
    # only the status is used.
    context = ssl._create_unverified_context()  # noqa: S323, SLF001
    return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=context)


if __name__ == "__main__":
    sys.exit(main())
