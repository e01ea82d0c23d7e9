"""Dataclass -> flags, YAML and help; errors reported in one line."""

import dataclasses
import errno
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import jsonargparse
import yaml

from tfrecords_tools.command import arguments as cli_arguments
from tfrecords_tools.command import (
    messages,
    prerequisites,
    settings_files,
    settings_values,
    stopping,
)
from tfrecords_tools.command.near_words import did_you_mean as did_you_mean
from tfrecords_tools.errors import UserError, how_to_install

ConfigT = TypeVar("ConfigT")

_OF_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}

# The exit code that a shell reports for a command ended by SIGPIPE.
_BROKEN_PIPE = 141


class _OneLineParser(jsonargparse.ArgumentParser):
    """An argument parser whose errors are single lines with a suggestion."""

    arguments: Sequence[str] = ()
    options: Sequence[str] = ()
    read: Mapping[str, Mapping[str, Any]] = {}

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise UserError(messages.one_line(message, self.options, self.arguments, self.read))


def run(
    config_class: type[ConfigT],
    main: Callable[[ConfigT], int | None],
    *,
    prog: str = "",
    argv: Sequence[str] | None = None,
    positional: bool = False,
    default_config: Callable[[Sequence[str]], str | None] | None = None,
    resumes: bool = False,
) -> int:
    """Parses a command line into a dataclass and runs a command on it.

    Args:
        config_class: A dataclass. Its docstring's first paragraph describes the
            command; its Google-style ``Attributes`` describe the flags. A static method
            ``check_file(source, values)`` may refuse settings that a file must not contain.
        main: The command. It returns the exit code; None means 0.
        prog: The command's name, such as ``"glrtf train"``; by default ``glrtf`` and the last part
            of the name of the module that `main` is from.
        argv: The arguments; None uses those of the process.
        positional: Whether fields without a default are positional arguments; one with several
            values takes all arguments that are not flags.
        default_config: Finds, from the arguments, the YAML file whose settings apply unless
            ``--config`` or a flag overrides them.
        resumes: Whether the command resumes its work when it is started again after a stop.

    Returns:
        The exit code: 0, what `main` returned, or 2 for a mistake in the
        input, which is reported on standard error in one line. Stopped by
        Ctrl-C or SIGTERM: `stopping.STOPPED` for a command that resumes, else 130 or 143.
    """
    # TensorFlow reads this once, when it is loaded; its notes about the processor would hide the
    # command's own output.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    prog = prog or _name_of(main)
    # Names of files that the terminal's encoding lacks are shown with escapes.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        arguments = sys.argv[1:] if argv is None else argv
        config = parse(
            config_class,
            arguments,
            prog=prog,
            positional=positional,
            default_config=default_config(arguments) if default_config else None,
        )
        prerequisites.require()
        with stopping.sigterm_raises():
            code = main(config) or 0
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader of the output has closed it; Python's own last flush must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except UserError as error:
        return _refuse(prog, str(error))
    except OSError as error:
        if error.errno is None:
            raise
        return _refuse(prog, _os_trouble(error))
    except ModuleNotFoundError as error:
        if error.name != "tensorflow":
            raise
        # The extra `jax` does not include it: training and embedding on JAX do not need it.
        return _refuse(prog, f"needs the package tensorflow, found none; {how_to_install('cpu')}")
    except KeyboardInterrupt as error:
        message, code = stopping.outcome(error, resumes)
        print(f"{prog}: {message}", file=sys.stderr)
        return code


def parse(
    config_class: type[ConfigT],
    argv: Sequence[str],
    *,
    prog: str,
    positional: bool = False,
    default_config: str | None = None,
) -> ConfigT:
    """Parses arguments into a dataclass.

    Flags may be written with dashes or underscores, never abbreviated.
    ``--config FILE`` reads YAML; ``--print_config`` shows the settings in effect. A path may begin
    with ``~``, in flags and in files.

    Raises:
        UserError: On an unknown option or key, a wrong type, a value that is
            missing, an unreadable file, or a value the dataclass itself refuses.
        SystemExit: After ``--help`` and ``--print_config``, with code 0.
    """
    arguments = cli_arguments.normalized(config_class, argv, positional)
    sources = cli_arguments.config_sources(arguments)
    files = [default_config, *sources] if default_config else sources
    parser = _OneLineParser(
        prog=prog,
        description=_summary(config_class),
        allow_abbrev=False,
        default_config_files=[default_config] if default_config else [],
    )
    parser.arguments = arguments
    parser.options = cli_arguments.option_names(config_class, positional)
    parser.read = {source: settings_files.read(source, config_class) for source in files}
    check_file = getattr(config_class, "check_file", None)
    if check_file is not None:
        for source, values in parser.read.items():
            check_file(source, values)
    parser.add_argument("--config", action="config", help="YAML file of settings; flags override")
    parser.add_class_arguments(config_class, None, as_positional=positional)
    for group in parser._action_groups:
        if group.title == _summary(config_class).rstrip("."):
            group.title = "settings"
    namespace = parser.parse_args(arguments)
    namespace.pop("config", None)
    # Values of flags; files have passed the same check, which names them.
    name, wrong = settings_values.trouble(namespace.as_dict(), config_class)
    if name:
        raise UserError(f"--{name}: {wrong}")
    for name, value in list(namespace.items()):
        namespace[name] = settings_values.with_home(value)
    return settings_values.build(config_class, namespace.as_dict(), parser.options)


def to_yaml(config: Any) -> str:
    """A dataclass as the YAML text that ``--config`` reads back."""
    return yaml.safe_dump(dataclasses.asdict(config), sort_keys=False, allow_unicode=True)


def _name_of(main: Callable[..., Any]) -> str:
    """``glrtf build`` for a function of ``tfrecords_tools.build``, however that was started."""
    module = getattr(main, "func", main).__module__ or ""  # The function of a partial.
    spec = sys.modules["__main__"].__spec__
    if module == "__main__" and spec is not None:  # By `python -m tfrecords_tools.build`.
        module = spec.name
    return f"glrtf {module.rpartition('.')[2]}".strip()


def _refuse(prog: str, message: str) -> int:
    print(f"{prog}: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _os_trouble(error: OSError) -> str:
    """The operating system's error and its file: a full disk, a file instead of a folder."""
    reason = error.strerror or os.strerror(error.errno or 0)
    if error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {reason}"
    # Writing to standard output names no file.
    return f"output: {reason}" if error.errno in _OF_WRITING else reason


def _summary(config_class: type) -> str:
    paragraphs = (config_class.__doc__ or "").strip().split("\n\n")
    return " ".join(paragraphs[0].split())
