"""Compressed pictures as they come from clients: a code, or an error that says what is wrong.

The container format belongs to the contract (`models_store.compression.container`): training
measures it, and codes can be read without this service.
"""

from models_store.compression.container import (
    Code,
    DamagedCode,
    ForeignCode,
    NewerCode,
    TruncatedCode,
    unpack,
)
from service.codecs.formats import FORMATS
from service.codecs.image_headers import describe
from service.errors import Invalid, Unsupported
from service.observability.timing import timed

__all__ = ["CODE_TYPE", "damaged", "read_code"]

CODE_TYPE = "application/vnd.deepshelf.code"


@timed("decode")
def read_code(data: bytes) -> Code:
    """The container's fields; nothing is decoded yet.

    `reason` in an error's document is one of foreign, newer, truncated and damaged.

    Raises:
        Unsupported: something else, or of a format that is not known here yet.
        Invalid: a part of it is missing, or is not as it was written.
    """
    try:
        return unpack(data)
    except ForeignCode as error:
        raise Unsupported(
            f"this is no code of ours: {error}; came: {_kind(data)}, {len(data)} bytes; accepted "
            "is what /v1/compress answers",
            reason="foreign",
        ) from error
    except NewerCode as error:
        raise Unsupported(
            f"the code comes from a newer deepshelf: {error}", reason="newer"
        ) from error
    except TruncatedCode as error:
        raise Invalid(f"the code is truncated: {error}", reason="truncated") from error
    except DamagedCode as error:
        raise damaged(str(error)) from error


def damaged(why: str) -> Invalid:
    """What a code that is not as it was written is answered with."""
    return Invalid(f"the code is damaged: {why}", reason="damaged")


def _kind(data: bytes) -> str:
    picture = next((known.name for known in FORMATS if known.signature.match(data)), None)
    return f"a {picture} picture" if picture else describe(data)
