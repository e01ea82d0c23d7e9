"""The exception for errors that the user can fix."""

import importlib
from typing import Any


class UserError(Exception):
    """A mistake in the input, reported in one line.

    The message names the file or argument, what was expected, what was found
    and what to do. Commands print it without a traceback and exit with 2.

    Args:
        message: May have several lines, for example those of a quoted parser error; they are joined
            into one.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(line.strip() for line in message.splitlines()))


def optional_package(
    module: str, needed_by: str, package: str, extra: str, instead: str = ""
) -> Any:
    """Imports a package that not every installation has.

    Args:
        module: What to import, such as ``"h5py"``.
        needed_by: The flag, command or files that need it, for the message.
        package: Its name in the message.
        extra: The extra that installs it.
        instead: What else the user can do, if anything.

    Raises:
        UserError: If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        otherwise = f"; or {instead}" if instead else ""
        raise UserError(
            f"{needed_by} needs {package}, which is not installed:"
            f" {how_to_install(extra)}{otherwise}"
        ) from None


def how_to_install(extra: str) -> str:
    """The command that installs an extra's packages, for messages.

    The package is not on an index: it is installed from its source.

    Args:
        extra: A name of setup.cfg's extras, such as ``"gcs"``.
    """
    return f"in the project's folder, pip install -c constraints.txt '.[{extra}]'"
