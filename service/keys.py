"""API keys: parsing them, finding one, and making a new one.

    python -m service.keys alice --rate 100/minute --concurrent 4 >> keys.txt

writes the line for the service to standard output, and the key, which is not stored, to standard
error. The line holds the key's SHA-256. A fast hash is enough for 256 random bits; slow hashes
protect passwords, which can be guessed.
"""

import argparse
import hashlib
import hmac
import re
import secrets
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from limits import RateLimitItem, parse

_PREFIX = "dsk_"
"""Lets secret scanners recognise a key in published code."""
_NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST_PATTERN = re.compile(r"sha256:([0-9a-f]{64})")
_LINE_FORMAT = "NAME sha256:HEX [admin] [rate=100/minute] [concurrent=4]"


@dataclass(frozen=True)
class ApiKey:
    """A key with the name of its owner and its limits."""

    name: str
    digest: bytes = field(repr=False)
    """SHA-256 of the key."""
    admin: bool = False
    rate_limit: RateLimitItem | None = None
    max_concurrent: int | None = None
    """Requests in flight at the same time, in each worker."""


class ApiKeySet:
    """All keys of a service."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        """Raise ValueError if two keys have the same name or the same digest."""
        self._keys = tuple(keys)
        for label, values in (
            ("name", [key.name for key in self._keys]),
            ("key", [key.digest for key in self._keys]),
        ):
            if len(set(values)) < len(values):
                raise ValueError(f"two keys have the same {label}")

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def auth_required(self) -> bool:
        """True if requests need a key. An administrator's key alone leaves other routes open."""
        return any(not key.admin for key in self._keys)

    @property
    def has_admin(self) -> bool:
        return any(key.admin for key in self._keys)

    def find(self, presented: str) -> ApiKey | None:
        """Return the matching key, or None, in the same time whichever it is."""
        digest, found = hash_key(presented), None
        for key in self._keys:
            if hmac.compare_digest(digest, key.digest):
                found = key
        return found


def hash_key(key: str) -> bytes:
    """Return the SHA-256 of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def new_key() -> str:
    """Return a new key of 256 random bits."""
    return _PREFIX + secrets.token_urlsafe(32)


def parse_keys(text: str, source: object = "keys") -> tuple[ApiKey, ...]:
    """Parse keys, one a line or separated by `;`. `#` starts a comment.

    Raises:
        ValueError: names `source` and the line; quotes nothing of it.
    """
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        for entry in line.partition("#")[0].split(";"):
            words = entry.split()
            if not words:
                continue
            try:
                keys.append(_parse_entry(words))
            except ValueError as error:
                location = f"{source}, line {number}"
                raise ValueError(f"{location}: {error}; expected {_LINE_FORMAT}") from None
    return tuple(keys)


def parse_admin_key(text: str) -> ApiKey:
    """Return the administrator's key, from the key itself or from `sha256:HEX` of it."""
    if text.startswith("sha256:"):
        (key,) = parse_keys(f"admin {text} admin")
        return key
    return ApiKey("admin", hash_key(text), admin=True)


def read_keys_file(path: Path) -> list[ApiKey]:
    """Return the keys of a file. Raises ValueError, which names the file and quotes no key."""
    try:
        return list(parse_keys(path.read_text(encoding="utf-8"), path))
    except OSError as error:
        raise ValueError(f"keys_file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"keys_file {path} is not UTF-8 text") from None


def parse_rate(text: str) -> RateLimitItem:
    """Parse `100/minute`, `5/second`, `1000 per 2 hour` …

    Raises:
        ValueError: `text` is not a rate.
    """
    try:
        rate = parse(text)
    except ValueError:
        raise ValueError("a rate must look like 100/minute") from None
    if rate.amount < 1:
        raise ValueError("a rate must be at least 1")
    return rate


def _parse_entry(words: list[str]) -> ApiKey:
    name, *rest = words
    if not _NAME_PATTERN.fullmatch(name):
        raise ValueError("the name must have 1 to 64 letters, digits or ._-")
    digest = _DIGEST_PATTERN.fullmatch(rest[0]) if rest else None
    if digest is None:
        raise ValueError(
            "the name must be followed by sha256: and 64 lower-case hexadecimal digits"
        )
    admin, rate, concurrent = False, None, None
    for word in rest[1:]:
        option, _, value = word.partition("=")
        if word == "admin":
            admin = True
        elif option == "rate":
            rate = parse_rate(value)
        elif option == "concurrent" and value.isdigit() and int(value) > 0:
            concurrent = int(value)
        else:
            raise ValueError("options must be admin, rate=100/minute or concurrent=4")
    return ApiKey(name, bytes.fromhex(digest[1]), admin, rate, concurrent)


def main(arguments: list[str] | None = None) -> int:
    """Make a key: its line goes to standard output, the key to standard error."""
    parser = argparse.ArgumentParser(prog="python -m service.keys", description="Make an API key.")
    parser.add_argument("name", help="whose key it is; appears in the log")
    parser.add_argument("--admin", action="store_true", help="allow loading and unloading models")
    parser.add_argument("--rate", help="rate limit, such as 100/minute (default: key_rate)")
    parser.add_argument(
        "--concurrent",
        help="limit of requests in flight in each worker; default: the setting key_max_concurrent",
    )
    options = parser.parse_args(arguments)
    key = new_key()
    line = f"{options.name} sha256:{hash_key(key).hex()}"
    line += " admin" if options.admin else ""
    line += f" rate={options.rate}" if options.rate else ""
    line += f" concurrent={options.concurrent}" if options.concurrent else ""
    try:
        parse_keys(line)
    except ValueError as error:
        parser.error(str(error))
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    sys.stderr.write(f"key (shown once): {key}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
