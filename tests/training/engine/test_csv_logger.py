from pathlib import Path

from training.engine.csv_logger import CsvLogger, read_log

_ROWS = [
    {"epoch": 1.0, "train_loss": 0.1 + 0.2, "seconds": 1.5},
    {"epoch": 2.0, "train_loss": 1e-17, "test_accuracy": 1 / 3, "seconds": 2.0},
    {"epoch": 3.0, "train_loss": 2.0, "seconds": 1.0},
]


def _write(path: Path) -> CsvLogger:
    log = CsvLogger(path, [])
    for row in _ROWS:
        log.append(row)
    return log


def test_what_is_logged_reads_back_exactly(tmp_path: Path) -> None:
    _write(tmp_path / "metrics.csv")
    assert read_log(tmp_path / "metrics.csv") == {
        "train_loss": [(1, 0.1 + 0.2), (2, 1e-17), (3, 2.0)],
        "test_accuracy": [(2, 1 / 3)],
        "seconds": [(1, 1.5), (2, 2.0), (3, 1.0)],
    }


def test_a_late_column_widens_the_header_once(tmp_path: Path) -> None:
    _write(tmp_path / "metrics.csv")
    header, *rows = (tmp_path / "metrics.csv").read_text().splitlines()
    assert header.split(",") == ["epoch", "train_loss", "seconds", "test_accuracy"]
    assert [row.count(",") for row in rows] == [3, 3, 3]


def test_resuming_drops_what_lies_beyond_the_checkpoint(tmp_path: Path) -> None:
    _write(tmp_path / "metrics.csv")
    log = CsvLogger(tmp_path / "metrics.csv", _ROWS[:1])
    assert read_log(tmp_path / "metrics.csv")["train_loss"] == [(1, 0.1 + 0.2)]
    log.append(_ROWS[2])
    assert read_log(tmp_path / "metrics.csv")["train_loss"] == [(1, 0.1 + 0.2), (3, 2.0)]


def test_a_new_run_starts_an_empty_log(tmp_path: Path) -> None:
    _write(tmp_path / "metrics.csv")
    CsvLogger(tmp_path / "metrics.csv", [])
    assert not (tmp_path / "metrics.csv").exists()
