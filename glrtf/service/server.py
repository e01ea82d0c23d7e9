"""Runs the service until the process is told to stop."""

import logging
import signal
import socket
import sys
from collections.abc import Mapping

import uvicorn

from glrtf.config.service import ServeConfig
from glrtf.service.app import make_app
from glrtf.service.photo_store import PhotoStore
from glrtf.service.searcher import Searcher

_IDLE_SECONDS = 15
_HEADERS_BYTES = 16_384


class _TellingServer(uvicorn.Server):
    """Says where it listens, once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, then prints the address."""
        await super().startup(sockets)
        host, port = sockets[0].getsockname()[:2] if sockets else ("", 0)
        shown = f"[{host}]" if ":" in host else host
        print(f"answering on http://{shown}:{port}/", file=sys.stderr, flush=True)


def serve(
    searcher: Searcher,
    stores: Mapping[str, PhotoStore],
    config: ServeConfig,
    listener: socket.socket,
) -> None:
    """Serves until SIGTERM or SIGINT; open requests are finished, new ones not taken.

    Args:
        searcher: Finds the answers.
        stores: The photos of the splits that can be shown.
        config: The limits.
        listener: A bound socket.

    Raises:
        SystemExit: With code 0, after SIGTERM.
    """
    app = make_app(searcher, stores, config)
    server = _TellingServer(
        uvicorn.Config(
            app,
            log_level=logging.WARNING,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            # Connections, idle ones included; the searches among them have a limit of their own.
            limit_concurrency=4 * config.max_requests + 64,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=config.shutdown_timeout,
            h11_max_incomplete_event_size=_HEADERS_BYTES,
            http="h11",
            ws="none",
        )
    )
    # Having finished, uvicorn sends itself again the signal that stopped it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.run(sockets=[listener])
