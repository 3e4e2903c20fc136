"""Load and unload requests while the store or the control directory cannot be used."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.serving import running_app

pytestmark = pytest.mark.anyio

ADMIN = {"Authorization": "Bearer admin"}


def _remove(store: Path) -> None:
    store.rename(store.with_name("away"))


def _replace_by_a_file(store: Path) -> None:
    _remove(store)
    store.write_text("")


def _link_to_nowhere(store: Path) -> None:
    _remove(store)
    store.symlink_to("nowhere")


def _restore(store: Path) -> None:
    if store.is_symlink() or store.exists():
        store.unlink()
    store.with_name("away").rename(store)


async def _control(client: httpx.AsyncClient, action: str) -> httpx.Response:
    return await client.post(f"/v2/repository/models/paint/{action}", headers=ADMIN)


@pytest.mark.parametrize("action", ["load", "unload"])
@pytest.mark.parametrize("take_away", [_remove, _replace_by_a_file, _link_to_nowhere])
async def test_load_and_unload_without_the_store_are_503_and_change_nothing(
    store: Path, tmp_path: Path, take_away: Callable[[Path], None], action: str
) -> None:
    own_store = tmp_path / "store"
    shutil.copytree(store, own_store)
    async with running_app(own_store, admin_key="admin") as client:
        take_away(own_store)
        response = await _control(client, action)
        assert response.status_code == 503
        assert response.json() == {"error": "the store cannot be used (LayoutError)"}
        assert (await client.get("/v2/models/paint/ready")).status_code == 200
        _restore(own_store)
        assert (await _control(client, action)).status_code == 200
        expected = 200 if action == "load" else 503
        assert (await client.get("/v2/models/paint/ready")).status_code == expected


@pytest.mark.parametrize("action", ["load", "unload"])
@pytest.mark.parametrize("error", [OSError(5, "EIO"), PermissionError(), TimeoutError()])
async def test_load_and_unload_with_io_errors_are_503(
    store: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, action: str
) -> None:
    def fail(*_: Any) -> None:
        raise error

    async with running_app(store, admin_key="admin") as client:
        with monkeypatch.context() as patched:
            patched.setattr("service.runtime.registry.list_model_names", fail)
            response = await _control(client, action)
        assert response.status_code == 503
        assert response.json() == {"error": f"the store cannot be used ({type(error).__name__})"}
        assert (await _control(client, "load")).status_code == 200


async def test_unwritable_control_directory_is_503(store: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with running_app(store, admin_key="admin", model_control_dir=tmp_path / "file") as client:
        for action in ("load", "unload"):
            assert (await _control(client, action)).status_code == 503
        assert (await client.get("/v2/models/paint/ready")).status_code == 200


async def test_model_whose_folder_was_removed_is_404(store: Path, tmp_path: Path) -> None:
    own_store = tmp_path / "store"
    shutil.copytree(store, own_store)
    async with running_app(own_store, admin_key="admin", store_poll_interval_s=0) as client:
        shutil.rmtree(own_store / "paint")
        for action in ("load", "unload"):
            response = await _control(client, action)
            assert (response.status_code, response.json()) == (
                404,
                {"error": "paint is no longer in the store"},
            )
