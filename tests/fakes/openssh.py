"""Ed25519 keys and manifest signatures in OpenSSH's format, without the ssh-keygen program."""

import base64
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models_store.layout import MANIFEST, SIGNATURE
from models_store.signing.signatures import NAMESPACE
from models_store.signing.sshsig import (
    KEY_TYPE,
    Signature,
    encode_public_key,
    encode_string,
    signed_data,
)


def public_key_line(key: Ed25519PrivateKey, name: str) -> str:
    """Return the line of a `.pub` file."""
    blob = encode_public_key(key.public_key().public_bytes_raw())
    return f"{KEY_TYPE} {base64.b64encode(blob).decode()} {name}\n"


def create_signature(key: Ed25519PrivateKey, content: bytes) -> Signature:
    """Sign `content` as `ssh-keygen -Y sign -n deepshelf` does."""
    signature = key.sign(signed_data(content, NAMESPACE, "sha512"))
    return Signature(key.public_key().public_bytes_raw(), NAMESPACE, "sha512", signature)


def armor(signature: Signature) -> bytes:
    """Return the signature file's content (OpenSSH's PROTOCOL.sshsig)."""
    parts = (
        encode_public_key(signature.public_key),
        signature.namespace.encode(),
        b"",
        signature.hash_name.encode(),
        encode_string(KEY_TYPE.encode()) + encode_string(signature.signature),
    )
    blob = b"SSHSIG\x00\x00\x00\x01" + b"".join(map(encode_string, parts))
    text = base64.b64encode(blob).decode()
    lines = [text[start : start + 70] for start in range(0, len(text), 70)]
    armored = ["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""]
    return "\n".join(armored).encode()


def sign_version(key: Ed25519PrivateKey, folder: Path) -> None:
    """Write the signature file of the version in `folder`."""
    content = (folder / MANIFEST).read_bytes()
    (folder / SIGNATURE).write_bytes(armor(create_signature(key, content)))
