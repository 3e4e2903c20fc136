"""Signatures of manifests, against OpenSSH's own program where there is one."""

import base64
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from models_store.__main__ import main
from models_store.archive import export_versions, import_versions
from models_store.errors import SignatureError
from models_store.layout import list_versions
from models_store.signing import sshsig
from models_store.signing.signatures import (
    TrustedKeys,
    check_signature,
    generate_key,
    read_private_key,
    read_trusted_keys,
    sign_manifest,
)
from models_store.verify import read_manifest
from tests.models_store.tampering import edit_manifest

openssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed")

# RFC 8032, section 7.1, test 1: the secret and the public key
_PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


@pytest.fixture
def alice(tmp_path: Path) -> Path:
    """A private key; the file of whom to trust, with her key in it, lies beside as `trusted`."""
    (tmp_path / "trusted").write_text(generate_key(tmp_path / "alice", "alice") + "\n")
    return tmp_path / "alice"


@pytest.fixture
def trusted(alice: Path) -> TrustedKeys:
    return read_trusted_keys(alice.with_name("trusted"))


@pytest.fixture
def signed(alice: Path, own_store: Path) -> Path:
    """The folder of a version that alice has signed."""
    assert main(["--store", str(own_store), "sign", str(alice), "paint/1"]) == 0
    return own_store / "paint" / "1"


def _keygen(*arguments: str | Path, stdin: bytes = b"") -> bytes:
    done = subprocess.run(["ssh-keygen", *arguments], input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_key_is_for_its_owner_alone_and_never_overwritten(alice: Path) -> None:
    assert alice.stat().st_mode & 0o777 == 0o600
    before = alice.read_bytes()
    with pytest.raises(FileExistsError):
        generate_key(alice, "alice")
    assert alice.read_bytes() == before


def test_what_a_trusted_key_signed_is_read(signed: Path, trusted: TrustedKeys) -> None:
    content, armoured = (signed / "manifest.json").read_bytes(), _armoured(signed)
    assert check_signature(content, armoured, trusted) == "alice"
    assert read_manifest(signed, trusted) == read_manifest(signed)


def _armoured(folder: Path) -> bytes:
    return (folder / "manifest.json.sig").read_bytes()


def test_what_is_not_signed_is_refused_saying_who_could(
    own_store: Path, trusted: TrustedKeys
) -> None:
    with pytest.raises(SignatureError, match=r"not signed: there is no manifest\.json\.sig.*alice"):
        read_manifest(own_store / "paint" / "1", trusted)


def test_what_was_changed_after_it_was_signed_is_refused(
    signed: Path, trusted: TrustedKeys
) -> None:
    edit_manifest(signed, lambda content: content.update(summary="Better."))
    with pytest.raises(SignatureError, match="not the one that alice signed"):
        read_manifest(signed, trusted)


def test_a_signature_does_not_vouch_for_another_version(
    signed: Path, own_store: Path, trusted: TrustedKeys
) -> None:
    shutil.copy(signed / "manifest.json.sig", own_store / "paint" / "2")
    with pytest.raises(SignatureError, match="not the one that alice signed"):
        read_manifest(own_store / "paint" / "2", trusted)


def test_a_key_that_is_not_trusted_is_told_by_its_fingerprint(
    signed: Path, trusted: TrustedKeys, tmp_path: Path
) -> None:
    mallory = read_private_key(_made(tmp_path / "mallory"))
    content = (signed / "manifest.json").read_bytes()
    (signed / "manifest.json.sig").write_text(sign_manifest(mallory, content))
    with pytest.raises(SignatureError, match=r"signed with SHA256:\S{43}, which is not trusted"):
        read_manifest(signed, trusted)


def _made(path: Path) -> Path:
    generate_key(path, path.name)
    return path


def test_the_public_key_of_another_on_ones_own_signature_does_not_help(
    signed: Path, trusted: TrustedKeys, tmp_path: Path
) -> None:
    content = (signed / "manifest.json").read_bytes()
    forged = sshsig.parse_signature(
        sign_manifest(read_private_key(_made(tmp_path / "m")), content).encode()
    )
    (alice,) = trusted
    forged = forged._replace(public_key=alice)
    with pytest.raises(SignatureError, match="not the one that alice signed"):
        check_signature(content, sshsig.format_signature(forged).encode(), trusted)


def test_a_signature_for_something_else_is_refused(alice: Path, trusted: TrustedKeys) -> None:
    made = sshsig.parse_signature(sign_manifest(read_private_key(alice), b"{}").encode())
    other = sshsig.format_signature(made._replace(namespace="git")).encode()
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
def test_what_is_no_signature_is_refused(alice: Path, trusted: TrustedKeys, how: str) -> None:
    whole = sign_manifest(read_private_key(alice), b"{}").encode()
    broken = _BROKEN[how](whole)
    assert broken != whole
    with pytest.raises(SignatureError, match="signature cannot be read: "):
        check_signature(b"{}", broken, trusted)


def test_every_flipped_bit_of_a_signature_is_found(alice: Path, trusted: TrustedKeys) -> None:
    whole = sign_manifest(read_private_key(alice), b"{}")
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
        (b"\nssh-rsa AAAA x\n", "line 2 of keys is no key"),
        (b"ssh-ed25519\n", "line 1 of keys is no key"),
        (b"ssh-ed25519 AAAA\n", "line 1 of keys is no key"),
        (b"\xff\xff", "keys cannot be read: it is no text"),
        (None, "keys cannot be read: No such file"),
    ],
)
def test_a_file_that_holds_no_keys_is_told(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "keys").write_bytes(content)
    with pytest.raises(SignatureError, match=message):
        read_trusted_keys(tmp_path / "keys")


@pytest.mark.parametrize("content", [b"", b"dsk_something", b"-----BEGIN OPENSSH PRIVATE KEY-----"])
def test_what_is_no_private_key_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(SignatureError, match="is no private key of OpenSSH's form"):
        read_private_key(tmp_path / "key")


def test_a_private_key_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match="cannot be read: No such file"):
        read_private_key(tmp_path / "key")


# The commands


def test_verify_asks_for_signatures_where_keys_are_trusted(
    signed: Path, alice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, keys = str(signed.parents[1]), str(alice.with_name("trusted"))
    capsys.readouterr()
    assert main(["--store", store, "verify", "paint"]) == 0
    assert main(["--store", store, "--trusted-keys", keys, "verify", "paint"]) == 1
    one, two = capsys.readouterr().out.splitlines()[-2:]
    assert one.split() == ["paint", "1", "ok"]
    assert "FAILED: it is not signed" in two


def test_a_damaged_version_is_not_signed(
    alice: Path, own_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_store / "paint" / "1" / "model.onnx").write_bytes(b"x")
    assert main(["--store", str(own_store), "sign", str(alice), "paint/1"]) == 1
    assert "model.onnx has 1 bytes, not the published" in capsys.readouterr().err
    assert not (own_store / "paint" / "1" / "manifest.json.sig").exists()


def test_keygen_prints_the_line_to_trust(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keygen", str(tmp_path / "key"), "carol"]) == 0
    (tmp_path / "trusted").write_text(capsys.readouterr().out)
    assert list(read_trusted_keys(tmp_path / "trusted").values()) == ["carol"]


def test_signatures_travel_with_their_versions(
    signed: Path, trusted: TrustedKeys, tmp_path: Path
) -> None:
    export_versions(signed.parents[1], [("paint", 1)], tmp_path / "one.tar")
    import_versions(tmp_path / "one.tar", tmp_path / "new", trusted)
    assert _armoured(tmp_path / "new" / "paint" / "1") == _armoured(signed)


def test_an_archive_of_what_nobody_signed_is_kept_out(
    own_store: Path, trusted: TrustedKeys, tmp_path: Path
) -> None:
    export_versions(own_store, [("paint", 1)], tmp_path / "one.tar")
    with pytest.raises(SignatureError, match="it is not signed"):
        import_versions(tmp_path / "one.tar", tmp_path / "new", trusted)
    assert list_versions(tmp_path / "new", "paint") == []


# OpenSSH


@openssh
def test_openssh_agrees_with_our_signatures(signed: Path, alice: Path, tmp_path: Path) -> None:
    kind, text, _ = alice.with_name("trusted").read_text().split()
    (tmp_path / "signers").write_text(f"alice {kind} {text}\n")
    told = _keygen(
        "-Y", "verify", "-f", tmp_path / "signers", "-I", "alice", "-n", "deepshelf",
        "-s", signed / "manifest.json.sig", stdin=(signed / "manifest.json").read_bytes(),
    )  # fmt: skip
    assert b'Good "deepshelf" signature for alice' in told


@openssh
@pytest.mark.parametrize("hash_name", ["sha512", "sha256"])
def test_we_agree_with_opensshs_signatures(own_store: Path, tmp_path: Path, hash_name: str) -> None:
    folder = own_store / "paint" / "1"
    _keygen("-q", "-t", "ed25519", "-N", "", "-C", "dave", "-f", tmp_path / "dave")
    _keygen(
        "-Y", "sign", "-n", "deepshelf", "-O", f"hashalg={hash_name}", "-f", tmp_path / "dave",
        folder / "manifest.json",
    )  # fmt: skip
    keys = read_trusted_keys(tmp_path / "dave.pub")
    assert list(keys.values()) == ["dave"]
    read_manifest(folder, keys)
    content = (folder / "manifest.json").read_bytes()
    ours = sign_manifest(read_private_key(tmp_path / "dave"), content)
    if hash_name == "sha512":  # Ed25519 has no chance in it: the same key signs the same
        assert ours.encode() == _armoured(folder)


@openssh
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-t", "ed25519", "-N", "a passphrase"], "has a passphrase, .* ssh-keygen -Y sign"),
        (["-t", "ecdsa", "-N", ""], "is no Ed25519 key"),
    ],
)
def test_keys_that_are_not_for_us_are_told(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    _keygen("-q", *arguments, "-f", tmp_path / "key")
    with pytest.raises(SignatureError, match=message):
        read_private_key(tmp_path / "key")
