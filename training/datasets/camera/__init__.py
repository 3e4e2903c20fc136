"""A simulated camera: from a finished photograph back to the sensor, and forward again."""

from training.datasets.camera.noise import CameraNoise

__all__ = ["CameraNoise"]
