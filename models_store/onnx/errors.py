"""What a runtime says of a graph, without what only its own authors need."""

import re

__all__ = ["plainly"]

_LEAD = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : ")
_FILE = re.compile(r"/?(?:\S*/)?\w+\.(?:cc|h|cpp|hpp):\d+ ")
_SIGNATURE = re.compile(r"(?:[\w*&]+ )?[\w:<>~]+::[\w~:<>]+\([^()]*\) ?(?:const )?")
_LONGEST = 400


def plainly(error: Exception) -> str:
    """The message in one line: no file of onnxruntime's sources, no C++ signature, no code."""
    text = str(error)
    for pattern in (_LEAD, _FILE, _SIGNATURE):
        text = pattern.sub("", text)
    text = " ".join(text.split()).removesuffix(".")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
