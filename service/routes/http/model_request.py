"""The steps that requests to a model share: admission, parameters, the model, the body."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.requests import Request

from models_store.manifest import Precision
from models_store.tasks import Task
from service.observability.request_log import add_log_fields
from service.routes.http.parameters import merge_form_fields, parse_query
from service.routes.http.request_body import read_files
from service.runtime.loaded_model import LoadedModel
from service.scheduling.admission import AdmissionController
from service.schemas.base import ModelSelector, PrecisionSelector
from service.state import get_state

ParamsT = TypeVar("ParamsT", bound=ModelSelector)
TaskT = TypeVar("TaskT", bound=Task)


@dataclass(frozen=True)
class ImageRequest(Generic[ParamsT, TaskT]):
    """A request whose body has been read, and the model that processes it."""

    arrival_time_s: float
    params: ParamsT
    model: LoadedModel[TaskT]
    images: Sequence[bytes]
    files: Mapping[str, Sequence[bytes]]
    """All files by their field's name; `images` are those of the field `image`."""


def start_request(admission: AdmissionController) -> float:
    """Return the arrival time on the clock of `admission`.

    Raises:
        Overloaded: the queue is full. Nothing of the body has been read.
    """
    arrival_time_s = admission.now()
    admission.raise_if_full()
    return arrival_time_s


def resolve_model(
    request: Request,
    task: type[TaskT],
    name: str | None,
    version: int | None = None,
    precision: Precision | None = None,
) -> LoadedModel[TaskT]:
    """Return the named model, else the default of `task`, and add it to the request's log event.

    Raises:
        NotFound, Unavailable: see `ModelCatalog.resolve`.
        InvalidValue: the model has no graph of this precision.
    """
    model = get_state(request).registry.catalog.resolve(task, name, version)
    if precision is not None:
        model = model.with_precision(precision)
    add_log_fields(request, model=model.name, version=model.version)
    return model


async def read_image_request(
    request: Request,
    task: type[TaskT],
    params_type: type[ParamsT],
    *,
    files: Collection[str] = ("image",),
) -> ImageRequest[ParamsT, TaskT]:
    """Read parameters from the query and the form, and files from the body.

    A model that the query names is resolved first: if it does not exist, the body is not read.
    """
    admission = get_state(request).pool.admission
    arrival_time_s = start_request(admission)
    query = parse_query(request, params_type)
    model = None if query.model is None else _resolve(request, task, query)
    form = await read_files(request, files=files, fields=tuple(params_type.model_fields))
    params = merge_form_fields(query, form.fields)
    if model is None or params is not query:
        model = _resolve(request, task, params)
    images = form.files["image"]
    add_log_fields(request, images=len(images))
    return ImageRequest(arrival_time_s, params, model, images, form.files)


def _resolve(request: Request, task: type[TaskT], params: ModelSelector) -> LoadedModel[TaskT]:
    precision = params.precision if isinstance(params, PrecisionSelector) else None
    return resolve_model(request, task, params.model, params.version, precision)
