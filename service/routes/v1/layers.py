"""`/v1/models/{name}/filters…` and `/activations`: a look into a model."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from models_store.manifest import Manifest
from models_store.tasks import Task
from service.errors import Unavailable
from service.handlers.layer_images import (
    LayerImage,
    check_accepts_images,
    draw_filter_image,
    render_activations,
)
from service.middleware.request_log import add_log_fields
from service.routes.http.direct_route import DirectRoute
from service.routes.http.execution import run_in_pool
from service.routes.http.parameters import merge_form_fields, parse_query
from service.routes.http.queued import queued
from service.routes.http.request_body import read_body
from service.routes.v1.models import ModelNamePath
from service.runtime.inspection import LayerLocation
from service.runtime.loaded_model import LoadedModel
from service.scheduling.admission import Ticket
from service.schemas.layers import FiltersResponse, LayerParams, LayerSummary
from service.schemas.models import VersionParams
from service.schemas.openapi_fragments import header_object, image_upload, problem_responses
from service.state import AppState, get_state

__all__ = ["router"]

router = APIRouter(prefix="/v1/models", tags=["models"], route_class=DirectRoute)

_LayerPath = Annotated[
    str,
    Path(max_length=256, description="As `/v1/models/{name}/filters` lists it", examples=["conv1"]),
]
_PNG = {"image/png": {"schema": {"type": "string", "format": "binary"}}}


_LAYER_HEADERS = {
    "X-DeepShelf-Model": header_object("Which model this is of", "string"),
    "X-DeepShelf-Version": header_object("Which version of it", "integer"),
    "X-DeepShelf-Filters": header_object("How many filters the layer has", "integer"),
    "X-DeepShelf-Dead": header_object(
        "How many of them are dead, and framed in magenta", "integer"
    ),
    "X-DeepShelf-Scale": header_object("The absolute value at the end of the colours", "number"),
}


@router.get(
    "/{name}/filters",
    operation_id="list_filters",
    summary="The layers of one model",
    responses={
        200: {"model": FiltersResponse, "description": "Every layer with weights, in order"},
        **problem_responses(404, 422, 500, 503, 504),
    },
    response_class=Response,
)
async def list_filters(
    request: Request, name: ModelNamePath, query: Annotated[VersionParams, Query()]
) -> Response:
    """What the layers do, how large they are, and how many of their filters are dead."""
    state, (manifest, _) = get_state(request), _ready_model(request, name, query.version)

    def work(_: Ticket) -> bytes:
        layers = [_layer_summary(located) for located in state.inspector.layers(manifest)]
        response = FiltersResponse(model=manifest.name, version=manifest.version, layers=layers)
        return response.to_json()

    body = await run_in_pool(request, state.pool.admission.now(), work)
    return Response(body, media_type="application/json")


@router.get(
    "/{name}/filters/{layer}.png",
    operation_id="get_filters",
    summary="One layer's filters as a picture",
    responses={
        200: {"description": "A tile or a row for each filter", "content": _PNG}
        | {"headers": _LAYER_HEADERS},
        **problem_responses(404, 422, 500, 503, 504),
    },
    response_class=Response,
)
async def get_filters(
    request: Request,
    name: ModelNamePath,
    layer: _LayerPath,
    query: Annotated[VersionParams, Query()],
) -> Response:
    """All weights of a layer on one scale: white is zero, red positive, blue the same negative.

        curl http://127.0.0.1:8000/v1/models/resnet-cifar10/filters/conv1.png -o filters.png

    A tile for each filter that has one input; a row for each that has many, its inputs side by
    side. Filters over three channels look at colours, and are shown in them, with grey as zero.
    The scale ends where one weight in a hundred lies beyond. Dead filters are framed in magenta.
    """
    state, (manifest, _) = get_state(request), _ready_model(request, name, query.version)

    def work(_: Ticket) -> Response:
        return _layer_image_response(manifest, draw_filter_image(state.inspector, manifest, layer))

    return await run_in_pool(request, state.pool.admission.now(), work)


@router.post(
    "/{name}/activations",
    operation_id="get_activations",
    summary="What one layer makes of a picture",
    responses={
        200: {"description": "A tile for each filter", "content": _PNG, "headers": _LAYER_HEADERS},
        **problem_responses(400, 404, 413, 415, 422, 500, 503, 504),
    },
    response_class=Response,
    openapi_extra=image_upload(LayerParams, multiple=False),
)
@queued("images")
async def get_activations(request: Request, name: ModelNamePath) -> Response:
    """The feature maps of a layer for a picture, on one scale: red is positive, blue negative.

        curl --data-binary @cat.jpg \
            'http://127.0.0.1:8000/v1/models/resnet-cifar10/activations?layer=conv1' -o maps.png

    It is what the layer itself computes, before what follows it: a rectifier would leave the red.
    Maps that are zero everywhere are framed in magenta; of more than 1,024, the first are shown. A
    layer that is asked for the first time costs the time of loading the model once more.
    """
    state = get_state(request)
    arrival_time_s = state.pool.admission.now()
    state.pool.admission.refuse_if_full()
    query = parse_query(request, LayerParams)
    manifest, model = _ready_model(request, name, query.version)
    check_accepts_images(manifest)
    form = await read_body(
        request, arrival_time_s, files=("image",), fields=tuple(LayerParams.model_fields)
    )
    params = merge_form_fields(query, form.fields)
    image = form.files["image"][0]

    def work(_: Ticket) -> Response:
        layer_image = render_activations(
            state.inspector, manifest, model, params.layer, image, state.limits
        )
        return _layer_image_response(manifest, layer_image)

    return await run_in_pool(request, arrival_time_s, work)


def _ready_model(
    request: Request, name: str, version: int | None
) -> tuple[Manifest, LoadedModel[Task]]:
    state: AppState = get_state(request)
    entry = state.registry.catalog.get_version(name, version)
    if entry.manifest is None or entry.model is None:
        reason = f": {entry.reason}" if entry.reason else ""
        raise Unavailable(f"{entry.name} {entry.version} is {entry.state}{reason}")
    add_log_fields(request, model=entry.name, version=entry.version)
    return entry.manifest, entry.model


def _layer_summary(located: LayerLocation) -> LayerSummary:
    layer = located.layer
    return LayerSummary(
        name=layer.name,
        operator=layer.operator,
        graph=located.file.role,
        shape=list(layer.weights_NChw.shape),
        filters=len(layer.weights_NChw),
        dead=int(layer.dead_N.sum()),
        largest=layer.max_abs_weight,
    )


def _layer_image_response(manifest: Manifest, layer_image: LayerImage) -> Response:
    headers = {
        "X-DeepShelf-Model": manifest.name,
        "X-DeepShelf-Version": str(manifest.version),
        "X-DeepShelf-Filters": str(layer_image.filters),
        "X-DeepShelf-Dead": str(layer_image.dead),
        "X-DeepShelf-Scale": f"{layer_image.color_limit:.6g}",
    }
    return Response(layer_image.png, media_type="image/png", headers=headers)
