"""Forms of files and short fields (RFC 7578), read by starlette's parser as they arrive."""

import sys
from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass, field

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from models_store.validation_messages import suggest
from service.errors import BadRequest, ContentTooLarge, InvalidValue

_MAX_FIELD_CHARS = 4096
_MAX_CONTENT_TYPE_CHARS = 1024


@dataclass(frozen=True)
class FormSpec:
    """The names that a form may hold."""

    files: Collection[str]
    fields: Collection[str]
    max_files: int
    """Files with the same name."""
    file_kind: str = "an image"
    """Kind of the files, for error messages."""
    example: str = "cat.jpg"


@dataclass
class Form:
    """Files by name, in the order sent, and short fields as text."""

    files: dict[str, list[bytes]] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)


class _FormParser(MultiPartParser):
    # The body limit bounds memory, so no file goes to the disk.
    spool_max_size = sys.maxsize

    def __init__(self, headers: Headers, chunks: AsyncGenerator[bytes, None]) -> None:
        super().__init__(headers, self._require_end(chunks), max_part_size=sys.maxsize)
        self._is_complete = False

    def on_end(self) -> None:
        self._is_complete = True

    async def _require_end(
        self, chunks: AsyncGenerator[bytes, None]
    ) -> AsyncGenerator[bytes, None]:
        async for chunk in chunks:
            yield chunk
        if not self._is_complete:
            raise MultiPartException("its closing boundary is missing")


async def parse_form(headers: Headers, chunks: AsyncGenerator[bytes, None], spec: FormSpec) -> Form:
    """Parse the body `chunks`, which the caller bounds.

    Raises:
        BadRequest: the body is not a complete form.
        InvalidValue: a name is unknown, a field is too long or repeated, or a file is empty.
        ContentTooLarge: there are too many files.
    """
    if len(headers["content-type"]) > _MAX_CONTENT_TYPE_CHARS:
        raise BadRequest(
            f"the content type has over {_MAX_CONTENT_TYPE_CHARS} characters; a form needs only a "
            "boundary"
        )
    try:
        data = await _FormParser(headers, chunks).parse()
    except MultiPartException as error:
        raise BadRequest(f"the body is not a valid multipart form: {error.message}") from error
    try:
        return await _collect(data, spec)
    finally:
        await data.close()


async def _collect(data: FormData, spec: FormSpec) -> Form:
    form = Form()
    for name, value in data.multi_items():
        if name in spec.files:
            content = await _read_file(name, value, spec)
            if content is not None:
                form.files.setdefault(name, []).append(content)
        elif name not in spec.fields:
            accepted = [*spec.files, *spec.fields]
            raise InvalidValue(
                f"unknown field {name[:64]!r}; {suggest(name, accepted)}", accepted=accepted
            )
        else:
            _add_field(form, name, await _read_text(value))
    for name, files in form.files.items():
        if len(files) > spec.max_files:
            raise ContentTooLarge(
                f"the form has {len(files)} files {name}; the limit is {spec.max_files}",
                limit=spec.max_files,
            )
    return form


async def _read_file(name: str, value: UploadFile | str, spec: FormSpec) -> bytes | None:
    """Return the content, or None if the field is empty and no file was chosen for it."""
    filename = value.filename if isinstance(value, UploadFile) else None
    if isinstance(value, UploadFile):
        content = await value.read()
    else:
        # Without a file name starlette decodes: as UTF-8 where that is possible, which no image
        # is, else as Latin-1.
        content = value.encode("latin-1", "replace")
    if not content and not filename:
        return None
    if not content:
        raise InvalidValue(f"the field {name} is empty; expected {spec.file_kind}")
    if isinstance(value, str) and value.isascii() and value.isprintable():
        # `curl -F image=cat.jpg`, without the @, sends the file's name.
        raise InvalidValue(
            f"the field {name} holds text, not {spec.file_kind}; "
            f"with curl, an @ sends the file: -F {name}=@{spec.example}"
        )
    return content


async def _read_text(value: UploadFile | str) -> str:
    return value if isinstance(value, str) else (await value.read()).decode("utf-8", "replace")


def _add_field(form: Form, name: str, value: str) -> None:
    """Add the field unless it is empty, which means the same as leaving it out."""
    if not value:
        return
    if len(value) > _MAX_FIELD_CHARS:
        raise InvalidValue(
            f"the field {name} has {len(value)} characters; the limit is {_MAX_FIELD_CHARS}"
        )
    if name in form.fields:
        raise InvalidValue(f"the field {name} is in the form twice; send it once")
    form.fields[name] = value
