"""Clean onnxruntime's error messages for users."""

import re

_PREFIX = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : ")
_FILE = re.compile(r"/?(?:\S*/)?\w+\.(?:cc|h|cpp|hpp):\d+ ")
_SIGNATURE = re.compile(r"(?:[\w*&]+ )?[\w:<>~]+::[\w~:<>]+\([^()]*\) ?(?:const )?")
_TEMPLATE_ARGUMENTS = re.compile(r"\[with [^\[\]]*\] ?")
_MAX_LENGTH = 400


def clean_message(error: Exception) -> str:
    """Return the message in one line, without source files, C++ signatures and error codes."""
    text = str(error)
    for pattern in (_PREFIX, _TEMPLATE_ARGUMENTS, _FILE, _SIGNATURE):
        text = pattern.sub("", text)
    text = " ".join(text.split()).removesuffix(".")
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 3]}..."
