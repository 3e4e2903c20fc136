from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from training.engine.csv_logger import write_log
from training.errors import DataError
from training.plots.classifiers import draw_confusion
from training.plots.curves import draw_training_curves
from training.plots.images import draw_image_rows
from training.plots.optimize_png import optimize_png
from training.plots.style import DOCUMENT_STYLE, plot_runs
from training.publish import sample_inputs

_CYCLE = list(DOCUMENT_STYLE["axes.prop_cycle"])


def _image(path: Path) -> NDArray[np.uint8]:
    """Return (H, W) of a PNG, which must be neither tiny, nor huge, nor blank."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        width, height = image.size
        assert 100 < width < 2500
        assert 100 < height < 2500
        pixels = np.asarray(image.convert("L"))
    assert pixels.std() > 5
    return pixels


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "some-run" / "metrics.csv"
    path.parent.mkdir()
    rows = []
    for epoch in range(1, 6):
        row = {"epoch": float(epoch), "learning_rate": 0.1 / epoch, "seconds": 1.0}
        row |= {"train_loss": 1 / epoch, "train_accuracy": 1 - 1 / epoch}
        if epoch % 2:
            row |= {"test_accuracy": 0.9 - 1 / epoch, "test_nll": 2 / epoch}
        rows.append(row)
    write_log(path, rows)
    return path


def test_curves_are_drawn(log: Path, tmp_path: Path) -> None:
    draw_training_curves(log, tmp_path / "curves.png")
    pixels = _image(tmp_path / "curves.png")
    # Loss, accuracy, likelihood and learning rate, side by side.
    assert pixels.shape[1] > 3 * pixels.shape[0]


def _line_colors(path: Path, names: list[str]) -> dict[str, set[str]]:
    """Return the colours of the lines of each label, over all panels of the log's figure."""
    drawn: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, to: Path) -> None:
        drawn.append(figure)
        save(figure, to)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", keep)
        draw_training_curves(path, path.with_suffix(".png"))
    lines = [line for axes in drawn[0].axes for line in axes.lines]
    return {n: {str(line.get_color()) for line in lines if line.get_label() == n} for n in names}


def test_a_split_has_one_colour_in_all_panels(log: Path) -> None:
    colors = _line_colors(log, ["train", "test"])
    assert [len(found) for found in colors.values()] == [1, 1]
    assert colors["train"] != colors["test"]


@pytest.mark.parametrize("offset", [(0, 5), (0, -5)], ids=["above", "below"])
def test_labels_of_means_do_not_cover_the_marks_of_runs(offset: tuple[float, float]) -> None:
    runs = {20: [5.0, 10.0], 32: [38.0, 51.0], 56: [61.0, 70.0]}
    figure = Figure(figsize=(3.3, 3.6))
    axes = figure.add_subplot()
    plot_runs(axes, runs, "plain", ".1f", offset)
    figure.draw_without_rendering()
    marks = [axes.transData.transform((x, y)) for x, values in runs.items() for y in values]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert [text.get_text() for text in axes.texts] == ["7.5", "44.5", "65.5"]
    assert not any(box.contains(*mark) for box in boxes for mark in marks)


def test_a_log_of_one_epoch_is_drawn(tmp_path: Path) -> None:
    write_log(tmp_path / "metrics.csv", [{"epoch": 1, "train_loss": 1, "learning_rate": 1}])
    draw_training_curves(tmp_path / "metrics.csv", tmp_path / "curves.png")
    _image(tmp_path / "curves.png")


def test_curves_of_a_run_that_has_logged_nothing_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"metrics\.csv does not exist; a run writes it after"):
        draw_training_curves(tmp_path / "metrics.csv", tmp_path / "curves.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "epoch,train_loss\n", "a,b\n1,2\n", "epoch,train_loss\n1,x\n"]
)
def test_curves_of_a_malformed_log_are_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(DataError, match=r"metrics\.csv"):
        draw_training_curves(tmp_path / "metrics.csv", tmp_path / "curves.png")


@pytest.mark.parametrize("classes", [2, 10, 200])
def test_a_confusion_matrix_is_drawn_however_many_classes(tmp_path: Path, classes: int) -> None:
    counts = np.eye(classes, dtype=np.int64) * 90 + 10
    labels = [f"class number {index}" for index in range(classes)]
    draw_confusion(counts, labels, "a title", tmp_path / "confusion.png")
    _image(tmp_path / "confusion.png")


def test_class_without_images_is_drawn_as_absent(tmp_path: Path) -> None:
    draw_confusion(np.array([[5, 1], [0, 0]]), ["a", "b"], "t", tmp_path / "confusion.png")
    _image(tmp_path / "confusion.png")


def test_confusions_show(tmp_path: Path) -> None:
    right, wrong = np.eye(3, dtype=np.int64) * 10, np.roll(np.eye(3, dtype=np.int64), 1) * 10
    for name, counts in (("right", right), ("wrong", wrong)):
        draw_confusion(counts, list("abc"), "t", tmp_path / f"{name}.png")
    first, second = _image(tmp_path / "right.png"), _image(tmp_path / "wrong.png")
    assert first.shape == second.shape
    assert (first != second).mean() > 0.1


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_restorations_are_drawn_in_grey_and_colour(tmp_path: Path, mode: str) -> None:
    images = sample_inputs.photo_crops(10, 28, 28, mode).numpy()
    rows = [("clean", images), ("N(0.5, 0.1)", 255 - images), ("restored", images)]
    draw_image_rows(rows, tmp_path / "rows.png")
    _image(tmp_path / "rows.png")
    with Image.open(tmp_path / "rows.png") as image:
        channels = np.asarray(image.convert("RGB")).astype(int)
    is_colorful = bool(np.ptp(channels, axis=2).max() > 30)
    assert is_colorful is (mode == "RGB")


def test_optimize_png_keeps_the_colours_of_lines_apart(tmp_path: Path) -> None:
    # A photograph's worth of greys and blends competes for the palette with eight thin lines.
    colors = [tuple(round(255 * c) for c in to_rgb(entry["color"])) for entry in _CYCLE]
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    noise[:, :200] = noise[:, :200, :1]
    noise[200:] = 255
    for index, color in enumerate(colors):
        noise[10 * index : 10 * index + 2] = color
    Image.fromarray(noise).save(tmp_path / "plot.png")
    optimize_png(tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        kept = np.asarray(image.convert("RGB"))
    assert [tuple(kept[10 * index, 0]) for index in range(len(colors))] == colors
    assert (kept[200:] == 255).all()
