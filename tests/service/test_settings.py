import logging
import socket
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.auth.key_reloader import ReloadingApiKeys
from service.cli import app
from service.serve import _log_startup, _shared_dirs
from service.settings import Settings
from service.startup_errors import describe_settings_errors
from tests.command_line import exit_code


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"DEEPSHELF_{name.upper()}", raising=False)


def test_every_setting_has_a_description() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSHELF_PORT", "9000")
    monkeypatch.setenv("DEEPSHELF_MODELS", "paint, blur")
    monkeypatch.setenv("DEEPSHELF_DEFAULTS", "classification=paint,denoising=blur")
    monkeypatch.setenv("DEEPSHELF_STORE", "/srv/store")
    monkeypatch.setenv("DEEPSHELF_WORKERS", "")  # empty is as if it were not set
    settings = Settings()
    assert settings.port == 9000
    assert settings.models == ("paint", "blur")
    assert settings.defaults == {"classification": "paint", "denoising": "blur"}
    assert settings.store == Path("/srv/store")
    assert settings.workers is None


def test_limits_of_batching_are_parsed_by_model() -> None:
    settings = Settings.model_validate({"batching": "off, iris=32, dense=16:0.5"})
    limits = {
        name: (limits.max_batch_size, limits.max_wait_ms)
        for name, limits in settings.batching.items()
    }
    assert limits == {"*": (1, 0.0), "iris": (32, 2.0), "dense": (16, 0.5)}


@pytest.mark.parametrize("text", ["iris=", "iris=many", "iris=0", "iris=4:-1", "iris=4:nan"])
def test_other_limits_of_batching_are_rejected(text: str) -> None:
    with pytest.raises(ValidationError, match="batching"):
        Settings.model_validate({"batching": text})


def test_providers_are_parsed_in_order_with_their_options() -> None:
    settings = Settings.model_validate({"providers": "cuda:device_id=1;use_tf32=1, cpu"})
    assert list(settings.providers.items()) == [
        ("cuda", {"device_id": "1", "use_tf32": "1"}),
        ("cpu", {}),
    ]
    assert Settings().providers == {"cpu": {}}


def test_an_option_of_a_provider_needs_a_value() -> None:
    with pytest.raises(ValidationError, match="option=value"):
        Settings.model_validate({"providers": "cuda:fast,cpu"})


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]  # that is the point


def test_a_misspelt_setting_is_an_error() -> None:
    with pytest.raises(ValidationError, match="prot"):
        Settings.model_validate({"prot": 1})


def test_the_default_pixel_limit_lets_a_photograph_through_and_a_bomb_not() -> None:
    assert 4000 * 3000 < Settings().max_pixels < 20_000 * 20_000


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("port", "http", "'http' is not a whole number"),
        ("port", "70000", "must be at most 65535, got '70000'"),
        ("workers", "0", "must be greater than 0, got '0'"),
        ("max_pixels", "-1", "must be at least 1, got '-1'"),
        ("deadline_s", "0", "must be greater than 0, got '0'"),
        ("deadline_s", "nan", "must be a finite number, got 'nan'"),
        ("deadline_s", "soon", "'soon' is not a number"),
        ("docs", "maybe", "'maybe' is not true or false"),
        ("defaults", "paint", "the format is task=model,task=model, got 'paint'"),
        ("root_path", "prefix", r"must match ^(/[A-Za-z0-9._~-]+)*/?$, got 'prefix'"),
        ("store", "/no/such/folder", "there is no folder /no/such/folder"),
        ("key_rate", "often", "a rate must look like 100/minute, got 'often'"),
        ("metrics", "secret", "must be 'open', 'key' or 'closed', got 'secret'"),
    ],
)
def test_bad_setting_is_one_line_that_names_the_variable_or_the_option(
    name: str,
    value: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("service.serve.serve", lambda *_: pytest.fail("it was accepted"))
    if name != "metrics":  # the command checks choices itself
        assert exit_code(app, f"--{name.replace('_', '-')}", value) == 2
        _assert_one_line(capsys, f"error: --{name.replace('_', '-')}: {message}")
    monkeypatch.setenv(f"DEEPSHELF_{name.upper()}", value)
    assert exit_code(app) == 2
    _assert_one_line(capsys, f"error: DEEPSHELF_{name.upper()}: {message}")


def _assert_one_line(capsys: pytest.CaptureFixture[str], start: str) -> None:
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith(start)


@pytest.mark.parametrize(
    ("settings", "reported"),
    [
        ({"tls_certfile": "cert.pem"}, "must be set together"),
        ({"tls_keyfile": "key.pem"}, "must be set together"),
        ({"metrics": "key"}, "needs keys"),
        ({"max_buffered_body_bytes": 1000}, "is less than max_body_bytes"),
        ({"keys_file": "/no/such/file"}, "cannot be read: No such file"),
        ({"trusted_keys": "/no/such/file"}, "trusted_keys: file cannot be read"),
        ({"keys": f"a sha256:{'0' * 64};a sha256:{'1' * 64}"}, "same name"),
    ],
)
def test_incompatible_settings_are_rejected(settings: dict[str, object], reported: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Settings.model_validate(settings)
    assert reported in describe_settings_errors(raised.value)


def test_keys_come_from_a_file_and_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys").write_text(f"# ours\nalice sha256:{'0' * 64}\n")
    monkeypatch.setenv("DEEPSHELF_KEYS_FILE", str(tmp_path / "keys"))
    monkeypatch.setenv("DEEPSHELF_KEYS", f"bob sha256:{'1' * 64}")
    monkeypatch.setenv("DEEPSHELF_ADMIN_KEY", "the key itself")
    ring = Settings().load_api_keys()
    assert ring.auth_required
    assert ring.has_admin
    assert "the key itself" not in repr(Settings())


@pytest.mark.parametrize("name", ["keys", "admin_key"])
def test_error_of_a_key_does_not_quote_it(name: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Settings.model_validate({"keys": "alice hunter2", "admin_key": ["hunter2"]})
    text = describe_settings_errors(raised.value)
    assert f"DEEPSHELF_{name.upper()}: " in text
    assert "hunter2" not in text


def test_kubernetes_link_to_a_service_of_our_name_is_explained() -> None:
    with pytest.raises(ValidationError) as raised:
        Settings.model_validate({"port": "tcp://10.0.0.1:8000"})
    assert "enableServiceLinks" in describe_settings_errors(raised.value)


def test_all_bad_settings_are_reported_together() -> None:
    with pytest.raises(ValidationError) as raised:
        Settings.model_validate({"port": 0, "workers": 0})
    text = describe_settings_errors(raised.value)
    port, workers = text.split("; ")
    assert port == "DEEPSHELF_PORT: must be at least 1, got 0"
    assert workers == "DEEPSHELF_WORKERS: must be greater than 0, got 0"


def test_help_lists_every_setting_in_a_group_with_choices_and_defaults(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    assert exit_code(app, "--help") == 0
    text = capsys.readouterr().out
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')} " in text
    address, _, rest = text.partition("Models ─")
    assert "TCP port to listen on. Default: 8000." in address
    assert "--store " in rest
    assert "<auto|fp32|int8>" in rest
    assert "deepshelf[sign]" in rest


def test_port_in_use_is_one_line_and_exit_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("service.serve.serve", lambda *_: pytest.fail("it was accepted"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert exit_code(app, "--store", str(tmp_path), "--port", str(port)) == 2
    expected = f"error: --port: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    assert capsys.readouterr() == ("", expected)


@pytest.mark.parametrize("exists", [True, False])
def test_folder_without_photographs_for_the_game_is_rejected(
    exists: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("service.serve.serve", lambda *_: pytest.fail("it was accepted"))
    folder = tmp_path / "faces"
    if exists:
        folder.mkdir()
        (folder / "notes.txt").write_text("no photograph")
    assert exit_code(app, "--store", str(tmp_path), "--real-faces", str(folder)) == 2
    expected = f"error: --real-faces: {folder} has no photographs (.jpeg, .jpg, .png, .webp)\n"
    assert capsys.readouterr() == ("", expected)


@pytest.mark.parametrize(
    ("published", "message"),
    [
        (["paint", "blur"], "similar names: paint"),
        (["other"], "similar names: other"),
        ([], "the store is empty"),
    ],
)
def test_unknown_model_is_one_line_that_names_similar_ones_and_exit_2(
    published: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("service.serve.serve", lambda *_: pytest.fail("it was accepted"))
    for name in published:
        (tmp_path / name / "1").mkdir(parents=True)
    assert exit_code(app, "--store", str(tmp_path), "--models", "pant") == 2
    expected = f"error: --models: there is no model 'pant' in {tmp_path}; {message}\n"
    assert capsys.readouterr() == ("", expected)


def test_no_message_about_settings_quotes_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSHELF_ADMIN_KEY", "very-secret")
    monkeypatch.setenv("DEEPSHELF_KEYS_FILE", "/no/such/file")
    with pytest.raises(ValidationError) as raised:
        Settings()
    assert "cannot be read: No such file" in str(raised.value)
    assert "very-secret" not in str(raised.value) + repr(raised.value)
    assert "very-secret" not in describe_settings_errors(raised.value)
    monkeypatch.delenv("DEEPSHELF_KEYS_FILE")
    assert "very-secret" not in repr(Settings())


@pytest.mark.parametrize(
    ("settings", "keys", "warned"),
    [
        ({"host": "0.0.0.0"}, "off", True),  # noqa: S104
        ({"host": "::"}, "off", True),
        ({"host": "127.0.0.1"}, "off", False),
        ({"host": "localhost"}, "off", False),
        ({"host": "0.0.0.0", "keys": f"alice sha256:{'0' * 64}"}, "on", False),  # noqa: S104
    ],
)
def test_startup_logs_features_and_warns_of_an_open_address(
    settings: dict[str, str], keys: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    accepted = Settings.model_validate(settings)
    with caplog.at_level(logging.INFO, logger="service"):
        _log_startup(accepted, 1, ReloadingApiKeys(accepted))
    fields = getattr(caplog.records[0], "fields")  # noqa: B009
    assert fields["keys"] == keys
    assert (fields["tls"], fields["admin"], fields["metrics"]) == ("off", "off", "open")
    assert any(record.levelno == logging.WARNING for record in caplog.records) == warned


def test_printed_url_has_ipv6_addresses_in_brackets(caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(host="::")
    with caplog.at_level(logging.INFO, logger="service"):
        _log_startup(settings, 1, ReloadingApiKeys(settings))
    assert "http://[::1]:8000/" in caplog.text


def test_error_in_a_keys_file_names_the_file_and_the_line(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"alice sha256:{'0' * 64}\nbob secret\n")
    with pytest.raises(ValidationError) as raised:
        Settings(keys_file=file)
    assert f"{file}, line 2: " in str(raised.value)
    assert "secret" not in str(raised.value)


def test_several_workers_share_temporary_directories_of_one_user(tmp_path: Path) -> None:
    with _shared_dirs(Settings(model_control_dir=tmp_path), workers=2) as settings:
        assert settings.model_control_dir == tmp_path
        folder = settings.shared_dir
        assert folder is not None
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()
    with _shared_dirs(Settings(), workers=1) as settings:
        assert settings == Settings()
