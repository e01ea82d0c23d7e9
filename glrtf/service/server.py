"""Runs the service until a signal stops the process."""

import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping
from typing import NoReturn

import uvicorn

from glrtf.config.service import ServeConfig
from glrtf.photos.store import Photos
from glrtf.service.app import make_app
from glrtf.service.connections import IDLE_SECONDS, BoundedConnection
from glrtf.service.live_searcher import LiveSearcher
from glrtf.service.searcher import Searcher

_HEADERS_BYTES = 16_384


class _TellingServer(uvicorn.Server):
    """A uvicorn server that prints its address once it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, then prints the address."""
        await super().startup(sockets)
        host, port = sockets[0].getsockname()[:2] if sockets else ("", 0)
        shown = f"[{host}]" if ":" in host else host
        print(f"answering on http://{shown}:{port}/", file=sys.stderr, flush=True)


def serve(
    searcher: Searcher | LiveSearcher,
    stores: Mapping[str, Photos],
    config: ServeConfig,
    listener: socket.socket,
    *,
    ends_process: bool = False,
) -> None:
    """Serves until SIGTERM or SIGINT; then finishes open requests and refuses new ones.

    Args:
        searcher: Finds the answers.
        stores: The photos of the splits that can be shown.
        config: The limits.
        listener: A bound socket.
        ends_process: Whether SIGTERM ends the process immediately instead of returning, because
            destroying TensorFlow's graphs can take ten seconds.

    """
    app = make_app(searcher, stores, config)
    server = _TellingServer(
        uvicorn.Config(
            app,
            log_level=logging.ERROR,  # A line for every refused connection would fill the log.
            access_log=False,
            server_header=False,
            proxy_headers=False,
            # Connections, including idle ones; searches have a separate limit.
            limit_concurrency=4 * config.max_requests + 64,
            timeout_keep_alive=int(IDLE_SECONDS),
            timeout_graceful_shutdown=config.shutdown_timeout,
            h11_max_incomplete_event_size=_HEADERS_BYTES,
            http=BoundedConnection,
            ws="none",
        )
    )
    # After its shutdown, uvicorn raises the signal that stopped it again.
    before = signal.signal(signal.SIGTERM, lambda *_: _exit() if ends_process else _stop())
    try:
        server.run(sockets=[listener])
    except _Stopped:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


class _Stopped(BaseException):
    """SIGTERM was received; nothing between the handler and `serve` may catch it."""


def _stop() -> NoReturn:
    raise _Stopped


def _exit() -> None:
    """Ends the process immediately.

    Nothing is left to do: all requests are answered, decoders have ended, and files are complete.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
