"""`POST /v1/predict`."""

from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import Tensors
from service.codecs.nested_lists import to_nested
from service.errors import InvalidValue
from service.handlers.tensor_inputs import decode_nested_inputs, tensor_requirements
from service.handlers.tensors import InferResult, infer
from service.observability.request_log import add_log_fields
from service.observability.timing import timed
from service.routes.http.direct_route import create_router
from service.routes.http.execution import run_in_pool
from service.routes.http.json_body import (
    JSON_BODY_DIVISOR,
    json_request_body,
    parse_json,
    read_json_bytes,
)
from service.routes.http.model_request import start_request
from service.routes.http.openapi_fragments import problem_responses
from service.routes.http.parameters import parse_query, query_parameters
from service.routes.http.queued import queued
from service.routes.http.responses import json_response, model_fields
from service.routes.v2.target import InferTarget, resolve_target
from service.runtime.catalog import ModelCatalog
from service.scheduling.admission import Ticket
from service.schemas.predict import PredictInputs, PredictParams, PredictResponse
from service.state import get_state

router = create_router(prefix="/v1", tags=["tensors"])


@router.post(
    "/predict",
    operation_id="predict",
    summary="Run any model on tensors",
    responses={
        200: {"model": PredictResponse, "description": "Every output of the graph"},
        **problem_responses(400, 404, 413, 415, 422, 500, 503, 504),
    },
    openapi_extra={
        "parameters": query_parameters(PredictParams),
        **json_request_body(PredictInputs),
    },
)
@queued("images")
async def predict(request: Request) -> Response:
    r"""Run a model's graph on tensors in plain JSON.

        curl -d '{"inputs": {"x": [[5.1, 3.5, 1.4, 0.2]]}}' \
            'http://127.0.0.1:8000/v1/predict?model=iris'

    Every model of the store answers, under its name or, for a model of several graphs, `name.role`
    as in `/v2`. `/v2/models/NAME` says which inputs a model takes; image models take pixels as
    uint8, (batch, height, width, channels). `/v2/models/NAME/infer` takes the same tensors as
    bytes, which is faster for large ones.
    """
    state = get_state(request)
    arrival_time_s = start_request(state.pool.admission)
    params = parse_query(request, PredictParams)
    target = _resolve_graph(state.registry.catalog, params)
    add_log_fields(request, model=target.name, version=target.model.version)
    body = await read_json_bytes(request, state.settings.max_body_bytes // JSON_BODY_DIVISOR)

    def work(ticket: Ticket) -> Response:
        graph = target.require_graph()
        sent = _parse_inputs(body)
        inputs = decode_nested_inputs(sent, tensor_requirements(target.model.task, graph))
        result = infer(target.model, graph, inputs, state.infer_limits, ticket.check)
        return json_response(_build_response(target, result))

    return await run_in_pool(request, arrival_time_s, work, model=target.model, is_upload=False)


def _resolve_graph(catalog: ModelCatalog, params: PredictParams) -> InferTarget:
    name = params.model or catalog.defaults.get(Tensors.model_fields["kind"].default)
    if name is None:
        raise InvalidValue(
            f"the parameter model is missing; models: {', '.join(catalog.served_models)}",
            accepted=list(catalog.served_models),
        )
    version = None if params.version is None else str(params.version)
    target = resolve_target(catalog, name, version)
    if target.graph is None:  # a text model, whose plain name takes texts
        target = resolve_target(catalog, f"{name}.step", version)
    return target.with_precision(params.precision)


@timed("decode")
def _parse_inputs(body: bytes) -> dict[str, object]:
    return parse_json(body, PredictInputs).inputs


@timed("encode")
def _build_response(target: InferTarget, result: InferResult) -> PredictResponse:
    outputs = {name: to_nested(name, tensor) for name, tensor in result.outputs.items()}
    return PredictResponse(outputs=outputs, **{**model_fields(target.model), "model": target.name})
