"""Exceptions of training.

TrainingError
├── RecipeError        a recipe that does not validate, or contradicts itself
├── DataError          a data set that is missing, damaged or unusable
├── CheckpointError    a checkpoint that is missing or belongs to another recipe
├── WeightsError       a file of weights that cannot be read, or does not fit a network
├── DivergenceError    a loss that is no longer a finite number
└── ExportError        a graph that does not compute what the network computes
"""


class TrainingError(Exception):
    """Anything that the command line reports as one line rather than as a traceback."""


class RecipeError(TrainingError):
    """A recipe that does not validate, or contradicts itself."""


class DataError(TrainingError):
    """A data set that is missing, damaged or unusable."""


class CheckpointError(TrainingError):
    """A checkpoint that is missing, damaged, or belongs to another recipe."""


class DivergenceError(TrainingError):
    """The loss became NaN or infinite; the message says what usually helps."""


class ExportError(TrainingError):
    """The exported graph is not valid, or does not agree with the network."""


class WeightsError(TrainingError):
    """A file of weights that cannot be read or written, or does not fit a network."""
