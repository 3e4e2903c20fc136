"""Parse Ed25519 keys and signatures in OpenSSH's format (RFC 4251, section 5; PROTOCOL.sshsig).

This module only parses and encodes; `signatures` verifies.
"""

import base64
import hashlib
import struct
from typing import NamedTuple

KEY_TYPE = "ssh-ed25519"

_MAGIC = b"SSHSIG"
_VERSION = struct.pack(">I", 1)
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_HASHES = {"sha512": hashlib.sha512, "sha256": hashlib.sha256}


class Signature(NamedTuple):
    """A parsed signature file."""

    public_key: bytes
    """Public key of the signer, 32 bytes."""
    namespace: str
    """Purpose of the signature; deepshelf uses `deepshelf`."""
    hash_name: str
    signature: bytes


def signed_data(content: bytes, namespace: str, hash_name: str) -> bytes:
    """Return the blob that is signed in place of `content` (PROTOCOL.sshsig)."""
    digest = _HASHES[hash_name](content).digest()
    return _MAGIC + b"".join(
        map(encode_string, (namespace.encode(), b"", hash_name.encode(), digest))
    )


def parse_signature(armored: bytes) -> Signature:
    """Parse a signature file; raise ValueError with the reason if it is malformed."""
    lines = armored.decode("ascii").split("\n")
    _require(lines[0] == _BEGIN and _END in lines, "it is not of OpenSSH's form")
    wire = _WireReader(base64.b64decode("".join(lines[1 : lines.index(_END)]), validate=True))
    _require(wire.read(len(_MAGIC) + 4) == _MAGIC + _VERSION, "it is of another version")
    public = parse_public_key(wire.read_string())
    namespace, _, hash_name, signature_blob = (wire.read_string() for _ in range(4))
    _require(hash_name.decode("ascii") in _HASHES, "its hash is neither SHA-512 nor SHA-256")
    return Signature(
        public, namespace.decode(), hash_name.decode("ascii"), _parse_ed25519(signature_blob)
    )


def parse_public_key(blob: bytes) -> bytes:
    """Return the 32 bytes of a public key; raise ValueError if it is not an Ed25519 key."""
    key = _parse_ed25519(blob)
    _require(len(key) == 32, f"an Ed25519 key has 32 bytes, not {len(key)}")
    return key


def encode_public_key(key: bytes) -> bytes:
    """Return the public key blob that OpenSSH stores in base64."""
    return encode_string(KEY_TYPE.encode()) + encode_string(key)


def fingerprint(key: bytes) -> str:
    """Return the key's fingerprint as `ssh-keygen -l` prints it."""
    digest = hashlib.sha256(encode_public_key(key)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _parse_ed25519(blob: bytes) -> bytes:
    wire = _WireReader(blob)
    _require(wire.read_string() == KEY_TYPE.encode(), "it is of another kind of key than Ed25519")
    return wire.read_string()


def encode_string(content: bytes) -> bytes:
    """Encode an SSH string: a 32-bit length and the bytes (RFC 4251, section 5)."""
    return struct.pack(">I", len(content)) + content


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


class _WireReader:
    """Reads fields from the front of a byte string."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, count: int) -> bytes:
        _require(count <= len(self._data), "it is cut off")
        chunk, self._data = self._data[:count], self._data[count:]
        return chunk

    def read_string(self) -> bytes:
        (length,) = struct.unpack(">I", self.read(4))
        return self.read(length)
