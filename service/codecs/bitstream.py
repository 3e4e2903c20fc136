"""Read the container of a compressed image, or say what is wrong with it.

The container format belongs to the contract (`models_store.compression.container`): training
measures it, and codes can be read without this service.
"""

from models_store.compression.container import (
    CompressedImage,
    CorruptedError,
    TruncatedError,
    UnknownFormatError,
    UnsupportedVersionError,
    unpack,
)
from service.codecs.formats import FORMATS
from service.codecs.image_headers import sniff_kind
from service.errors import InvalidValue, UnsupportedMediaType
from service.observability.timing import timed

CODE_MEDIA_TYPE = "application/vnd.deepshelf.code"


@timed("decode")
def unpack_code(data: bytes) -> CompressedImage:
    """Return the container's fields; nothing is decoded yet.

    `reason` in an error's document is one of foreign, newer, truncated and damaged.

    Raises:
        UnsupportedMediaType: the data is something else, or of a newer format.
        InvalidValue: the code is truncated or damaged.
    """
    try:
        return unpack(data)
    except UnknownFormatError as error:
        raise UnsupportedMediaType(
            f"not a code of this service: {error}; received: {_describe_content(data)}, "
            f"{len(data)} bytes; send what /v1/compress returns",
            reason="foreign",
        ) from error
    except UnsupportedVersionError as error:
        detail = f"the code comes from a newer deepshelf: {error}"
        raise UnsupportedMediaType(detail, reason="newer") from error
    except TruncatedError as error:
        raise InvalidValue(f"the code is truncated: {error}", reason="truncated") from error
    except CorruptedError as error:
        raise corrupted_code_error(str(error)) from error


def corrupted_code_error(reason: str) -> InvalidValue:
    """Return the error for a damaged code."""
    return InvalidValue(f"the code is damaged: {reason}", reason="damaged")


def _describe_content(data: bytes) -> str:
    format_name = next((format_.name for format_ in FORMATS if format_.signature.match(data)), None)
    return f"a {format_name} image" if format_name else sniff_kind(data)
