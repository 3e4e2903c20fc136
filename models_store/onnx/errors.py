"""What a runtime says of a graph, without what only its own authors need."""

import re

__all__ = ["clean_message"]

_PREFIX = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : ")
_FILE = re.compile(r"/?(?:\S*/)?\w+\.(?:cc|h|cpp|hpp):\d+ ")
_SIGNATURE = re.compile(r"(?:[\w*&]+ )?[\w:<>~]+::[\w~:<>]+\([^()]*\) ?(?:const )?")
_MAX_LENGTH = 400


def clean_message(error: Exception) -> str:
    """The message in one line: no file of onnxruntime's sources, no C++ signature, no code."""
    text = str(error)
    for pattern in (_PREFIX, _FILE, _SIGNATURE):
        text = pattern.sub("", text)
    text = " ".join(text.split()).removesuffix(".")
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 3]}..."
