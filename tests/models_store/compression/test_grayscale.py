import numpy as np

from models_store.compression.grayscale import is_grayscale, mean_channel


def test_grey_is_three_equal_channels() -> None:
    image = np.full((4, 5, 3), 9, np.uint8)
    assert is_grayscale(image)
    for channel in range(3):
        colored = image.copy()
        colored[3, 4, channel] = 8
        assert not is_grayscale(colored)


def test_the_mean_is_rounded_to_the_nearest_level() -> None:
    every = np.stack(np.meshgrid(*[np.arange(0, 256, 5)] * 3), -1).reshape(-1, 1, 3)
    image = np.concatenate([every, every + np.array([0, 1, 0])]).clip(0, 255).astype(np.uint8)
    expected = image.astype(np.float64).mean(2).round()
    got = mean_channel(image)
    assert got.shape == (len(image), 1, 1)
    assert np.array_equal(got[..., 0], expected)
