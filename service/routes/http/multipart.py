"""A form of pictures and short fields (RFC 7578), parsed while it arrives."""

from collections.abc import Collection
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import BadRequest, ContentTooLarge, InvalidValue

__all__ = ["Form", "FormParser", "FormSpec"]

_MAX_FIELD_BYTES = 4096
_MAX_HEADER_BYTES = 8192
_MAX_FIELDS = 64


@dataclass(frozen=True)
class FormSpec:
    """The names that a form may hold."""

    files: Collection[str]
    fields: Collection[str]
    max_files: int
    """Files of one name."""
    required_file: str = "image"
    """The file that there must be."""
    file_kind: str = "picture"
    """What that file holds."""
    example: str = "cat.jpg"


@dataclass
class Form:
    """What came: files by name in their order, and short fields as text."""

    files: dict[str, list[bytes]] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)


class FormParser:
    """Feed it with `write`, then `finish`. It keeps what it is fed: the caller bounds that."""

    def __init__(self, boundary: bytes, spec: FormSpec) -> None:
        """`boundary` is the parameter of the content type.

        Raises:
            BadRequest: it is none.
        """
        self._spec = spec
        self._form = Form()
        self._is_complete = False
        self._headers: dict[bytes, bytes] = {}
        self._header_name = b""
        self._header_bytes = 0
        self._name = ""
        self._has_filename = False
        self._chunks: list[bytes] = []
        self._size = 0
        if not boundary:
            raise BadRequest("the content type multipart/form-data names no boundary")
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise BadRequest("the form's boundary is too long") from error

    def write(self, chunk: bytes) -> None:
        """Parse a piece of the body.

        Raises:
            BadRequest: it is no form. Invalid: a name means nothing here, or a field is too long.
            TooLarge: too many files.
        """
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise BadRequest(
                f"the body is not the multipart form that it says it is: {error}"
            ) from error

    def finish(self) -> Form:
        """All that came.

        Raises:
            BadRequest: the form was cut off.
        """
        if not self._is_complete:
            raise BadRequest("the form ends before its closing boundary")
        return self._form

    def _on_part_begin(self) -> None:
        self._headers = {}
        self._header_name, self._header_bytes = b"", 0
        self._chunks, self._size = [], 0

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        name = self._header_name.lower()
        self._headers[name] = self._headers.get(name, b"") + data[start:end]

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > _MAX_HEADER_BYTES:
            raise BadRequest(f"a part of the form has over {_MAX_HEADER_BYTES} bytes of headers")

    def _on_header_end(self) -> None:
        self._header_name = b""

    def _on_headers_finished(self) -> None:
        _, parameters = parse_options_header(self._headers.get(b"content-disposition"))
        if b"name" not in parameters:
            raise BadRequest("a part of the form has no name in its Content-Disposition")
        self._name = parameters[b"name"].decode("utf-8", "replace")
        self._has_filename = b"filename" in parameters
        self._check_name()

    def _check_name(self) -> None:
        spec = self._spec
        if self._name in spec.files:
            if len(self._form.files.get(self._name, ())) >= spec.max_files:
                raise ContentTooLarge(
                    f"over {spec.max_files} {spec.file_kind}s came; accepted are {spec.max_files}",
                    limit=spec.max_files,
                )
        elif self._name not in spec.fields:
            names = [*spec.files, *spec.fields]
            raise InvalidValue(
                f"the form has a field {self._name[:64]!r}; accepted are {', '.join(names)}"
                + (
                    ""
                    if spec.required_file in self._form.files
                    else f"; needed is {spec.required_file}"
                ),
                accepted=names,
            )

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._name in self._spec.fields and self._size > _MAX_FIELD_BYTES:
            raise InvalidValue(f"the field {self._name} has over {_MAX_FIELD_BYTES} bytes")
        self._chunks.append(data[start:end])

    def _on_part_end(self) -> None:
        value = b"".join(self._chunks)
        self._chunks = []
        if self._name in self._spec.files:
            if not value or (not self._has_filename and self._size <= _MAX_FIELD_BYTES):
                self._check_file(value)
            self._form.files.setdefault(self._name, []).append(value)
        else:
            self._add_field(value)

    def _check_file(self, value: bytes) -> None:
        noun = self._spec.file_kind
        if not value:
            raise InvalidValue(f"the field {self._name} is empty; accepted is a {noun} file")
        # `curl -F image=cat.jpg`, without the @, sends the file's name. No picture is plain ASCII,
        # and no code.
        if value.isascii() and value.decode("ascii").isprintable():
            raise InvalidValue(
                f"the field {self._name} holds text, not a {noun}; "
                f"with curl, an @ sends the file: -F {self._name}=@{self._spec.example}"
            )

    def _add_field(self, value: bytes) -> None:
        if self._name in self._form.fields:
            raise InvalidValue(f"the field {self._name} came twice; accepted is once")
        self._form.fields[self._name] = value.decode("utf-8", "replace")

    def _on_end(self) -> None:
        self._is_complete = True
