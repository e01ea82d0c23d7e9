"""Errors of the Google Cloud Storage client, in one line that names the object."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from tfrecords_tools.errors import UserError, how_to_install

INSTALL = f"gs:// paths need google-cloud-storage: {how_to_install('gcs')}"
_LONGEST = 200

_ADVICE = {
    400: "check the names of the bucket and the object",
    401: "run `gcloud auth application-default login`",
    403: "give this account the role Storage Object User on the bucket",
    409: "another process is changing it: let it finish, then run the same command again",
    412: "another process changed it meanwhile: let it finish, then run the same command again",
}
_RUN_AGAIN = "run the same command again to continue"


@contextlib.contextmanager
def reported(path: str, operation: str, deadline: float = 0.0) -> Iterator[None]:
    """Turns every exception of the storage client into a `UserError`.

    Faults of this machine's own disk, which the client passes on, are unchanged.

    Args:
        path: The object or folder, for the message.
        operation: The operation: ``"reading"``, ``"listing"``, ….
        deadline: Seconds for which requests are retried, for the message.

    Raises:
        UserError: Naming the object, the operation, storage's answer and what to do.
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        if _is_local(error):
            raise
        raise UserError(f"{path}: {_said(error, operation, deadline)}") from error


def _is_local(error: Exception) -> bool:
    """Whether the fault is one of a local file: the client's own OSErrors are network faults."""
    return isinstance(error, OSError) and error.filename is not None


def _said(error: Exception, operation: str, deadline: float) -> str:
    from google.api_core import exceptions
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
    from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

    if isinstance(error, exceptions.RetryError):
        return (
            f"storage did not answer within {deadline:.0f} s (last: {_short(error.cause)}; "
            f"while {operation}); {_RUN_AGAIN}"
        )
    if isinstance(error, exceptions.NotFound):
        return f"no such object or bucket (404 while {operation}); check the path"
    if isinstance(error, exceptions.GoogleAPICallError):
        return _answered(int(error.code or 0), error.message, operation)
    if isinstance(error, InvalidResponse):
        return _answered(error.response.status_code, str(error), operation)
    if isinstance(error, DataCorruption):
        return f"its bytes were altered on the way while {operation}; {_RUN_AGAIN}"
    if isinstance(error, DefaultCredentialsError):
        return (
            f"no credentials for Google Cloud while {operation} ({_short(error)}); {_ADVICE[401]}"
        )
    if isinstance(error, GoogleAuthError):
        return (
            f"could not sign in to Google Cloud while {operation} ({_short(error)}); {_ADVICE[401]}"
        )
    if isinstance(error, ValueError | KeyError | TypeError | AttributeError):
        return (
            f"expected an answer of Cloud Storage while {operation}, found another "
            f"({type(error).__name__}: {_short(error)}); is a proxy or a login page in between?"
        )
    return f"storage failed while {operation} ({type(error).__name__}: {_short(error)}); run again"


def _answered(status: int, message: Any, operation: str) -> str:
    advice = _ADVICE.get(status, _RUN_AGAIN)
    verb = "refused" if status in (401, 403) else "answered"
    return f"storage {verb} ({status} while {operation}: {_short(message)}); {advice}"


def _short(message: object) -> str:
    """A message without markup, cut to a readable length."""
    text = " ".join(re.sub(r"<[^>]*>", " ", str(message)).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def read_body(response: Any, *_: object, **__: object) -> None:
    """Returns the connection of a failed download, whose body the library does not read.

    The connection would otherwise stay open, unused, until Python collects the response.
    """
    if not response.ok:
        _ = response.content
