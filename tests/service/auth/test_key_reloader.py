import os
from pathlib import Path

import httpx
import pytest

from service.auth.key_reloader import ReloadingApiKeys
from service.keys import hash_key
from service.settings import Settings
from tests.service.serving import get_app_state, running_app

pytestmark = pytest.mark.anyio


def _line(name: str, key: str, options: str = "") -> str:
    return f"{name} sha256:{hash_key(key).hex()} {options}\n"


def _write(path: Path, text: str, turn: int) -> None:
    path.write_text(text)
    os.utime(path, ns=(turn, turn))  # clocks of file systems are coarse


async def _status(client: httpx.AsyncClient, key: str) -> int:
    return (await client.get("/v1/models", headers={"x-api-key": key})).status_code


async def test_removed_key_is_rejected(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    _write(file, _line("alice", "one") + _line("bob", "two"), 1)
    async with running_app(store, keys_file=file) as client:
        keys = get_app_state(client).keys
        assert [await _status(client, key) for key in ("one", "two", "three")] == [200, 200, 401]
        _write(file, _line("bob", "two") + _line("carol", "three"), 2)
        keys.refresh()
        assert [await _status(client, key) for key in ("one", "two", "three")] == [401, 200, 200]
        _write(file, "", 3)
        keys.refresh()  # the last ones taken away: closed, not open
        assert [await _status(client, key) for key in ("one", "two", "three")] == [401, 401, 401]


@pytest.mark.parametrize("damage", ["alice hunter2", _line("bob", "1") + _line("bob", "2"), None])
def test_damaged_or_missing_file_changes_nothing(
    tmp_path: Path, damage: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "keys"
    _write(file, _line("alice", "one"), 1)
    keys = ReloadingApiKeys(Settings(keys_file=file))
    if damage is None:
        file.unlink()
    else:
        _write(file, damage, 2)
    keys.refresh()
    assert keys.current.find("one")
    assert "keeping previous keys" in caplog.text
    assert "hunter2" not in caplog.text
    _write(file, _line("bob", "two"), 3)
    keys.refresh()
    assert not keys.current.find("one")
    assert keys.current.find("two")
