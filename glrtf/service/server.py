"""Runs the service until the process receives a signal to stop."""

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
    """Prints its address once it listens."""

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
    """Serves until SIGTERM or SIGINT; open requests are finished, new ones refused.

    Args:
        searcher: Finds the answers.
        stores: The photos of the splits that can be shown.
        config: The limits.
        listener: A bound socket.
        ends_process: Whether SIGTERM ends the process at once instead of returning: destroying
            TensorFlow's graphs can take ten seconds.

    """
    app = make_app(searcher, stores, config)
    server = _TellingServer(
        uvicorn.Config(
            app,
            log_level=logging.ERROR,  # A line for each refused connection would fill the log.
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
    # When it has finished, uvicorn raises the signal that stopped it again.
    before = signal.signal(signal.SIGTERM, lambda *_: _exit() if ends_process else _stop())
    try:
        server.run(sockets=[listener])
    except _Stopped:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


class _Stopped(BaseException):
    """SIGTERM was received; code between the handler and `serve` must not catch it."""


def _stop() -> NoReturn:
    raise _Stopped


def _exit() -> None:
    """Ends the process at once.

    Nothing is left to do: requests are answered, decoders ended, and files complete or absent.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
