"""Limits of a single connection. Uvicorn and httptools implement HTTP; this adds what they lack.

Uvicorn closes idle connections only after their first response. A client could send headers
endlessly, open connections and stay silent, go on sending a body after its response, pipeline
thousands of requests in one packet, or never read its response. Between the headers of a request
and its response, the deadline of the route applies.

A request for a full queue is rejected here, before it reaches the application.
"""

from service.server.protocol.http_protocol import LimitedHttpProtocol, OnConnectionDropped
from service.server.protocol.limits import ConnectionLimits
from service.server.protocol.upgrade import protocol_factory

__all__ = ["ConnectionLimits", "LimitedHttpProtocol", "OnConnectionDropped", "protocol_factory"]
