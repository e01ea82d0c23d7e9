"""The exception for errors that the user can fix."""


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


def how_to_install(extra: str) -> str:
    """The command that installs an extra's packages, for messages.

    The package is not on an index: it is installed from its source.

    Args:
        extra: A name of setup.cfg's extras, such as ``"gcs"``.
    """
    return f"in the project's folder, pip install -c constraints.txt '.[{extra}]'"
