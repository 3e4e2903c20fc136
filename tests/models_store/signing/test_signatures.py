"""Signatures of manifests, against OpenSSH's own program where there is one."""

import base64
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models_store.archive import export_versions, import_versions
from models_store.cli import app
from models_store.errors import SignatureError
from models_store.layout import list_versions
from models_store.signing import sshsig
from models_store.signing.signatures import (
    TrustedKeys,
    check_signature,
    read_trusted_keys,
)
from models_store.verify import read_manifest
from tests.command_line import exit_code
from tests.fakes.openssh import armor, create_signature, public_key_line, sign_version
from tests.models_store.tampering import edit_manifest

openssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed")

# RFC 8032, section 7.1, test 1: the secret and the public key
_PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


@pytest.fixture
def alice() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def trusted_file(alice: Ed25519PrivateKey, tmp_path: Path) -> Path:
    (tmp_path / "trusted").write_text(public_key_line(alice, "alice"))
    return tmp_path / "trusted"


@pytest.fixture
def trusted(trusted_file: Path) -> TrustedKeys:
    return read_trusted_keys(trusted_file)


@pytest.fixture
def signed(alice: Ed25519PrivateKey, own_store: Path) -> Path:
    """Return the folder of a version that alice has signed."""
    sign_version(alice, own_store / "paint" / "1")
    return own_store / "paint" / "1"


def _keygen(*arguments: str | Path, stdin: bytes = b"") -> bytes:
    done = subprocess.run(["ssh-keygen", *arguments], input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_version_signed_by_a_trusted_key_is_read(signed: Path, trusted: TrustedKeys) -> None:
    content, armoured = (signed / "manifest.json").read_bytes(), _armoured(signed)
    assert check_signature(content, armoured, trusted) == "alice"
    assert read_manifest(signed, trusted) == read_manifest(signed)


def _armoured(folder: Path) -> bytes:
    return (folder / "manifest.json.sig").read_bytes()


def test_unsigned_version_is_rejected_with_the_trusted_keys(
    own_store: Path, trusted: TrustedKeys
) -> None:
    with pytest.raises(SignatureError, match=r"not signed: there is no manifest\.json\.sig.*alice"):
        read_manifest(own_store / "paint" / "1", trusted)


def test_version_changed_after_signing_is_rejected(signed: Path, trusted: TrustedKeys) -> None:
    edit_manifest(signed, lambda content: content.update(summary="Better."))
    with pytest.raises(SignatureError, match="differs from the one that alice signed"):
        read_manifest(signed, trusted)


def test_a_signature_does_not_vouch_for_another_version(
    signed: Path, own_store: Path, trusted: TrustedKeys
) -> None:
    shutil.copy(signed / "manifest.json.sig", own_store / "paint" / "2")
    with pytest.raises(SignatureError, match="differs from the one that alice signed"):
        read_manifest(own_store / "paint" / "2", trusted)


def test_untrusted_key_is_reported_by_its_fingerprint(signed: Path, trusted: TrustedKeys) -> None:
    sign_version(Ed25519PrivateKey.generate(), signed)
    with pytest.raises(SignatureError, match=r"signed with SHA256:\S{43}, which is not trusted"):
        read_manifest(signed, trusted)


def test_signature_with_the_public_key_of_another_is_rejected(
    signed: Path, trusted: TrustedKeys
) -> None:
    content = (signed / "manifest.json").read_bytes()
    (alice,) = trusted
    forged = create_signature(Ed25519PrivateKey.generate(), content)._replace(public_key=alice)
    with pytest.raises(SignatureError, match="differs from the one that alice signed"):
        check_signature(content, armor(forged), trusted)


def test_a_signature_for_another_namespace_is_rejected(
    alice: Ed25519PrivateKey, trusted: TrustedKeys
) -> None:
    other = armor(create_signature(alice, b"{}")._replace(namespace="git"))
    with pytest.raises(SignatureError, match="made for 'git', not for 'deepshelf'"):
        check_signature(b"{}", other, trusted)


_BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "no text": lambda _: b"\xff\xfe",
    "no end": lambda whole: whole.replace(b"-----END", b"-----EN"),
    "no base64": lambda whole: whole.replace(b"\n", b"\n!", 1),
    "cut off": lambda whole: whole[:100] + b"\n-----END SSH SIGNATURE-----\n",
    "another version": lambda whole: whole.replace(b"U1NIU0lHAAAAA", b"U1NIU0lHAAAAB"),
}


@pytest.mark.parametrize("how", _BROKEN)
def test_a_malformed_signature_is_rejected(
    alice: Ed25519PrivateKey, trusted: TrustedKeys, how: str
) -> None:
    whole = armor(create_signature(alice, b"{}"))
    broken = _BROKEN[how](whole)
    assert broken != whole
    with pytest.raises(SignatureError, match="signature cannot be read: "):
        check_signature(b"{}", broken, trusted)


def test_every_flipped_bit_of_a_signature_is_found(
    alice: Ed25519PrivateKey, trusted: TrustedKeys
) -> None:
    whole = armor(create_signature(alice, b"{}")).decode()
    lines = whole.split("\n")
    blob = base64.b64decode("".join(lines[1:-2]))
    for at in range(0, 8 * len(blob), 7):
        flipped = bytearray(blob)
        flipped[at // 8] ^= 1 << at % 8
        text = base64.b64encode(bytes(flipped)).decode()
        with pytest.raises(SignatureError):
            check_signature(b"{}", "\n".join([lines[0], text, *lines[-2:]]).encode(), trusted)


# Files of keys


def test_both_of_opensshs_forms_of_public_keys_are_read(tmp_path: Path) -> None:
    text = base64.b64encode(sshsig.encode_public_key(_PUBLIC)).decode()
    (tmp_path / "keys").write_text(f"# ours\n\nssh-ed25519 {text} alice at home\n")
    assert read_trusted_keys(tmp_path / "keys") == {_PUBLIC: "alice at home"}
    (tmp_path / "keys").write_text(f"bob@example.org ssh-ed25519 {text}\n")
    assert read_trusted_keys(tmp_path / "keys") == {_PUBLIC: "bob@example.org"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no key"),
        (b"# none yet\n", "holds no key"),
        (b"\nssh-rsa AAAA x\n", "line 2 of keys is not a key"),
        (b"ssh-ed25519\n", "line 1 of keys is not a key"),
        (b"ssh-ed25519 AAAA\n", "line 1 of keys is not a key"),
        (b"\xff\xff", "keys cannot be read: it is not text"),
        (None, "keys cannot be read: No such file"),
    ],
)
def test_file_without_keys_is_an_error(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "keys").write_bytes(content)
    with pytest.raises(SignatureError, match=message):
        read_trusted_keys(tmp_path / "keys")


# The commands


def test_verify_requires_signatures_where_keys_are_trusted(
    signed: Path, trusted_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, keys = str(signed.parents[1]), str(trusted_file)
    capsys.readouterr()
    assert exit_code(app, "--store", store, "verify", "paint") == 0
    assert exit_code(app, "--store", store, "--trusted-keys", keys, "verify", "paint") == 1
    one, two = capsys.readouterr().out.splitlines()[-2:]
    assert one.split() == ["paint", "1", "ok"]
    assert "FAILED: it is not signed" in two


def test_signatures_travel_with_their_versions(
    signed: Path, trusted: TrustedKeys, tmp_path: Path
) -> None:
    export_versions(signed.parents[1], [("paint", 1)], tmp_path / "one.tar")
    import_versions(tmp_path / "one.tar", tmp_path / "new", trusted)
    assert _armoured(tmp_path / "new" / "paint" / "1") == _armoured(signed)


def test_unsigned_archive_is_not_imported(
    own_store: Path, trusted: TrustedKeys, tmp_path: Path
) -> None:
    export_versions(own_store, [("paint", 1)], tmp_path / "one.tar")
    with pytest.raises(SignatureError, match="it is not signed"):
        import_versions(tmp_path / "one.tar", tmp_path / "new", trusted)
    assert list_versions(tmp_path / "new", "paint") == []


# OpenSSH


@openssh
def test_openssh_accepts_the_signatures_of_these_tests(
    signed: Path, trusted_file: Path, tmp_path: Path
) -> None:
    kind, text, _ = trusted_file.read_text().split()
    (tmp_path / "signers").write_text(f"alice {kind} {text}\n")
    output = _keygen(
        "-Y", "verify", "-f", tmp_path / "signers", "-I", "alice", "-n", "deepshelf",
        "-s", signed / "manifest.json.sig", stdin=(signed / "manifest.json").read_bytes(),
    )  # fmt: skip
    assert b'Good "deepshelf" signature for alice' in output


@openssh
@pytest.mark.parametrize("hash_name", ["sha512", "sha256"])
def test_signatures_made_by_openssh_are_accepted(
    own_store: Path, tmp_path: Path, hash_name: str
) -> None:
    folder = own_store / "paint" / "1"
    _keygen("-q", "-t", "ed25519", "-N", "", "-C", "dave", "-f", tmp_path / "dave")
    _keygen(
        "-Y", "sign", "-n", "deepshelf", "-O", f"hashalg={hash_name}", "-f", tmp_path / "dave",
        folder / "manifest.json",
    )  # fmt: skip
    keys = read_trusted_keys(tmp_path / "dave.pub")
    assert list(keys.values()) == ["dave"]
    read_manifest(folder, keys)
