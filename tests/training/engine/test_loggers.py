import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.training.tiny import recipe
from training.engine.csv_logger import read_log
from training.engine.loggers import open_log
from training.errors import TrainingError

ROWS = [{"epoch": 1.0, "train_loss": 2.0}, {"epoch": 2.0, "train_loss": 1.0}]


class _Recorder:
    """Records the calls of any of its methods, as a package of a tracker would get them."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **_: self.calls.append((name, arguments))

    def arguments_of(self, name: str) -> list[tuple[Any, ...]]:
        return [arguments for called, arguments in self.calls if called == name]


def _install(monkeypatch: pytest.MonkeyPatch, name: str, content: object) -> None:
    module = ModuleType(name)
    module.__getattr__ = lambda attribute: getattr(content, attribute)  # type: ignore[method-assign]
    monkeypatch.setitem(sys.modules, name, module)


def test_resuming_drops_what_lies_beyond_the_checkpoint(tmp_path: Path) -> None:
    with open_log(recipe(), tmp_path, [], None) as log:
        for row in ROWS:
            log(row)
    with open_log(recipe(), tmp_path, ROWS[:1], None) as log:
        assert read_log(tmp_path / "metrics.csv")["train_loss"] == [(1, 2.0)]
        log({"epoch": 3.0, "train_loss": 0.5})
    assert read_log(tmp_path / "metrics.csv")["train_loss"] == [(1, 2.0), (3, 0.5)]


def test_a_new_run_starts_an_empty_log(tmp_path: Path) -> None:
    with open_log(recipe(), tmp_path, [], None) as log:
        log(ROWS[0])
    with open_log(recipe(), tmp_path, [], None):
        assert not (tmp_path / "metrics.csv").exists()


def test_mlflow_gets_the_recipe_and_every_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = _Recorder()
    _install(monkeypatch, "mlflow", mlflow)
    with open_log(recipe(), tmp_path, ROWS[:1], "mlflow") as log:  # a run that was resumed
        log(ROWS[1])
    ((params,),) = mlflow.arguments_of("log_params")
    assert params["name"] == '"tiny"'
    assert mlflow.arguments_of("log_metrics") == [(ROWS[0], 1), (ROWS[1], 2)]
    assert mlflow.arguments_of("end_run") == [("FINISHED",)]
    assert [epoch for epoch, _ in read_log(tmp_path / "metrics.csv")["train_loss"]] == [1, 2]


def test_a_run_that_fails_is_marked_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _Recorder()
    run.config = _Recorder()  # type: ignore[attr-defined]
    _install(monkeypatch, "wandb", SimpleNamespace(init=lambda **_: run))

    def interrupted() -> None:
        with open_log(recipe(), tmp_path, [], "wandb") as log:
            log(ROWS[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert run.arguments_of("log") == [(ROWS[0], 1)]
    assert run.arguments_of("finish") == [(1,)]


@pytest.mark.parametrize("kind", ["tensorboard", "mlflow", "wandb"])
def test_a_tracker_that_is_not_installed_is_named(tmp_path: Path, kind: Any) -> None:
    if find_spec(kind):
        pytest.skip(f"{kind} is installed")
    with (
        pytest.raises(TrainingError, match=f"--logger {kind} needs a package: pip install {kind}"),
        open_log(recipe(), tmp_path, [], kind),
    ):
        pass
