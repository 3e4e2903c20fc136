import pytest

from training.engine.progress_bar import TrainingProgress


def test_a_log_gets_one_line_an_epoch_and_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingProgress("tiny", epochs=2, steps=1, completed_epochs=0, show=True) as progress:
        for epoch in (1.0, 2.0):
            progress.on_step({"loss": 0.5})
            progress.on_epoch_end({"epoch": epoch, "train_loss": 0.5, "seconds": 3.0})
    assert capsys.readouterr().out.splitlines() == [
        "epoch 1/2  train_loss 0.5  3 s",
        "epoch 2/2  train_loss 0.5  3 s",
    ]


def test_nothing_is_shown_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingProgress("tiny", epochs=1, steps=1, completed_epochs=0, show=False) as progress:
        progress.on_step({"loss": 0.5})
        progress.on_epoch_end({"epoch": 1.0, "seconds": 3.0})
    assert capsys.readouterr().out == ""
