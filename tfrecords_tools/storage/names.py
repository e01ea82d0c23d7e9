"""``gs://BUCKET/NAME`` taken apart."""

import re

from tfrecords_tools.errors import UserError

SCHEME = "gs://"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


def bucket_name(path: str) -> str:
    """The bucket of a path.

    Raises:
        UserError: If it is not a valid bucket name.
    """
    bucket = path.removeprefix(SCHEME).partition("/")[0]
    if not _BUCKET.fullmatch(bucket):
        raise UserError(
            f"{path}: expected gs://BUCKET/NAME, where a bucket's name is 3 to 222 lower-case "
            f"letters, digits, '.', '_' and '-', found {bucket!r}"
        )
    return bucket


def name(path: str) -> str:
    """The part after the bucket; may be empty."""
    return path.removeprefix(SCHEME).partition("/")[2]


def object_name(path: str) -> str:
    """The object's name in its bucket.

    Raises:
        UserError: If the path names only a bucket.
    """
    if not (found := name(path)):
        raise UserError(f"{path}: expected a name after the bucket, found none")
    return found


def prefix(folder: str) -> str:
    """The common prefix of the names of all objects in a folder."""
    below = name(folder).rstrip("/")
    return f"{below}/" if below else ""


def is_folder(object_name: str, size: int) -> bool:
    """Whether an object represents a folder: it is empty and its name ends with a slash.

    Args:
        object_name: Its name below a prefix; empty if it is the prefix itself.
        size: Its length in bytes.
    """
    return not size and (not object_name or object_name.endswith("/"))
