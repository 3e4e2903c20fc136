import pytest
import torch
from torch import Tensor

from training.datasets.camera.bayer import Demosaicing, demosaic, mosaic

PHASES = [(row, column) for row in (0, 1) for column in (0, 1)]
METHODS: tuple[Demosaicing, ...] = ("bilinear", "malvar")


def _one_color(*rgb: float) -> Tensor:
    return torch.tensor(rgb).view(1, 3, 1, 1).expand(1, 3, 8, 8)


@pytest.mark.parametrize(
    ("phase", "square"),
    [
        ((0, 0), [[1, 2], [2, 3]]),
        ((0, 1), [[2, 1], [3, 2]]),
        ((1, 0), [[2, 3], [1, 2]]),
        ((1, 1), [[3, 2], [2, 1]]),
    ],
)
def test_first_red_pixel_is_at_the_phase(phase: tuple[int, int], square: list[list[float]]) -> None:
    raw = mosaic(_one_color(1, 2, 3), phase)
    assert raw[0, 0, :2, :2].tolist() == square
    assert torch.equal(raw[0, 0], torch.tensor(square).float().tile(4, 4))


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("method", METHODS)
def test_constant_colour_is_reconstructed(phase: tuple[int, int], method: Demosaicing) -> None:
    color = _one_color(0.2, 0.5, 0.9)
    torch.testing.assert_close(demosaic(mosaic(color, phase), phase, method), color)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("method", METHODS)
def test_linear_plane_is_reconstructed_inside(phase: tuple[int, int], method: Demosaicing) -> None:
    rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(10.0), indexing="ij")
    plane = torch.stack([rows + 2 * columns, 3 - rows, columns])[None] / 10
    back = demosaic(mosaic(plane, phase), phase, method)
    torch.testing.assert_close(back[..., 2:-2, 2:-2], plane[..., 2:-2, 2:-2])


@pytest.mark.parametrize("method", METHODS)
def test_measured_values_are_unchanged(method: Demosaicing) -> None:
    raw = torch.rand(2, 1, 10, 14)
    back = demosaic(raw, (1, 0), method)
    torch.testing.assert_close(mosaic(back, (1, 0)), raw)


def test_an_impulse_spreads_as_in_malvars_figure_2() -> None:
    raw = torch.zeros(1, 1, 11, 11)
    raw[..., 5, 5] = 8.0  # phase (1, 1): a red pixel, with blue ones at its corners
    red, green, blue = demosaic(raw, (1, 1), "malvar")[0]
    assert red[5, 3:8].tolist() == [0, 4, 8, 4, 0]  # between reds of one row
    assert green[5, 3:8].tolist() == [-1, 0, 4, 0, -1]  # Laplacian's correction at reds
    assert red[4:7, 4].tolist() == [2, 4, 2]
    assert blue[5, 3:8].tolist() == [-1.5, 0, 6, 0, -1.5]


def test_at_a_grey_edge_malvars_is_nearer_than_the_bilinear_one() -> None:
    edge = (torch.arange(16.0) >= 7).float().expand(1, 3, 16, 16)
    errors = {
        method: (demosaic(mosaic(edge, (0, 0)), (0, 0), method) - edge).square().mean()
        for method in METHODS
    }
    assert errors["malvar"] < 0.5 * errors["bilinear"]
