"""OpenAPI descriptions of this protocol's parameters."""

TAG = "open inference protocol"
MAX_PATH_CHARS = {"model": 96, "version": 20}

MODEL = {
    "name": "model",
    "in": "path",
    "required": True,
    "description": "As the index lists it: a published name, or `name.role` for one of its graphs",
    "schema": {
        "type": "string",
        "maxLength": MAX_PATH_CHARS["model"],
        "examples": ["resnet-cifar10"],
    },
}
VERSION = {
    "name": "version",
    "in": "path",
    "required": True,
    "description": "A version that is ready",
    "schema": {"type": "string", "maxLength": MAX_PATH_CHARS["version"], "examples": ["1"]},
}
