from pathlib import Path

from training.engine.csv_logger import read_log, write_log

_ROWS = [
    {"epoch": 1.0, "train_loss": 0.1 + 0.2, "seconds": 1.5},
    {"epoch": 2.0, "train_loss": 1e-17, "test_accuracy": 1 / 3, "seconds": 2.0},
    {"epoch": 3.0, "train_loss": 2.0, "seconds": 1.0},
]


def test_what_is_logged_reads_back_exactly(tmp_path: Path) -> None:
    write_log(tmp_path / "metrics.csv", _ROWS)
    assert read_log(tmp_path / "metrics.csv") == {
        "train_loss": [(1, 0.1 + 0.2), (2, 1e-17), (3, 2.0)],
        "test_accuracy": [(2, 1 / 3)],
        "seconds": [(1, 1.5), (2, 2.0), (3, 1.0)],
    }


def test_a_late_column_widens_the_header(tmp_path: Path) -> None:
    write_log(tmp_path / "metrics.csv", _ROWS)
    header, *rows = (tmp_path / "metrics.csv").read_text().splitlines()
    assert header.split(",") == ["epoch", "train_loss", "seconds", "test_accuracy"]
    assert [row.count(",") for row in rows] == [3, 3, 3]
