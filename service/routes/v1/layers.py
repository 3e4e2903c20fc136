"""`/v1/models/{name}/filters…` and `/activations`: a look into a model."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from models_store.manifest import Manifest
from models_store.tasks import Task
from service.errors import Unavailable
from service.handlers.layer_images import Shown, check_takes_pictures, draw_filters, draw_maps
from service.middleware.request_log import note
from service.routes.http.execution import compute
from service.routes.http.parameters import from_query, with_fields
from service.routes.http.request_body import read_body
from service.routes.v1.models import ModelNamePath
from service.runtime.inspection import Located
from service.runtime.loaded_model import Published
from service.scheduling.admission import Ticket
from service.schemas.layers import FiltersAnswer, LayerOption, ListedLayer
from service.schemas.models import VersionOption
from service.schemas.openapi_fragments import header, picture_upload, problems
from service.state import Running, running

__all__ = ["router"]

router = APIRouter(prefix="/v1/models", tags=["models"])

_Layer = Annotated[
    str,
    Path(max_length=256, description="As `/v1/models/{name}/filters` lists it", examples=["conv1"]),
]
_PNG = {"image/png": {"schema": {"type": "string", "format": "binary"}}}


_HEADERS = {
    "X-DeepShelf-Model": header("Which model this is of", "string"),
    "X-DeepShelf-Version": header("Which version of it", "integer"),
    "X-DeepShelf-Filters": header("How many filters the layer has", "integer"),
    "X-DeepShelf-Dead": header("How many of them are dead, and framed in magenta", "integer"),
    "X-DeepShelf-Scale": header("The absolute value at the end of the colours", "number"),
}


@router.get(
    "/{name}/filters",
    operation_id="list_filters",
    summary="The layers of one model",
    responses={
        200: {"model": FiltersAnswer, "description": "Every layer with weights, in order"},
        **problems(404, 422, 500, 503, 504),
    },
    response_class=Response,
)
async def list_filters(
    request: Request, name: ModelNamePath, query: Annotated[VersionOption, Query()]
) -> Response:
    """What the layers do, how large they are, and how many of their filters are dead."""
    service, (manifest, _) = running(request), _model(request, name, query.version)

    def work(_: Ticket) -> bytes:
        layers = [_listed(one) for one in service.inspector.layers(manifest)]
        answer = FiltersAnswer(model=manifest.name, version=manifest.version, layers=layers)
        return answer.to_json()

    body = await compute(request, service.pool.gate.now(), work)
    return Response(body, media_type="application/json")


@router.get(
    "/{name}/filters/{layer}.png",
    operation_id="get_filters",
    summary="One layer's filters as a picture",
    responses={
        200: {"description": "A tile or a row for each filter", "content": _PNG}
        | {"headers": _HEADERS},
        **problems(404, 422, 500, 503, 504),
    },
    response_class=Response,
)
async def get_filters(
    request: Request, name: ModelNamePath, layer: _Layer, query: Annotated[VersionOption, Query()]
) -> Response:
    """All weights of a layer on one scale: white is zero, red positive, blue the same negative.

        curl http://127.0.0.1:8000/v1/models/resnet-cifar10/filters/conv1.png -o filters.png

    A tile for each filter that has one input; a row for each that has many, its inputs side by
    side. Filters over three channels look at colours, and are shown in them, with grey as zero.
    The scale ends where one weight in a hundred lies beyond. Dead filters are framed in magenta.
    """
    service, (manifest, _) = running(request), _model(request, name, query.version)

    def work(_: Ticket) -> Response:
        return _shown(manifest, draw_filters(service.inspector, manifest, layer))

    return await compute(request, service.pool.gate.now(), work)


@router.post(
    "/{name}/activations",
    operation_id="get_activations",
    summary="What one layer makes of a picture",
    responses={
        200: {"description": "A tile for each filter", "content": _PNG, "headers": _HEADERS},
        **problems(400, 404, 413, 415, 422, 500, 503, 504),
    },
    response_class=Response,
    openapi_extra=picture_upload(LayerOption, several=False),
)
async def get_activations(request: Request, name: ModelNamePath) -> Response:
    """The feature maps of a layer for a picture, on one scale: red is positive, blue negative.

        curl --data-binary @cat.jpg \
            'http://127.0.0.1:8000/v1/models/resnet-cifar10/activations?layer=conv1' -o maps.png

    It is what the layer itself computes, before what follows it: a rectifier would leave the red.
    Maps that are zero everywhere are framed in magenta; of more than 1,024, the first are shown. A
    layer that is asked for the first time costs the time of loading the model once more.
    """
    service = running(request)
    arrived = service.pool.gate.now()
    service.pool.gate.refuse_if_full()
    query = from_query(request, LayerOption)
    manifest, model = _model(request, name, query.version)
    check_takes_pictures(manifest)
    form = await read_body(
        request, arrived, files=("image",), fields=tuple(LayerOption.model_fields)
    )
    options = with_fields(query, form.fields)
    picture = form.files["image"][0]

    def work(_: Ticket) -> Response:
        shown = draw_maps(
            service.inspector, manifest, model, options.layer, picture, service.limits
        )
        return _shown(manifest, shown)

    return await compute(request, arrived, work)


def _model(request: Request, name: str, version: int | None) -> tuple[Manifest, Published[Task]]:
    service: Running = running(request)
    entry = service.registry.shelf.entry(name, version)
    if entry.manifest is None or entry.model is None:
        reason = f": {entry.reason}" if entry.reason else ""
        raise Unavailable(f"{entry.name} {entry.version} is {entry.state}{reason}")
    note(request, model=entry.name, version=entry.version)
    return entry.manifest, entry.model


def _listed(located: Located) -> ListedLayer:
    layer = located.layer
    return ListedLayer(
        name=layer.name,
        operator=layer.operator,
        graph=located.file.role,
        shape=list(layer.weights_NChw.shape),
        filters=len(layer.weights_NChw),
        dead=int(layer.dead_N.sum()),
        largest=layer.largest,
    )


def _shown(manifest: Manifest, shown: Shown) -> Response:
    headers = {
        "X-DeepShelf-Model": manifest.name,
        "X-DeepShelf-Version": str(manifest.version),
        "X-DeepShelf-Filters": str(shown.filters),
        "X-DeepShelf-Dead": str(shown.dead),
        "X-DeepShelf-Scale": f"{shown.scale:.6g}",
    }
    return Response(shown.png, media_type="image/png", headers=headers)
