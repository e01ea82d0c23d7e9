"""The HTTP service: search, web page, photos and health."""

import asyncio
import contextlib
import dataclasses
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Request
from fastapi import Query as Parameter
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect

from glrtf.config.service import MOST_ANSWERS, PhotoFusion, ServeConfig
from glrtf.photos.store import Photos
from glrtf.service import boxes
from glrtf.service.answers import WEAK, Answer
from glrtf.service.batching import Batcher
from glrtf.service.boxes import Box
from glrtf.service.counters import Counters
from glrtf.service.decoder_pool import DecoderPool, DecoderTimeoutError
from glrtf.service.limits import Admission, Place, SameSite, SecurityHeaders, read_upload
from glrtf.service.live_searcher import LiveSearcher
from glrtf.service.photo_input import PhotoReader, Prepared, RefusedPhotoError
from glrtf.service.queries import Query, Within
from glrtf.service.responses import error_response, page_file, told_failure, told_invalid
from glrtf.service.searcher import Searcher
from tfrecords_tools.errors import UserError

ResultT = TypeVar("ResultT")
Limit = Annotated[int, Parameter(ge=1, le=MOST_ANSWERS)]
Texts = Annotated[list[str], Parameter()]

FIELD = "photo"
MOST_PHOTOS = 8
"""The largest number of uploaded photos of a search, and of index photos that it names."""
_SIDES = (160, 320, 640)
_PAGE_FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
# The photo of an id never changes.
_KEEP = {"Cache-Control": "private, max-age=86400"}


class Service:
    """The state that the routes share.

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
        self._batcher: Batcher[tuple[Query, int], Answer | UserError] = Batcher(
            self._ask,
            config.max_batch,
            config.batch_wait_ms / 1000,
            expected=lambda: self._reading > 0,
        )
        self._admission = Admission(config.max_requests)
        self._counters = Counters()

    @contextlib.asynccontextmanager
    async def running(self, _: FastAPI) -> AsyncIterator[None]:
        """Batches searches inside the block."""
        self._batcher.start()
        try:
            yield
        finally:
            await self._batcher.stop()
            self._threads.shutdown()
            self._decoders.close()

    async def search(
        self,
        request: Request,
        limit: Limit = 20,
        box: Texts = [],  # noqa: B006  # FastAPI copies it.
        like: Texts = [],  # noqa: B006
        only_labels: Texts = [],  # noqa: B006
        only_folders: Texts = [],  # noqa: B006
        fusion: PhotoFusion = "mean",
    ) -> Response:
        """Searches with the photos of a form, which show one object.

        `box` has one box for each photo, or none; `fusion` is that of `Query`.
        """
        query = Query((), tuple(like), Within(tuple(only_labels), tuple(only_folders)), fusion)
        return await self._respond(lambda place: self._answer(request, place, query, box, limit))

    async def like(
        self,
        image_id: Texts,
        limit: Limit = 20,
        only_labels: Texts = [],  # noqa: B006
        only_folders: Texts = [],  # noqa: B006
        fusion: PhotoFusion = "mean",
    ) -> Response:
        """Searches with photos of the index."""
        within = Within(tuple(only_labels), tuple(only_folders))

        async def answer(place: Place) -> Answer:
            place.uploading = False
            return await self._asked(Query((), tuple(image_id), within, fusion), limit)

        return await self._respond(answer)

    async def _respond(self, answer: Callable[[Place], Awaitable[Answer]]) -> Response:
        """Answers a query as JSON and counts the outcome."""
        began = time.monotonic()
        try:
            with self._admission.one() as place:
                found = await answer(place)
        except ClientDisconnect:
            # The client has disconnected: nobody reads this response.
            self._counters.aborted()
            return Response(status_code=400)
        except HTTPException as refused:
            self._counters.refused(refused.status_code)
            raise
        except Exception:
            self._counters.refused(500)
            raise
        self._counters.answered(time.monotonic() - began)
        return JSONResponse(found.as_json())

    async def photo(self, split: str, image_id: str, side: int = 0) -> Response:
        """A photo of the index or train set; with `side`, a thumbnail."""
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
        """The health of the service, its sets and its counters."""
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

    async def _answer(
        self, request: Request, place: Place, query: Query, parts: Sequence[str], limit: int
    ) -> Answer:
        config = self._config
        try:
            self._reading += 1
            try:
                given = await read_upload(
                    request, FIELD, config.max_upload, config.upload_timeout, place, MOST_PHOTOS
                )
                until = time.monotonic() + config.answer_timeout
                reading = [
                    self._in_thread(self._read_until, data, until, box)
                    for data, box in zip(given, _boxes(parts, len(given)), strict=True)
                ]
                pixels = await asyncio.wait_for(asyncio.gather(*reading), config.answer_timeout)
            finally:
                self._reading -= 1
        except RefusedPhotoError as refused:
            not_an_image = str(refused) in ("not an image", "empty")
            message = f"expected a photo, found an unusable file: {refused}"
            raise HTTPException(415 if not_an_image else 422, message) from None
        except (asyncio.TimeoutError, DecoderTimeoutError):
            raise self._too_late() from None
        return await self._asked(dataclasses.replace(query, photos=tuple(pixels)), limit)

    async def _asked(self, query: Query, limit: int) -> Answer:
        """The answer to a query; an HTTP error if it names something that the index lacks."""
        if len(query.like) > MOST_PHOTOS:
            raise HTTPException(
                422, f"like: expected at most {MOST_PHOTOS} photos, found {len(query.like)}"
            )
        try:
            found = await asyncio.wait_for(
                self._batcher.submit((query, limit)), self._config.answer_timeout
            )
        except asyncio.TimeoutError:
            raise self._too_late() from None
        if isinstance(found, UserError):
            raise HTTPException(404, str(found).replace("--", ""))
        return found.head(limit)

    def _ask(self, queries: Sequence[tuple[Query, int]]) -> list[Answer | UserError]:
        """Answers for queries, each with as many index photos as the longest of them needs."""
        return self._searcher.ask(
            [query for query, _ in queries], max(limit for _, limit in queries)
        )

    def _too_late(self) -> HTTPException:
        message = f"no answer within {self._config.answer_timeout:g} seconds; try again later"
        return HTTPException(503, message, {"Retry-After": "5"})

    def _read_until(self, data: bytes, until: float, box: Box | None) -> Prepared:
        return self._read(data, until - time.monotonic(), box)

    async def _in_thread(self, function: Callable[..., ResultT], *arguments: Any) -> ResultT:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, functools.partial(function, *arguments))


def _boxes(texts: Sequence[str], photos: int) -> list[Box | None]:
    try:
        return boxes.parse_all(texts, photos)
    except ValueError as error:
        raise HTTPException(422, f"box: {error}") from None


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
    app.add_api_route("/like", service.like, methods=["POST"])
    app.add_api_route("/photos/{split}/{image_id:path}", service.photo, response_class=Response)
    app.add_api_route("/healthz", service.health)
    for path, (name, media_type) in _PAGE_FILES.items():
        app.add_api_route(path, page_file(name, media_type), response_class=Response)
    app.add_exception_handler(HTTPException, error_response)
    app.add_exception_handler(RequestValidationError, told_invalid)
    app.add_exception_handler(Exception, told_failure)
    app.add_middleware(SameSite)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=config.hosts, www_redirect=False)
    app.add_middleware(SecurityHeaders)
    return app
