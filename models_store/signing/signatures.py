"""Verify signatures of manifests, which contain the hashes of all other files.

`manifest.json.sig` is the output of `ssh-keygen -Y sign -n deepshelf -f KEY manifest.json` with an
Ed25519 key. The cryptography package (extra `sign`) does the arithmetic. A manifest holds the
model's name and version, so a signature is valid for that version only. It does not prove that no
later version exists.
"""

import base64
from collections.abc import Mapping
from pathlib import Path

from models_store.errors import SignatureError
from models_store.signing import sshsig

TrustedKeys = Mapping[bytes, str]
"""Public keys (32 bytes) and the names of their owners."""

NAMESPACE = "deepshelf"
"""Purpose of a signature; those made for other purposes with the same key are rejected."""


def require_cryptography() -> None:
    """Raise SignatureError if the cryptography package is not installed."""
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise SignatureError(
            "signatures need cryptography: pip install 'deepshelf[sign]'"
        ) from error


def read_trusted_keys(path: Path) -> TrustedKeys:
    """Read public keys: lines `ssh-ed25519 AAAA… name`, or OpenSSH's `name ssh-ed25519 AAAA…`.

    Raises:
        SignatureError: the file cannot be read, is empty, or has an invalid line (named).
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SignatureError(f"{path.name} cannot be read: {reason}") from error
    keys: dict[bytes, str] = {}
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if words and not words[0].startswith("#"):
            key, name = _parse_public_key(words, f"line {number} of {path.name}")
            keys[key] = name
    if not keys:
        raise SignatureError(
            f"{path.name} holds no key; expected lines such as: {sshsig.KEY_TYPE} AAAA… name"
        )
    return keys


def _parse_public_key(words: list[str], location: str) -> tuple[bytes, str]:
    try:
        index = words[:2].index(sshsig.KEY_TYPE)
        key = sshsig.parse_public_key(base64.b64decode(words[index + 1], validate=True))
    except (ValueError, IndexError) as error:
        raise SignatureError(
            f"{location} is not a key; expected: {sshsig.KEY_TYPE} AAAA… name"
        ) from error
    name = words[0] if index else " ".join(words[2:])
    return key, name or f"the key of {location}"


def check_signature(content: bytes, armored: bytes, trusted_keys: TrustedKeys) -> str:
    """Return the name of the trusted key that signed `content`.

    Raises:
        SignatureError: the signature is malformed, invalid, or of a key that is not trusted.
    """
    require_cryptography()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        signature = sshsig.parse_signature(armored)
    except ValueError as error:
        raise SignatureError(f"the manifest's signature cannot be read: {error}") from error
    if signature.namespace != NAMESPACE:
        raise SignatureError(
            f"the manifest's signature was made for {signature.namespace[:40]!r}, not for "
            f"{NAMESPACE!r}"
        )
    name = trusted_keys.get(signature.public_key)
    if name is None:
        raise SignatureError(
            f"the manifest is signed with {sshsig.fingerprint(signature.public_key)}, which "
            f"is not trusted; trusted keys: {', '.join(trusted_keys.values())}"
        )
    try:
        message = sshsig.signed_data(content, NAMESPACE, signature.hash_name)
        Ed25519PublicKey.from_public_bytes(signature.public_key).verify(
            signature.signature, message
        )
    except (InvalidSignature, ValueError) as error:
        raise SignatureError(f"the manifest differs from the one that {name} signed") from error
    return name
