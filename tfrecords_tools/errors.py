"""The exception for errors that the user can fix."""


class UserError(Exception):
    """A mistake in the input, reported in one line.

    The message names the file or argument, what was expected, what was found
    and what to do. Commands print it without a traceback and exit with 2.

    Args:
        message: Of any number of lines, since many quote what a parser said of
            a file; they are joined to one.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(line.strip() for line in message.splitlines()))


def how_to_install(extra: str) -> str:
    """The command that adds an extra's packages, as messages name it.

    The package is on no index: it is installed from its source.

    Args:
        extra: A name of setup.cfg's extras, such as ``"gcs"``.
    """
    return f"in the project's folder, pip install -c constraints.txt '.[{extra}]'"
