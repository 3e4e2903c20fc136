"""Routers of standard protocols, beside our own `/v1`."""

from service.routes.openai import completions
from service.routes.v2 import infer, models, repository, server, unsupported

PROTOCOL_ROUTERS = (
    server.router,
    models.router,
    infer.router,
    repository.router,
    unsupported.router,
    completions.router,
)
"""Routers, in the order in which paths are matched."""
