"""Answers photos over HTTP: ``glrtf serve --model M --index SET --photos ROOT``."""

import contextlib
import dataclasses
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from glrtf.config.service import ServeConfig
from glrtf.service import required
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.errors import UserError

if TYPE_CHECKING:
    from glrtf.photos.store import Photos


@dataclasses.dataclass(frozen=True)
class ServeResult:
    """A service that was stopped.

    Attributes:
        host: The address it answered on.
        port: Its port, also if the system chose it.
    """

    host: str
    port: int


def serve(config: ServeConfig, *, ends_process: bool = False) -> ServeResult:
    """Answers photos over HTTP until SIGTERM or Ctrl-C; runs in the main thread.

    Args:
        config: The settings.
        ends_process: Whether SIGTERM ends the process at once, after the open requests.

    Raises:
        UserError: If the address is in use, or the model, the index or the photos are not as
            expected.
    """
    config = checked(config, ServeConfig)
    for module in ("fastapi", "python_multipart", "uvicorn"):
        expected.package("glrtf serve", module, "serve")
    # Before anything slow: an address in use is reported at once.
    with _listen(config.host, config.port) as listener:
        if config.photos:
            expected.folder("--photos", config.photos)
        required.require_inputs(config)
        from glrtf.photos.store import open_stores
        from glrtf.service import server
        from glrtf.service.labels import names_of_photos
        from glrtf.service.live_searcher import LiveSearcher
        from glrtf.service.searched import photo_folders
        from glrtf.service.searcher import open_searcher

        def stores_now() -> "dict[str, Photos]":
            folders = photo_folders(config)
            plain = {role: names_of_photos(folder) for role, folder in folders.items()}
            return open_stores(config.photos, f"{config.cache_folder}/source_index", plain)

        stores = stores_now()
        searcher = LiveSearcher(config, lambda: open_searcher(config, config.max_batch))
        searcher.model.warm()
        host, port = listener.getsockname()[:2]
        with searcher.watching(lambda: stores.update(stores_now())):
            server.serve(searcher, stores, config, listener, ends_process=ends_process)
        return ServeResult(host, port)


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket.

    Raises:
        UserError: If the address is in use, does not belong to this machine, or not permitted.
    """
    with contextlib.ExitStack() as opened:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listener = opened.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError as error:
            raise UserError(
                f"--host {host} --port {port}: expected a free address of this machine, found it"
                f" unusable ({error.strerror}); choose another"
            ) from None
        opened.pop_all()
        return listener


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""

    def command(config: ServeConfig) -> None:
        # Without explicit arguments, the process belongs to this command.
        serve(config, ends_process=argv is None)

    return cli.run(ServeConfig, command, argv=argv)
