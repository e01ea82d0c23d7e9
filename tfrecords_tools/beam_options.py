"""Options of Apache Beam, as the commands accept them."""

import contextlib
import io
import re
from collections.abc import Sequence
from typing import Any

from tfrecords_tools.errors import UserError

LOCAL_RUNNER = "FnApiRunner"
"""The runner that uses processes or threads of this machine, in Python.

Beam 2.77's DirectRunner differs: it downloads Prism, a runner written in Go, tries that first, and
falls back to this one if the download or the run fails.
"""
_DIRECT = ("", "direct", "directrunner")


def pipeline_options(options: Sequence[str], flag: str = "--beam_options") -> Any:
    """Parses Beam's own options; without a runner, or with DirectRunner, `LOCAL_RUNNER` is meant.

    Args:
        options: With or without their leading dashes, such as ``runner=DataflowRunner``.
        flag: Their name in messages.

    Returns:
        `apache_beam.options.pipeline_options.PipelineOptions`.

    Raises:
        UserError: If Beam does not accept them.
    """
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
    from apache_beam.runners import create_runner

    flags = [option if option.startswith("-") else f"--{option}" for option in options]
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            parsed = PipelineOptions(flags)
            parsed.get_all_options()
    except SystemExit:
        reason = said.getvalue().rpartition("error: ")[2].strip()
        raise UserError(f"{flag}: expected options of Apache Beam, found {reason}") from None
    standard = parsed.view_as(StandardOptions)
    if (standard.runner or "").lower() in _DIRECT:
        standard.runner = LOCAL_RUNNER
    try:
        create_runner(standard.runner)
    except (ValueError, ImportError, AttributeError, RuntimeError) as error:
        reason = re.sub(r"\s+", " ", str(error))
        raise UserError(
            f"{flag}: expected a runner of Apache Beam, found {standard.runner!r} ({reason})"
        ) from None
    return parsed
