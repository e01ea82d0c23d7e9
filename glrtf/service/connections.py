"""Connections with limits: idle ones are closed to make room for others.

uvicorn starts a timer only after a response. A connection that never sends a request, sends its
headers byte by byte or does not read the response would stay open forever and count against the
limit.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

IDLE_SECONDS = 15.0
"""Time from a connection's start, or its last response, to the complete headers of a request."""
UNREAD_SECONDS = 30.0
"""How long a response may wait for a client to continue reading."""
_CLOSING_SECONDS = 0.5


class BoundedConnection(H11Protocol):
    """uvicorn's protocol with limits for idle and slow clients.

    If there are as many connections as `limit_concurrency` allows, the one that has been idle
    longest is closed for the new one.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._idle_since = self.loop.time()
        self._unread: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether a connection has no open request."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Makes room if all connections are taken, and limits the wait for a request."""
        super().connection_made(transport)
        if self.limit_concurrency and len(self.connections) >= self.limit_concurrency:
            others = [
                each
                for each in self.connections
                if isinstance(each, BoundedConnection) and each is not self and each.is_idle
            ]
            if others:
                longest = min(others, key=lambda each: each._idle_since)
                longest.transport.abort()
                # Its end is reported later; until then it must not be chosen again.
                self.connections.discard(longest)
        self._wait_for_request()

    def on_response_complete(self) -> None:
        """Limits the wait for the next request."""
        self._wait_for_request()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Closes the connection if the client does not resume reading."""
        super().pause_writing()
        self._forget_unread()
        self._unread = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has resumed reading."""
        super().resume_writing()
        self._forget_unread()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancels the timers."""
        self._forget_unread()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Closes without waiting for a client that does not read and has no open request."""
        idle = self.is_idle
        super().shutdown()
        if idle:
            self.loop.call_later(_CLOSING_SECONDS, self.transport.abort)

    def _wait_for_request(self) -> None:
        self._idle_since = since = self.loop.time()

        def end() -> None:
            if self.is_idle and self._idle_since == since:
                self.transport.abort()

        self.loop.call_later(IDLE_SECONDS, end)

    def _forget_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
