"""All routers of the application."""

from service.routes.openai import completions
from service.routes.ops import docs, health, metrics, playground
from service.routes.v1 import (
    classify,
    compress,
    denoise,
    faces,
    game,
    handwriting,
    layers,
    models,
    predict,
    text,
)
from service.routes.v2 import infer, repository, server, unsupported
from service.routes.v2 import models as v2_models

ROUTERS = (
    classify.router, denoise.router, compress.router, faces.router, text.router,
    handwriting.router, game.router, predict.router, models.router, layers.router,
    health.router, metrics.router, playground.router, docs.router,
    server.router, v2_models.router, infer.router, repository.router, unsupported.router,
    completions.router,
)  # fmt: skip
"""Routers, in the order in which paths are matched."""
