"""`GET /metrics`."""

from starlette.requests import Request
from starlette.responses import Response

from service.routes.http.direct_route import create_router
from service.routes.http.openapi_fragments import problem_responses
from service.state import get_state

router = create_router(tags=["health"])


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="Get metrics for Prometheus",
    responses={
        200: {
            "description": "Prometheus' text format, or OpenMetrics if `Accept` prefers it",
            "content": {
                "text/plain": {
                    "schema": {"type": "string"},
                    "example": "# TYPE deepshelf_requests_total counter\n"
                    'deepshelf_requests_total{route="/v1/classify",method="POST",status="200"} 7\n',
                }
            },
        },
        **problem_responses(500),
    },
)
async def metrics(request: Request) -> Response:
    """Return the metrics of all workers, whichever of them responds.

    Queue and process values of the other workers are at most a second old. `docs/metrics.md` lists
    the metrics.
    """
    accept = request.headers.get("accept", "")
    text, media_type = await get_state(request).recorder.render(accept)
    return Response(text, headers={"Content-Type": media_type})
