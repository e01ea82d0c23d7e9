"""Protects the service: limits on uploads and on concurrent work, and security headers."""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

from starlette.datastructures import FormData, Headers, MutableHeaders, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ResultT = TypeVar("ResultT")

# Bytes of a form besides its photos: boundaries and part headers.
_FORM_EXTRA = 16_384
# The service does not wait for the rest of a refused upload.
_CLOSE = {"Connection": "close"}
# An upload younger than this many seconds keeps its place, even if it is slow.
_GRACE = 1.0

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


class SameSite:
    """ASGI middleware that refuses requests made by pages of other sites.

    Browsers state the origin of a request in ``Sec-Fetch-Site``, older ones in ``Origin`` with
    every POST. Programs other than browsers send neither.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        app = self._app
        changes = scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS")
        if changes and not _is_own(Headers(scope=scope)):
            message = "expected a request of this server's own page, found one of another site"
            app = JSONResponse({"error": message}, 403, _CLOSE)
        await app(scope, receive, send)


def _is_own(headers: Headers) -> bool:
    if site := headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    # The scheme is not compared, because a proxy in front may terminate TLS.
    return origin is None or urlsplit(origin).netloc == headers.get("host")


class Place:
    """A search in progress.

    Attributes:
        uploading: Whether its upload is still arriving.
        taken: The number of bytes that have arrived.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        self._given_up: asyncio.Future[None] = loop.create_future()
        self.uploading = True
        self.taken = 0

    @property
    def age(self) -> float:
        """Seconds since the search was admitted."""
        return asyncio.get_running_loop().time() - self._began

    @property
    def speed(self) -> float:
        """The rate of the upload so far, in bytes per second."""
        return self.taken / max(self.age, 1e-9)

    def give_up(self) -> None:
        """Ends the upload, so that another search can take the place."""
        self.uploading = False
        if not self._given_up.done():
            self._given_up.set_result(None)

    async def receive(self, message: Coroutine[Any, Any, Message], seconds: float) -> Message:
        """Waits for the next part of the upload.

        Args:
            message: The next message.
            seconds: How long the whole upload may take.

        Raises:
            HTTPException: 408, if the upload is too slow, or others need the place.
        """
        task = asyncio.ensure_future(message)
        try:
            await asyncio.wait(
                {task, self._given_up},
                timeout=max(0.0, seconds - self.age),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if self._given_up.done():
                raise HTTPException(408, "the upload was too slow while others waited", _CLOSE)
            if not task.done():
                raise HTTPException(408, f"the upload took more than {seconds:g} seconds", _CLOSE)
            received = task.result()
        finally:
            task.cancel()
        self.taken += len(received.get("body", b""))
        return received


class Admission:
    """Admits a limited number of searches at a time and refuses the rest.

    If all places are taken, a new search gets the place of the slowest upload that is still
    arriving. So clients that send slowly cannot occupy all places.

    Args:
        most: The number of places.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._places: set[Place] = set()

    @property
    def open(self) -> int:
        """The number of searches in progress."""
        return len(self._places)

    @contextlib.contextmanager
    def one(self) -> Iterator[Place]:
        """Holds a place inside the block.

        Raises:
            HTTPException: 503, if all places are taken.
        """
        if self.open >= self._most and not self._free_one():
            raise HTTPException(
                503,
                f"busy with {self._most} searches; try again in a second",
                {"Retry-After": "1", **_CLOSE},
            )
        place = Place()
        self._places.add(place)
        try:
            yield place
        finally:
            self._places.discard(place)

    def _free_one(self) -> bool:
        slow = [each for each in self._places if each.uploading and each.age >= _GRACE]
        if not slow:
            return False
        slowest = min(slow, key=lambda each: each.speed)
        slowest.give_up()
        self._places.discard(slowest)
        return True


async def read_upload(
    request: Request, field: str, max_bytes: int, seconds: float, place: Place, most: int = 1
) -> list[bytes]:
    """The contents of the files of a form; never reads more bytes than allowed.

    Args:
        request: A POST of multipart/form-data.
        field: The name of the files' field.
        max_bytes: The largest total size of the files.
        seconds: How long the upload may take.
        place: The search that the files belong to.
        most: The largest number of files.

    Raises:
        HTTPException: 413 as soon as the files are known to be too large, 408 if the upload is too
            slow, 415 if the body is not a form, 400 if the form has no such file or too many.
        ClientDisconnect: If the client disconnects.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise HTTPException(
            415, f"expected multipart/form-data with a file {field!r}, found another type", _CLOSE
        )
    most_bytes = max_bytes + _FORM_EXTRA * most
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > most_bytes:
        raise _too_long(max_bytes)

    async def receive() -> Message:
        message = await place.receive(request.receive(), seconds)
        if place.taken > most_bytes:
            raise _too_long(max_bytes)
        return message

    form = await _read_form(Request(request.scope, receive), most)
    place.uploading = False
    try:
        found = [file for file in form.getlist(field) if isinstance(file, UploadFile)]
        if not found:
            raise HTTPException(400, f"expected a file {field!r} in the form, found none")
        data = [await file.read() for file in found]
    finally:
        await form.close()
    if sum(map(len, data)) > max_bytes:
        raise _too_long(max_bytes)
    return data


async def _read_form(request: Request, most: int) -> FormData:
    return await request.form(max_files=most, max_fields=4, max_part_size=_FORM_EXTRA)


def _too_long(max_bytes: int) -> HTTPException:
    return HTTPException(413, f"expected a photo of at most {max_bytes} bytes, found more", _CLOSE)
