"""`/v1/models/{name}/filters…` and `/activations`: images of layers."""

from typing import Annotated

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import Task
from service.handlers.layer_images import (
    LayerImage,
    check_accepts_images,
    draw_filter_image,
    render_activations,
)
from service.observability.request_log import add_log_fields
from service.routes.http.direct_route import create_router
from service.routes.http.execution import run_in_pool
from service.routes.http.model_request import start_request
from service.routes.http.openapi_fragments import (
    MODEL_HEADERS,
    header_object,
    image_upload,
    problem_responses,
)
from service.routes.http.parameters import merge_form_fields, parse_query
from service.routes.http.queued import queued
from service.routes.http.request_body import read_files
from service.routes.http.responses import BINARY, PNG, json_response, model_fields, model_headers
from service.routes.v1.models import ModelNamePath
from service.runtime.inspection import LayerLocation
from service.runtime.loaded_model import LoadedModel
from service.scheduling.admission import Ticket
from service.schemas.layers import FiltersResponse, LayerParams, LayerSummary
from service.schemas.models import VersionParams
from service.state import get_state

router = create_router(prefix="/v1/models", tags=["models"])

_LayerPath = Annotated[
    str,
    Path(max_length=256, description="As `/v1/models/{name}/filters` lists it", examples=["conv1"]),
]
_PNG_CONTENT = {PNG: BINARY}
_LAYER_HEADERS = {
    **MODEL_HEADERS,
    "X-DeepShelf-Filters": header_object("Number of the layer's filters", "integer"),
    "X-DeepShelf-Dead": header_object("Number of dead filters, framed in magenta", "integer"),
    "X-DeepShelf-Scale": header_object("Absolute value at the end of the colour scale", "number"),
}


@router.get(
    "/{name}/filters",
    operation_id="list_filters",
    summary="List a model's layers",
    responses={
        200: {"model": FiltersResponse, "description": "Every layer with weights, in order"},
        **problem_responses(404, 422, 500, 503, 504),
    },
)
async def list_filters(
    request: Request, name: ModelNamePath, query: Annotated[VersionParams, Query()]
) -> Response:
    """Return each layer's operator, shape, and number of filters and of dead filters."""
    state, model = get_state(request), _ready_model(request, name, query.version)

    def work(_: Ticket) -> Response:
        layers = list(map(_layer_summary, state.inspector.layers(model.manifest)))
        return json_response(FiltersResponse(layers=layers, **model_fields(model)))

    return await run_in_pool(request, state.pool.admission.now(), work)


@router.get(
    "/{name}/filters/{layer}.png",
    operation_id="get_filters",
    summary="Draw a layer's filters",
    responses={
        200: {
            "description": "A tile or a row for each filter",
            "content": _PNG_CONTENT,
            "headers": _LAYER_HEADERS,
        },
        **problem_responses(404, 422, 500, 503, 504),
    },
)
async def get_filters(
    request: Request,
    name: ModelNamePath,
    layer: _LayerPath,
    query: Annotated[VersionParams, Query()],
) -> Response:
    """Draw all weights of a layer on one scale: zero is white, positive red, negative blue.

        curl http://127.0.0.1:8000/v1/models/resnet-cifar10/filters/conv1.png -o filters.png

    A filter with one input is a tile; a filter with several is a row with a tile for each input.
    Filters over three channels are drawn as colours, with grey as zero. The scale ends at the 99th
    percentile of the absolute weights. Dead filters are framed in magenta.
    """
    state, model = get_state(request), _ready_model(request, name, query.version)

    def work(_: Ticket) -> Response:
        image = draw_filter_image(state.inspector, model.manifest, layer)
        return _layer_image_response(model, image)

    return await run_in_pool(request, state.pool.admission.now(), work)


@router.post(
    "/{name}/activations",
    operation_id="get_activations",
    summary="Draw a layer's activations for an image",
    responses={
        200: {
            "description": "A tile for each filter",
            "content": _PNG_CONTENT,
            "headers": _LAYER_HEADERS,
        },
        **problem_responses(400, 404, 413, 415, 422, 500, 503, 504),
    },
    openapi_extra=image_upload(LayerParams, multiple=False),
)
@queued("images")
async def get_activations(request: Request, name: ModelNamePath) -> Response:
    """Draw the feature maps of a layer for an image on one scale: positive red, negative blue.

        curl --data-binary @cat.jpg \
            'http://127.0.0.1:8000/v1/models/resnet-cifar10/activations?layer=conv1' -o maps.png

    The maps are the layer's own output, before any activation function. Maps that are zero
    everywhere are framed in magenta; of more than 1,024 maps, the first are drawn. The first
    request for a layer takes as long as loading the model.
    """
    state = get_state(request)
    admission = state.pool.admission
    arrival_time_s = start_request(admission)
    query = parse_query(request, LayerParams)
    model = _ready_model(request, name, query.version)
    check_accepts_images(model.manifest)
    form = await read_files(request, files=("image",), fields=tuple(LayerParams.model_fields))
    layer, image = merge_form_fields(query, form.fields).layer, form.files["image"][0]

    def work(_: Ticket) -> Response:
        layer_image = render_activations(
            state.inspector, model, layer, image, state.settings.max_pixels
        )
        return _layer_image_response(model, layer_image)

    return await run_in_pool(request, arrival_time_s, work)


def _ready_model(request: Request, name: str, version: int | None) -> LoadedModel[Task]:
    model = get_state(request).registry.catalog.get_version(name, version).require_model()
    add_log_fields(request, model=model.name, version=model.version)
    return model


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


def _layer_image_response(model: LoadedModel[Task], layer_image: LayerImage) -> Response:
    headers = model_headers(
        model,
        Filters=layer_image.filters,
        Dead=layer_image.dead,
        Scale=f"{layer_image.color_limit:.6g}",
    )
    return Response(layer_image.png, media_type=PNG, headers=headers)
