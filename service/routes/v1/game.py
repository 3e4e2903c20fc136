"""`/v1/game`: person or network?"""

from collections.abc import Callable
from functools import partial
from multiprocessing import current_process
from pathlib import Path
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from models_store.tasks import FaceGeneration, HandwritingGeneration, Task
from service.errors import NotFound
from service.handlers.game import (
    Round,
    draw_digits,
    list_photographs,
    new_round,
    read_round,
    show_faces,
)
from service.routes.http.direct_route import create_router
from service.routes.http.execution import run_in_pool
from service.routes.http.json_body import json_request_body, read_json_body
from service.routes.http.model_request import resolve_model, start_request
from service.routes.http.openapi_fragments import problem_responses
from service.routes.http.parameters import parse_query, query_parameters
from service.routes.http.queued import queued
from service.routes.http.responses import json_response, model_fields
from service.runtime.loaded_model import LoadedModel
from service.scheduling.admission import Ticket
from service.schemas.base import ModelSelector
from service.schemas.game import GameAnswer, GameChoice, GameName, GameRound, GamesResponse
from service.state import AppState, get_state

router = create_router(prefix="/v1/game", tags=["game"])

TaskT = TypeVar("TaskT", bound=Task)

_MAX_BODY_BYTES = 4096
_ROUND_RESPONSES = {
    200: {"model": GameRound, "description": "Two images in base64, and the round's token"},
    **problem_responses(404, 422, 500, 503, 504),
}


@router.get(
    "",
    operation_id="list_games",
    summary="List the games",
    responses={200: {"model": GamesResponse, "description": "Games that can be played now"}},
)
async def list_games(request: Request) -> Response:
    """List the games for which there is a model and real images."""
    state = get_state(request)
    games: list[GameName] = []
    if _is_ready(state, HandwritingGeneration):
        games.append("digits")
    if _is_ready(state, FaceGeneration) and _photographs(state):
        games.append("faces")
    return json_response(GamesResponse(games=games))


@router.get(
    "/digits",
    operation_id="get_digits_round",
    summary="Start a round: which digit did a person write?",
    responses=_ROUND_RESPONSES,
    openapi_extra={"parameters": query_parameters(ModelSelector)},
)
@queued("images")
async def start_digits_round(request: Request) -> Response:
    """Return two drawings of one digit: one by a person, one by a handwriting model.

        curl http://127.0.0.1:8000/v1/game/digits

    People's digits are from the UCI pen digits by E. Alpaydin and F. Alimoglu (CC BY 4.0).
    """
    arrival_time_s = start_request(get_state(request).pool.admission)
    return await _start_round(request, arrival_time_s, "digits", HandwritingGeneration, draw_digits)


@router.get(
    "/faces",
    operation_id="get_faces_round",
    summary="Start a round: which is the photograph?",
    responses=_ROUND_RESPONSES,
    openapi_extra={"parameters": query_parameters(ModelSelector)},
)
@queued("images")
async def start_faces_round(request: Request) -> Response:
    """Return a photograph that the operator provides, and a face that a model drew.

    404 unless the operator set `DEEPSHELF_REAL_FACES` to a folder of photographs.
    """
    state = get_state(request)
    arrival_time_s = start_request(state.pool.admission)
    photographs = _photographs(state)
    if not photographs:
        raise NotFound(
            "there are no photographs; set DEEPSHELF_REAL_FACES to a folder of photographs"
        )
    show = partial(show_faces, photographs=photographs, max_pixels=state.settings.max_pixels)
    return await _start_round(request, arrival_time_s, "faces", FaceGeneration, show)


@router.post(
    "",
    operation_id="answer_round",
    summary="Answer a round",
    responses={
        200: {"model": GameAnswer, "description": "Whether the choice was right"},
        **problem_responses(400, 413, 415, 422, 500),
    },
    openapi_extra=json_request_body(GameChoice),
)
async def answer_round(request: Request) -> Response:
    """Return which image was the real one. Nothing is stored: a round can be answered again.

    curl -d '{"round": "digits.…", "choice": 0}' http://127.0.0.1:8000/v1/game
    """
    state = get_state(request)
    params = await read_json_body(request, GameChoice, _MAX_BODY_BYTES)
    answer = read_round(params.round, _secret(state)).real
    return json_response(GameAnswer(correct=params.choice == answer, answer=answer))


async def _start_round(
    request: Request,
    arrival_time_s: float,
    game: GameName,
    task: type[TaskT],
    draw: Callable[[LoadedModel[TaskT], Round, Callable[[], None]], tuple[bytes, bytes]],
) -> Response:
    """Respond with the images that `draw` gives for a model, a round and a check."""
    params = parse_query(request, ModelSelector)
    model = resolve_model(request, task, params.model, params.version)
    round_ = new_round(game, _secret(get_state(request)))

    def work(ticket: Ticket) -> Response:
        images = draw(model, round_, ticket.check)
        body = GameRound(round=round_.token, images=list(images), **model_fields(model))
        return json_response(body)

    return await run_in_pool(request, arrival_time_s, work)


def _is_ready(state: AppState, task: type[Task]) -> bool:
    catalog = state.registry.catalog
    return catalog.defaults.get(task.model_fields["kind"].default) in catalog.served_models


def _photographs(state: AppState) -> list[Path]:
    return list_photographs(state.settings.real_faces)


def _secret(state: AppState) -> bytes:
    """Return the operator's secret, else one that all workers inherit from their parent."""
    secret = state.settings.game_secret
    return secret.get_secret_value().encode() if secret else bytes(current_process().authkey)
