import torch
from torch import Generator

from training.metrics.generative import nearest_training_images, pca_gaussian


def test_the_nearest_training_image_is_found_mirrored_too() -> None:
    random = Generator().manual_seed(0)
    expected = torch.randint(256, (2100, 3, 4, 4), generator=random, dtype=torch.uint8)
    queries = torch.stack((expected[7], expected[2050].flip(2), expected[0]))
    queries[2, 0, 0, 0] = expected[0, 0, 0, 0] ^ 1  # one grey level, in one of 48 numbers
    found = nearest_training_images(queries, expected)
    assert found.indices.tolist() == [7, 2050, 0]
    torch.testing.assert_close(found.rms, torch.tensor([0, 0, 48**-0.5]), atol=1e-2, rtol=0)


def test_the_baseline_has_the_mean_and_the_spread_of_the_images() -> None:
    random = Generator().manual_seed(0)
    level = 128 + 30 * torch.randn(800, 1, 1, 1, generator=random)
    tilt = 10 * torch.randn(800, 1, 1, 1, generator=random) * torch.linspace(-1, 1, 8)
    images = (level + tilt).expand(-1, 1, 8, 8).round().clamp(0, 255).to(torch.uint8)
    drawn = pca_gaussian(images, 2000)
    assert drawn.shape == (2000, 1, 8, 8)
    for measure in (torch.mean, torch.std):
        expected, estimate = (measure(part.float(), 0) for part in (images, drawn))
        torch.testing.assert_close(estimate, expected, rtol=0.05, atol=1.5)
    assert torch.equal(drawn, pca_gaussian(images, 2000))
