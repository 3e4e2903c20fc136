"""API keys: what a key is, how it lies in a file, and how a new one is made.

    python -m service.keys alice --rate 100/minute --concurrent 4

prints a key, once, and the line that the service is to be given for it. The line holds the key's
SHA-256, not the key. A fast hash is enough: a key is 256 random bits, which nobody guesses, however
many guesses a second they have; slow hashes are for words that people choose.
"""

import argparse
import hashlib
import hmac
import re
import secrets
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from limits import RateLimitItem, parse

__all__ = ["ApiKey", "ApiKeySet", "hash_key", "new_key", "parse_keys", "parse_rate"]

_PREFIX = "dsk_"
"""Lets scanners of published code know one when they see it."""
_NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST_PATTERN = re.compile(r"sha256:([0-9a-f]{64})")
_LINE_FORMAT = "NAME sha256:HEX [admin] [rate=100/minute] [concurrent=4]"


@dataclass(frozen=True)
class ApiKey:
    """Who may ask, and how much."""

    name: str
    digest: bytes
    """SHA-256 of the key."""
    admin: bool = False
    rate_limit: RateLimitItem | None = None
    max_concurrent: int | None = None
    """Requests at the same time, in each worker."""


class ApiKeySet:
    """All keys of a service."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        """Raises ValueError where two have one name, or are one key."""
        self._keys = tuple(keys)
        for field, values in (
            ("name", [key.name for key in self._keys]),
            ("key", [key.digest for key in self._keys]),
        ):
            if len(set(values)) < len(values):
                raise ValueError(f"two keys have the same {field}")

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def auth_required(self) -> bool:
        """Whether a request must bring one. An administrator's alone closes nothing else."""
        return any(not key.admin for key in self._keys)

    @property
    def has_admin(self) -> bool:
        return any(key.admin for key in self._keys)

    def find(self, presented: str) -> ApiKey | None:
        """Whose key this is. Takes the same time whichever it is, and where it is none."""
        digest, found = hash_key(presented), None
        for key in self._keys:
            if hmac.compare_digest(digest, key.digest):
                found = key
        return found


def hash_key(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def new_key() -> str:
    """256 random bits."""
    return _PREFIX + secrets.token_urlsafe(32)


def parse_keys(text: str) -> tuple[ApiKey, ...]:
    """Keys as they lie in a file, one a line, or separated by `;`; `#` begins a comment.

    Raises:
        ValueError: says in which line what is wrong, and quotes nothing of it.
    """
    keys = []
    for number, line in enumerate(re.split(r"[;\n]", text), 1):
        words = line.partition("#")[0].split()
        if words:
            try:
                keys.append(_parse_line(words))
            except ValueError as error:
                raise ValueError(f"key {number}: {error}; write it as {_LINE_FORMAT}") from None
    return tuple(keys)


def parse_rate(text: str) -> RateLimitItem:
    """`100/minute`, `5/second`, `1000 per 2 hour` …

    Raises:
        ValueError: it is none.
    """
    try:
        rate = parse(text)
    except ValueError:
        raise ValueError("a rate is written as 100/minute") from None
    if rate.amount < 1:
        raise ValueError("a rate is at least 1")
    return rate


def _parse_line(words: list[str]) -> ApiKey:
    name, *rest = words
    if not _NAME_PATTERN.fullmatch(name):
        raise ValueError("a name has letters, digits and ._-")
    digest = _DIGEST_PATTERN.fullmatch(rest[0]) if rest else None
    if digest is None:
        raise ValueError("after the name comes sha256: and 64 hexadecimal digits")
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
            raise ValueError("what follows is none of admin, rate=100/minute, concurrent=4")
    return ApiKey(name, bytes.fromhex(digest[1]), admin, rate, concurrent)


def main(arguments: list[str] | None = None) -> int:
    """Make a key; print it on the terminal and nowhere else."""
    parser = argparse.ArgumentParser(prog="python -m service.keys", description="Make an API key.")
    parser.add_argument("name", help="who it is for; shown in the log")
    parser.add_argument("--admin", action="store_true", help="may load and unload models")
    parser.add_argument("--rate", help="requests that it may make, such as 100/minute")
    parser.add_argument("--concurrent", help="requests at the same time, in each worker")
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
    sys.stdout.write(f"key (shown once)           {key}\nline for DEEPSHELF_KEYS_FILE {line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
