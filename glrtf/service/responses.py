"""Responses of the service that need no search: files of the page, and errors as JSON."""

import importlib.resources
from collections.abc import Callable
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException


def page_file(name: str, media_type: str) -> Callable[[], Any]:
    """A route that serves a file of `html/`."""
    content = (importlib.resources.files("glrtf.service") / "html" / name).read_bytes()

    async def respond() -> Response:
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return respond


async def error_response(_: Request, error: Exception) -> Response:
    """An HTTP error as one line of JSON."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def told_invalid(_: Request, error: Exception) -> Response:
    """One line for an invalid argument, without its value."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return JSONResponse({"error": f"{first['loc'][-1]}: {first['msg']}"}, 422)


async def told_failure(_: Request, error: Exception) -> Response:
    """Points to the log; the client does not learn the cause of a failure."""
    return JSONResponse({"error": "the search failed; the server's log says why"}, 500)
