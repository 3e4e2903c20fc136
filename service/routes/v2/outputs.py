"""The outputs that a request selects, and Triton's classification extension."""

import numpy as np

from models_store.manifest import ModelFile
from models_store.tasks import Classification, Task
from service.codecs.tensors import Array
from service.errors import InvalidValue
from service.routes.v2.protocol import ParsedRequest
from service.schemas.v2 import RequestedOutput


def requested_outputs(graph: ModelFile, parsed: ParsedRequest) -> list[RequestedOutput]:
    """Return the outputs that the request names, or all if it names none.

    Raises:
        InvalidValue: the graph has no such output, or one is named twice.
    """
    available = [output.name for output in graph.outputs]
    requested = parsed.request.outputs or [RequestedOutput(name=name) for name in available]
    names = [item.name for item in requested]
    unknown = [name for name in names if name not in available]
    if unknown:
        raise InvalidValue(
            f"there is no output {unknown[0][:64]!r}; outputs: {', '.join(available)}"
        )
    if len(set(names)) != len(names):
        raise InvalidValue("an output is requested twice")
    return requested


def apply_classification(task: Task, requested: RequestedOutput, output: Array) -> Array:
    """Return the best k as BYTES `value:index:label` if `requested` has the parameter for it."""
    count = requested.parameters.get("classification")
    if count is None:
        return output
    if type(count) is not int or count < 1:
        raise InvalidValue(f"{requested.name}: classification is not a whole number of at least 1")
    if not isinstance(task, Classification) or requested.name != "probabilities":
        raise InvalidValue(
            f"{requested.name}: classification needs the probabilities of a classifier"
        )
    top_indices = np.argsort(-output.astype(np.float64), axis=1, kind="stable")[:, :count]
    labels = np.empty(top_indices.shape, object)
    for (row, rank), index in np.ndenumerate(top_indices):
        labels[row, rank] = f"{output[row, index]:f}:{index}:{task.labels[index]}".encode()
    return labels
