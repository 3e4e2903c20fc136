"""Extensions of the protocol that are not supported: errors name the alternative."""

from starlette.requests import Request

from service.errors import NotFound
from service.routes.http.direct_route import create_router

router = create_router(prefix="/v2", include_in_schema=False)

_METHODS = ["GET", "POST"]
_ALTERNATIVES = {
    "systemsharedmemory": "system shared memory; send tensors as bytes after the JSON",
    "cudasharedmemory": "CUDA shared memory; send tensors as bytes after the JSON",
    "trace": "trace settings",
    "logging": "log settings; DEEPSHELF_LOG_LEVEL sets the level",
    "generate": "generate; /v1/text and /openai/v1/completions generate and stream texts",
}


@router.api_route("/systemsharedmemory/{rest:path}", methods=_METHODS)
@router.api_route("/cudasharedmemory/{rest:path}", methods=_METHODS)
@router.api_route("/trace/{rest:path}", methods=_METHODS)
@router.api_route("/logging", methods=_METHODS)
@router.api_route("/models/{model}/trace/setting", methods=_METHODS)
@router.api_route("/models/{model}/generate", methods=_METHODS)
@router.api_route("/models/{model}/generate_stream", methods=_METHODS)
@router.api_route("/models/{model}/versions/{version}/generate", methods=_METHODS)
@router.api_route("/models/{model}/versions/{version}/generate_stream", methods=_METHODS)
async def unsupported(request: Request) -> None:
    """Raise NotFound, which names the extension and an alternative."""
    # Without model names, which could contain an extension's.
    template: str = request.scope["route"].path
    for extension, alternative in _ALTERNATIVES.items():
        if extension in template:
            raise NotFound(f"this server has no extension for {alternative}")
    raise NotFound("this server has no such extension")
