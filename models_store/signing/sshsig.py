"""OpenSSH's form of Ed25519 keys and signatures (RFC 4251, section 5; OpenSSH's PROTOCOL.sshsig).

Forms alone: nothing here computes a signature or says whether one is right.
"""

import base64
import hashlib
import struct
from typing import NamedTuple

__all__ = [
    "KIND",
    "Signature",
    "fingerprint",
    "public_blob",
    "public_key",
    "read",
    "to_sign",
    "write",
]

KIND = "ssh-ed25519"

_MAGIC = b"SSHSIG"
_VERSION = struct.pack(">I", 1)
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_HASHES = {"sha512": hashlib.sha512, "sha256": hashlib.sha256}


class Signature(NamedTuple):
    """What a file of a signature says."""

    public: bytes
    """The key that made it, 32 bytes."""
    namespace: str
    """What it is for."""
    hash_name: str
    signed: bytes


def to_sign(content: bytes, namespace: str, hash_name: str) -> bytes:
    """What is truly signed in place of `content`."""
    digest = _HASHES[hash_name](content).digest()
    return _MAGIC + b"".join(map(_string, (namespace.encode(), b"", hash_name.encode(), digest)))


def write(signature: Signature) -> str:
    """The file, as `ssh-keygen -Y sign` writes it."""
    made = _string(KIND.encode()) + _string(signature.signed)
    parts = (
        public_blob(signature.public),
        signature.namespace.encode(),
        b"",
        signature.hash_name.encode(),
        made,
    )
    blob = _MAGIC + _VERSION + b"".join(map(_string, parts))
    text = base64.b64encode(blob).decode()
    lines = [text[at : at + 70] for at in range(0, len(text), 70)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def read(armoured: bytes) -> Signature:
    """Raises ValueError, saying why, for any bytes that are none."""
    lines = armoured.decode("ascii").split("\n")
    _expect(lines[0] == _BEGIN and _END in lines, "it is not of OpenSSH's form")
    wire = _Wire(base64.b64decode("".join(lines[1 : lines.index(_END)]), validate=True))
    _expect(wire.take(len(_MAGIC) + 4) == _MAGIC + _VERSION, "it is of another version")
    public = public_key(wire.string())
    namespace, _, hash_name, made = (wire.string() for _ in range(4))
    _expect(hash_name.decode("ascii") in _HASHES, "its hash is neither SHA-512 nor SHA-256")
    return Signature(public, namespace.decode(), hash_name.decode("ascii"), _of_kind(made))


def public_key(blob: bytes) -> bytes:
    """The 32 bytes of a public key. Raises ValueError where it is none of Ed25519."""
    key = _of_kind(blob)
    _expect(len(key) == 32, f"an Ed25519 key has 32 bytes, not {len(key)}")
    return key


def public_blob(key: bytes) -> bytes:
    """A public key as the lines of OpenSSH's files hold it, in base64."""
    return _string(KIND.encode()) + _string(key)


def fingerprint(key: bytes) -> str:
    """As `ssh-keygen -l` prints it."""
    digest = hashlib.sha256(public_blob(key)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _of_kind(blob: bytes) -> bytes:
    wire = _Wire(blob)
    _expect(wire.string() == KIND.encode(), "it is of another kind of key than Ed25519")
    return wire.string()


def _string(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


class _Wire:
    """Takes fields off the front of some bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def take(self, count: int) -> bytes:
        _expect(count <= len(self._data), "it is cut off")
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def string(self) -> bytes:
        (length,) = struct.unpack(">I", self.take(4))
        return self.take(length)
