"""The HTTP service: one search, its page, the photos it shows, and its state."""

import asyncio
import contextlib
import functools
import importlib.resources
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect

from glrtf.config.service import MOST_ANSWERS, ServeConfig
from glrtf.photos.store import Photos
from glrtf.service.answers import WEAK, Answer
from glrtf.service.batching import Batcher
from glrtf.service.counters import Counters
from glrtf.service.decoder_pool import DecoderPool, DecoderTimeoutError
from glrtf.service.limits import Admission, Place, SameSite, SecurityHeaders, read_upload
from glrtf.service.live_searcher import LiveSearcher
from glrtf.service.photo_input import PhotoReader, Prepared, RefusedPhotoError
from glrtf.service.searcher import Searcher

ResultT = TypeVar("ResultT")

FIELD = "photo"
_SIDES = (160, 320, 640)
_PAGE_FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
# A photo's id is its content's name: what is under it does not change.
_KEEP = {"Cache-Control": "private, max-age=86400"}


class Service:
    """What the routes share.

    Args:
        searcher: Finds the answers.
        stores: The photos of the splits that can be shown.
        config: The limits.
    """

    def __init__(
        self, searcher: Searcher | LiveSearcher, stores: Mapping[str, Photos], config: ServeConfig
    ) -> None:
        self._searcher, self._stores, self._config = searcher, stores, config
        self._decoders = DecoderPool(config.decode_threads, config.decode_seconds)
        self._read = PhotoReader(searcher.model.specs, config.max_pixels, self._decoders)
        self._threads = ThreadPoolExecutor(config.decode_threads, "photos")
        self._reading = 0
        self._batcher: Batcher[Prepared, Answer] = Batcher(
            searcher.search,
            config.max_batch,
            config.batch_wait_ms / 1000,
            expected=lambda: self._reading > 0,
        )
        self._admission = Admission(config.max_requests)
        self._counters = Counters()

    @contextlib.asynccontextmanager
    async def running(self, _: FastAPI) -> AsyncIterator[None]:
        """Answers for as long as the block lasts."""
        self._batcher.start()
        try:
            yield
        finally:
            await self._batcher.stop()
            self._threads.shutdown()
            self._decoders.close()

    async def search(
        self, request: Request, limit: Annotated[int, Query(ge=1, le=MOST_ANSWERS)] = 20
    ) -> Response:
        """Which landmarks the photo of a form shows, and which index photos show it too."""
        began = time.monotonic()
        try:
            with self._admission.one() as place:
                answer = await self._answer(request, place)
        except ClientDisconnect:
            # Nobody is left to read this.
            self._counters.aborted()
            return Response(status_code=400)
        except HTTPException as refused:
            self._counters.refused(refused.status_code)
            raise
        except Exception:
            self._counters.refused(500)
            raise
        self._counters.answered(time.monotonic() - began)
        return JSONResponse(answer.head(limit).as_json())

    async def photo(self, split: str, image_id: str, side: int = 0) -> Response:
        """A photo of the index or train set; with `side` a small one."""
        place = self._stores[split].place(image_id) if split in self._stores else None
        if place is None:
            raise HTTPException(404, "no such photo")
        if side not in (0, *_SIDES):
            raise HTTPException(400, f"side: expected one of {', '.join(map(str, _SIDES))}")
        data = await self._in_thread(place.read)
        if side:
            try:
                data = await self._in_thread(
                    self._decoders.thumbnail, data, side, self._config.answer_timeout
                )
            except (RefusedPhotoError, DecoderTimeoutError):
                raise HTTPException(404, "the photo cannot be shown") from None
        return Response(data, media_type="image/jpeg", headers=_KEEP)

    async def health(self) -> dict[str, Any]:
        """The service's health, its sets and its counters."""
        train, calibration = self._searcher.train, self._searcher.calibration
        return {
            "status": "ok",
            "index_photos": len(self._searcher.index.ids),
            "index_version": self._searcher.version,
            "train_photos": len(train.ids) if train else 0,
            "shown": sorted(self._stores),
            "model_digest": self._searcher.model.digest,
            "max_upload": self._config.max_upload,
            "calibration": calibration.source if calibration.is_known else "",
            "weak": WEAK,
            "open_searches": self._admission.open,
            "batches": self._batcher.batches,
            "batched_photos": self._batcher.items,
            "decoders_replaced": self._decoders.replaced,
            "model_traces": self._searcher.model.num_traces,
            **self._counters.as_json(),
        }

    async def _answer(self, request: Request, place: Place) -> Answer:
        config = self._config
        try:
            self._reading += 1
            try:
                data = await read_upload(
                    request, FIELD, config.max_upload, config.upload_timeout, place
                )
                until = time.monotonic() + config.answer_timeout
                pixels = await asyncio.wait_for(
                    self._in_thread(self._read_until, data, until), config.answer_timeout
                )
            finally:
                self._reading -= 1
            return await asyncio.wait_for(self._batcher.submit(pixels), config.answer_timeout)
        except RefusedPhotoError as refused:
            not_an_image = str(refused) in ("not an image", "empty")
            message = f"expected a photo, found an unusable file: {refused}"
            raise HTTPException(415 if not_an_image else 422, message) from None
        except (asyncio.TimeoutError, DecoderTimeoutError):
            message = f"no answer within {config.answer_timeout:g} seconds; try again later"
            raise HTTPException(503, message, {"Retry-After": "5"}) from None

    def _read_until(self, data: bytes, until: float) -> Prepared:
        return self._read(data, until - time.monotonic())

    async def _in_thread(self, function: Callable[..., ResultT], *arguments: Any) -> ResultT:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, functools.partial(function, *arguments))


def make_app(
    searcher: Searcher | LiveSearcher, stores: Mapping[str, Photos], config: ServeConfig
) -> FastAPI:
    """The ASGI application.

    Args:
        searcher: Finds the answers.
        stores: The photos of the splits that can be shown.
        config: The limits.
    """
    service = Service(searcher, stores, config)
    app = FastAPI(
        title="glrtf", docs_url=None, redoc_url=None, openapi_url=None, lifespan=service.running
    )
    app.add_api_route("/search", service.search, methods=["POST"])
    app.add_api_route("/photos/{split}/{image_id:path}", service.photo, response_class=Response)
    app.add_api_route("/healthz", service.health)
    for path, (name, media_type) in _PAGE_FILES.items():
        app.add_api_route(path, _page_file(name, media_type), response_class=Response)
    app.add_exception_handler(HTTPException, _error_response)
    app.add_exception_handler(RequestValidationError, _told_invalid)
    app.add_exception_handler(Exception, _told_failure)
    app.add_middleware(SameSite)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=config.hosts, www_redirect=False)
    app.add_middleware(SecurityHeaders)
    return app


def _page_file(name: str, media_type: str) -> Callable[[], Any]:
    content = (importlib.resources.files("glrtf.service") / "html" / name).read_bytes()

    async def page_file() -> Response:
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return page_file


async def _error_response(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _told_invalid(_: Request, error: Exception) -> Response:
    """One line for an argument of a wrong kind; its value is not repeated."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return JSONResponse({"error": f"{first['loc'][-1]}: {first['msg']}"}, 422)


async def _told_failure(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": "the search failed; the server's log says why"}, 500)
