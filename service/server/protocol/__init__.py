"""What one connection may cost. HTTP is uvicorn's and httptools'; here are the bounds they lack.

Uvicorn closes an idle connection that has had an answer, and no other. So a client could send a
head for ever (nothing counts its bytes or its seconds), open connections and be silent, go on
sending a body after its answer, ask for thousands of things in one packet, or never take what it
asked for.
Between a request's head and its answer, the route's own deadline holds.

A request that comes when everything is full is refused here, before the application is troubled.
"""

from service.server.protocol.http_protocol import (
    LimitedHttpProtocol,
    OnConnectionDropped,
    protocol_factory,
)
from service.server.protocol.limits import ConnectionLimits

__all__ = ["ConnectionLimits", "LimitedHttpProtocol", "OnConnectionDropped", "protocol_factory"]
