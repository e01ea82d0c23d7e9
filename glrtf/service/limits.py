"""What keeps a service alive: bounded uploads, bounded work, and headers that browsers heed."""

import asyncio
import contextlib
from collections.abc import Iterator

from starlette.datastructures import FormData, MutableHeaders, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What a form may hold beside its photo: boundaries and part headers.
_FORM_EXTRA = 16_384
# The rest of a refused upload is not waited for.
_CLOSE = {"Connection": "close"}

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class SecurityHeaders:
    """ASGI middleware that adds `SECURITY_HEADERS` to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class Admission:
    """Lets so many requests work at once and turns away the rest.

    Args:
        most: How many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.open = 0

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """A place for the time of the block.

        Raises:
            HTTPException: 503, if all places are taken.
        """
        if self.open >= self._most:
            raise HTTPException(
                503,
                f"busy with {self._most} searches; try again in a second",
                {"Retry-After": "1", **_CLOSE},
            )
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


async def read_upload(request: Request, field: str, max_bytes: int, seconds: float) -> bytes:
    """The bytes of the one file of a form; no more than allowed are ever taken in.

    Args:
        request: A POST of multipart/form-data.
        field: The file's field.
        max_bytes: How long it may be.
        seconds: How long its arrival may take.

    Raises:
        HTTPException: 413, too long, as soon as that is known; 408, too slow; 415, no
            form; 400, a form without that file.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise HTTPException(
            415, f"expected multipart/form-data with a file {field!r}, found another type", _CLOSE
        )
    most = max_bytes + _FORM_EXTRA
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > most:
        raise _too_long(max_bytes)
    try:
        form = await asyncio.wait_for(_read_form(request, most, max_bytes), seconds)
    except asyncio.TimeoutError:
        raise HTTPException(408, f"the upload took more than {seconds:g} seconds", _CLOSE) from None
    try:
        file = form.get(field)
        if not isinstance(file, UploadFile):
            raise HTTPException(400, f"expected a file {field!r} in the form, found none")
        data = await file.read()
    finally:
        await form.close()
    if len(data) > max_bytes:
        raise _too_long(max_bytes)
    return data


async def _read_form(request: Request, most: int, max_bytes: int) -> FormData:
    taken = 0

    async def receive() -> Message:
        nonlocal taken
        message = await request.receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise _too_long(max_bytes)
        return message

    return await Request(request.scope, receive).form(
        max_files=1, max_fields=4, max_part_size=_FORM_EXTRA
    )


def _too_long(max_bytes: int) -> HTTPException:
    return HTTPException(413, f"expected a photo of at most {max_bytes} bytes, found more", _CLOSE)
