"""Verify signatures of manifests, which contain the hashes of all other files.

`manifest.json.sig` is the output of `ssh-keygen -Y sign -n deepshelf -f KEY manifest.json` with an
Ed25519 key. The cryptography package (extra `sign`) does the arithmetic. A manifest holds the
model's name and version, so a signature is valid for that version only. It does not prove that no
later version exists.
"""

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from models_store.errors import SignatureError
from models_store.signing import sshsig

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = [
    "NAMESPACE",
    "TrustedKeys",
    "check_signature",
    "generate_key",
    "read_private_key",
    "read_trusted_keys",
    "require_cryptography",
    "sign_manifest",
]

TrustedKeys = Mapping[bytes, str]
"""Public keys (32 bytes), and whose they are."""

NAMESPACE = "deepshelf"
"""A signature for something else, made with the same key, vouches for no model."""


def require_cryptography() -> None:
    """Raises SignatureError where the package is not installed."""
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise SignatureError("signatures need cryptography: pip install deepshelf[sign]") from error


def generate_key(path: Path, name: str) -> str:
    """Write a private key to `path`, for its owner's eyes alone; returns the public key's line.

    Raises:
        FileExistsError: there is something already.
        SignatureError: cryptography is not installed.
    """
    require_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    content = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    blob = sshsig.encode_public_key(key.public_key().public_bytes_raw())
    return f"{sshsig.KEY_TYPE} {base64.b64encode(blob).decode()} {name}"


def read_private_key(path: Path) -> "Ed25519PrivateKey":
    """Raises SignatureError: it is no Ed25519 key of OpenSSH's form, or has a passphrase."""
    require_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    try:
        key = load_ssh_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise SignatureError(f"{path} cannot be read: {error.strerror}") from error
    except (TypeError, UnsupportedAlgorithm) as error:
        raise SignatureError(
            f"{path} has a passphrase, or is of a kind that is not known here; OpenSSH signs with "
            f"it: ssh-keygen -Y sign -n {NAMESPACE} -f {path} manifest.json"
        ) from error
    except ValueError as error:
        raise SignatureError(f"{path} is no private key of OpenSSH's form") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SignatureError(f"{path} is no Ed25519 key; ssh-keygen -t ed25519 makes one")
    return key


def read_trusted_keys(path: Path) -> TrustedKeys:
    """A file of public keys: lines `ssh-ed25519 AAAA… name`, or OpenSSH's `name ssh-ed25519 AAAA…`.

    Raises:
        SignatureError: it cannot be read, holds no key, or a line that is none; says which.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise SignatureError(f"{path.name} cannot be read: {reason}") from error
    keys: dict[bytes, str] = {}
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if words and not words[0].startswith("#"):
            key, name = _parse_public_key(words, f"line {number} of {path.name}")
            keys[key] = name
    if not keys:
        raise SignatureError(f"{path.name} holds no key; lines are: {sshsig.KEY_TYPE} AAAA… name")
    return keys


def _parse_public_key(words: list[str], location: str) -> tuple[bytes, str]:
    try:
        index = words[:2].index(sshsig.KEY_TYPE)
        key = sshsig.parse_public_key(base64.b64decode(words[index + 1], validate=True))
    except (ValueError, IndexError) as error:
        raise SignatureError(
            f"{location} is no key; accepted is: {sshsig.KEY_TYPE} AAAA… name"
        ) from error
    name = words[0] if index else " ".join(words[2:])
    return key, name or f"the key of {location}"


def sign_manifest(key: "Ed25519PrivateKey", content: bytes) -> str:
    """Return the signature file's content for a manifest's bytes."""
    signature_bytes = key.sign(sshsig.signed_data(content, NAMESPACE, "sha512"))
    public_key = key.public_key().public_bytes_raw()
    return sshsig.format_signature(
        sshsig.Signature(public_key, NAMESPACE, "sha512", signature_bytes)
    )


def check_signature(content: bytes, armored: bytes, trusted_keys: TrustedKeys) -> str:
    """Whose signature of `content` this is.

    Raises:
        SignatureError: it is none, of something else, or of a key that is not trusted.
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
            f"the manifest is signed with {sshsig.fingerprint(signature.public_key)}, which is "
            "not trusted; "
            f"trusted are: {', '.join(trusted_keys.values())}"
        )
    try:
        message = sshsig.signed_data(content, NAMESPACE, signature.hash_name)
        Ed25519PublicKey.from_public_bytes(signature.public_key).verify(
            signature.signature, message
        )
    except (InvalidSignature, ValueError) as error:
        raise SignatureError(f"the manifest is not the one that {name} signed") from error
    return name
