import hashlib

import pytest
from limits import parse

from service.keys import ApiKey, ApiKeySet, hash_key, main, new_key, parse_keys, parse_rate

HEX = hashlib.sha256(b"secret").hexdigest()


def test_line_has_name_hash_and_limits() -> None:
    text = f"""
    # who asks
    alice sha256:{HEX} rate=100/minute concurrent=4   # from the laptop
    root  sha256:{"0" * 64} admin
    """
    assert parse_keys(text) == (
        ApiKey("alice", hashlib.sha256(b"secret").digest(), False, parse("100/minute"), 4),
        ApiKey("root", bytes(32), admin=True),
    )


def test_lines_may_be_separated_by_semicolons_for_an_environment_variable() -> None:
    keys = parse_keys(f"a sha256:{HEX}; b sha256:{'1' * 64};")
    assert [key.name for key in keys] == ["a", "b"]


@pytest.mark.parametrize(
    "line",
    [
        "alice",
        "alice secret-in-clear",
        "alice sha256:abc",
        f"ali/ce sha256:{HEX}",
        f"alice sha256:{HEX.upper()}",
        f"alice sha256:{HEX} root",
        f"alice sha256:{HEX} rate=often",
        f"alice sha256:{HEX} rate=0/minute",
        f"alice sha256:{HEX} concurrent=0",
        f"alice sha256:{HEX} concurrent=many",
    ],
)
def test_malformed_line_is_rejected_without_quoting_it(line: str) -> None:
    with pytest.raises(ValueError, match=r"keys.txt, line 2: .*expected NAME") as raised:
        parse_keys("# a; b\n" + line, "keys.txt")
    for word in line.split()[1:]:
        assert word not in str(raised.value)


def test_key_is_found_by_its_value() -> None:
    ring = ApiKeySet([ApiKey("a", hash_key("one")), ApiKey("b", hash_key("two"))])
    assert [key and key.name for key in map(ring.find, ("one", "two", "three", ""))] == [
        "a", "b", None, None,
    ]  # fmt: skip
    assert ring.find("one\udcff") is None  # what no encoding has


def test_duplicate_names_and_duplicate_keys_are_rejected() -> None:
    one, two = hash_key("one"), hash_key("two")
    with pytest.raises(ValueError, match="same name"):
        ApiKeySet([ApiKey("a", one), ApiKey("a", two)])
    with pytest.raises(ValueError, match="same key"):
        ApiKeySet([ApiKey("a", one), ApiKey("b", one)])


def test_an_administrators_key_alone_requires_no_keys() -> None:
    assert not ApiKeySet([]).auth_required
    assert not ApiKeySet([ApiKey("root", hash_key("x"), admin=True)]).auth_required
    assert ApiKeySet([ApiKey("alice", hash_key("x"))]).auth_required


def test_new_keys_are_long_and_unique() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert {key[:4] for key in keys} == {"dsk_"}
    assert min(map(len, keys)) >= 47  # 256 bits in base64url


def test_the_commands_output_is_a_keys_file_that_knows_the_key(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["alice", "--admin", "--rate", "5/second", "--concurrent", "2"]) == 0
    output = capsys.readouterr()
    (parsed,) = parse_keys(output.out)
    key = output.err.split()[-1]
    assert ApiKeySet([parsed]).find(key) == parsed
    assert (parsed.admin, parsed.rate_limit, parsed.max_concurrent) == (True, parse("5/second"), 2)
    assert key not in output.out


def test_command_rejects_names_and_limits_that_the_service_rejects(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["alice", "--rate", "often"])
    assert "100/minute" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "100", "x/minute", "-1/minute", "0/minute"])
def test_malformed_rate_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="rate"):
        parse_rate(text)
