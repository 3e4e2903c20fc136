"""Responses: parsed bodies, problem documents as exceptions, and chunks of a stream."""

import json
from collections.abc import Mapping
from typing import Any

import httpx

from service.schemas.text import TextChunk


class ApiError(Exception):
    """The service responded with a problem document (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status}: {problem.get('detail', 'no details')}")
        self.status = status
        self.problem = problem
        """The whole document: `type`, `title`, `detail`, `request_id` …"""


def raise_for_problem(response: httpx.Response) -> bytes:
    """Return the body, which has been read. Raises ApiError: the status is no success."""
    if response.is_success:
        return response.content
    try:
        problem = response.json()
    except ValueError:  # sent by an intermediary, such as a proxy
        problem = {"detail": response.text[:200]}
    raise ApiError(response.status_code, problem)


class TextEventParser:
    """Yield the text chunks in lines of server-sent events."""

    def __init__(self) -> None:
        self._failed = False

    def parse_line(self, line: str) -> str:
        """Return the text in a line of the stream; raise ApiError if it reports a failure."""
        self._failed = self._failed or line == "event: error"
        data = line.removeprefix("data: ")
        if data == line or data == "[DONE]":
            return ""
        if self._failed:
            problem = json.loads(data)
            raise ApiError(problem.get("status", 500), problem)
        return TextChunk.model_validate_json(data).text
