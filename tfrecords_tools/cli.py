"""Dataclass -> flags, YAML and help; every mistake answered in one line."""

import dataclasses
import difflib
import errno
import itertools
import json
import os
import re
import sys
import typing
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

import jsonargparse
import yaml

from tfrecords_tools import sealed, stopping
from tfrecords_tools.errors import UserError

ConfigT = TypeVar("ConfigT")

# Faults of the machine rather than of the code: the user can mend them.
_MENDABLE = {errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EDQUOT, errno.ENOTDIR}


# What a shell reports of a command that SIGPIPE has ended.
_BROKEN_PIPE = 141


class _OneLineParser(jsonargparse.ArgumentParser):
    """An argument parser whose errors are single lines with a suggestion."""

    arguments: Sequence[str] = ()

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise UserError(_one_line(message, self._option_names(), self.arguments))

    def _option_names(self) -> list[str]:
        names = {name for action in self._actions for name in action.option_strings}
        return sorted(name[2:] for name in names if name.startswith("--"))


def run(
    config_class: type[ConfigT],
    main: Callable[[ConfigT], int | None],
    *,
    prog: str,
    argv: Sequence[str] | None = None,
    positional: bool = False,
    default_config: Callable[[Sequence[str]], str | None] | None = None,
    resumes: bool = False,
) -> int:
    """Parses a command line into a dataclass and runs a command on it.

    Args:
        config_class: A dataclass. Its docstring's first paragraph describes the
            command; its Google-style ``Attributes`` describe the flags.
        main: The command. What it returns is the exit code, None meaning 0.
        prog: How the command is called, such as ``"python -m glrtf.train"``.
        argv: The arguments; None takes those of the process.
        positional: Whether fields without a default are positional arguments; one
            that holds several values takes all that stand outside of flags.
        default_config: Finds, from the arguments, the YAML file whose settings
            hold where neither ``--config`` nor a flag says otherwise.
        resumes: Whether the command, stopped and started again, takes up its work.

    Returns:
        The exit code: 0, what `main` returned, or 2 for a mistake in the
        input, which has then been told on standard error in one line. Stopped by
        Ctrl-C or SIGTERM: `stopping.STOPPED` for a command that resumes, else 130 or 143.
    """
    # TensorFlow reads this once, when it is loaded; its notes on the processor
    # would bury the command's own lines.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        arguments = sys.argv[1:] if argv is None else argv
        config = parse(
            config_class,
            arguments,
            prog=prog,
            positional=positional,
            default_config=default_config(arguments) if default_config else None,
        )
        with stopping.sigterm_raises():
            code = main(config) or 0
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever read the output has enough; Python's own last flush must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except UserError as error:
        return _refuse(prog, str(error))
    except OSError as error:
        if error.errno not in _MENDABLE:
            raise
        return _refuse(prog, f"{error.filename or 'output'}: {error.strerror}")
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
    ``--config FILE`` reads YAML; ``--print_config`` shows what would hold.

    Raises:
        UserError: On an unknown option or key, a wrong type, an unreadable
            file, or a value the dataclass itself refuses.
        SystemExit: After ``--help`` and ``--print_config``, with code 0.
    """
    arguments = _normalized(config_class, argv, positional)
    parser = _OneLineParser(
        prog=prog,
        description=_summary(config_class),
        allow_abbrev=False,
        default_config_files=[default_config] if default_config else [],
    )
    parser.arguments = arguments or [f"--config={default_config}"]
    for path in filter(os.path.isfile, _config_files(arguments)):
        with open(path, "rb") as file:
            sealed.check(file.read(), path)  # What glrtf.tune wrote tells whether it was changed.
    parser.add_argument("--config", action="config", help="YAML file of settings; flags override")
    parser.add_class_arguments(config_class, None, as_positional=positional)
    for group in parser._action_groups:
        if group.title == _summary(config_class).rstrip("."):
            group.title = "settings"
    namespace = parser.parse_args(arguments)
    namespace.pop("config", None)
    try:
        values = parser.instantiate(namespace)
        return config_class(**{f.name: values[f.name] for f in dataclasses.fields(config_class)})  # type: ignore[arg-type]
    except ValueError as error:
        raise UserError(str(error)) from None


def to_yaml(config: Any) -> str:
    """A dataclass as the YAML text that ``--config`` reads back."""
    return yaml.safe_dump(dataclasses.asdict(config), sort_keys=False, allow_unicode=True)


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """``"; did you mean X?"`` where a known word is near, else an empty text."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _refuse(prog: str, message: str) -> int:
    print(f"{prog}: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _summary(config_class: type) -> str:
    paragraphs = (config_class.__doc__ or "").strip().split("\n\n")
    return " ".join(paragraphs[0].split())


def _normalized(config_class: type, argv: Sequence[str], positional: bool = False) -> list[str]:
    """Rewrites arguments the way people type them into what the parser takes.

    ``--task-index 3`` -> ``--task_index 3``; a switch alone, ``--compile``, ->
    ``--compile=true``; ``--query a b`` -> ``--query=["a", "b"]`` where several
    values are wanted; ``a.jpg b.jpg`` -> ``["a.jpg", "b.jpg"]`` where they are
    what a positional field of several values is to take.
    """
    kinds = _kinds(config_class)
    result: list[str] = []
    outside: list[str] = []
    position = 0
    while position < len(argv):
        argument = argv[position]
        position += 1
        if not re.match(r"--[a-zA-Z]", argument):
            (result if argument.startswith("-") else outside).append(argument)
            continue
        name, equals, value = argument[2:].partition("=")
        name = name.replace("-", "_")
        following = list(itertools.takewhile(lambda a: not a.startswith("--"), argv[position:]))
        if kinds.get(name) == "switch" and not equals and following[:1] not in _BOOLEANS:
            argument = f"--{name}=true"
        elif kinds.get(name) == "several" and (equals or following):
            values = [value] if equals else following
            position += 0 if equals else len(following)
            if len(values) > 1 or not values[0].startswith("["):
                values = [json.dumps(values)]
            argument = f"--{name}={values[0]}"
        else:
            argument = f"--{name}{equals}{value}"
            if not equals and following and name not in _WITHOUT_VALUE:
                result.append(argument)
                argument = following[0]
                position += 1
        result.append(argument)
    if positional and outside and _takes_all(config_class, kinds):
        outside = [json.dumps(outside)]
    return result + outside


def _takes_all(config_class: type, kinds: dict[str, str]) -> bool:
    """Whether the only positional field is one of several values."""
    required = [f.name for f in dataclasses.fields(config_class) if _is_required(f)]
    return len(required) == 1 and kinds.get(required[0]) == "several"


def _is_required(field: dataclasses.Field) -> bool:
    return field.default is field.default_factory is dataclasses.MISSING


_WITHOUT_VALUE = ("help", "print_config")
_BOOLEANS = (["true"], ["false"], ["True"], ["False"], ["yes"], ["no"])


def _kinds(config_class: type, prefix: str = "") -> dict[str, str]:
    """Which flags are switches and which take several values."""
    kinds: dict[str, str] = {}
    for name, hint in typing.get_type_hints(config_class).items():
        if dataclasses.is_dataclass(hint):
            kinds |= _kinds(typing.cast(type, hint), f"{prefix}{name}.")
        elif hint is bool:
            kinds[prefix + name] = "switch"
        elif typing.get_origin(hint) in (list, tuple):
            kinds[prefix + name] = "several"
    return kinds


def _one_line(message: str, options: Sequence[str], argv: Sequence[str]) -> str:
    """Rewrites the parser's message for a person in a hurry."""
    flags = [f"--{name}" for name in options]
    if found := re.search(r"[Uu]nrecognized arguments?: (\S+)", message):
        word = found[1].partition("=")[0]
        if not word.startswith("-"):
            return f"unexpected argument {word!r}; see --help"
        return f"unknown option {word}{did_you_mean(word, flags) or '; see --help'}"
    if found := re.search(r"arguments are required: (.*)", message):
        missing = [f"--{n}" if n in options else n.upper() for n in found[1].split(", ")]
        return f"missing {', '.join(missing)}; see --help"
    if found := re.search(r"Option '([\w.-]+)' is not accepted", message):
        return f"{_config_file(argv)}unknown setting '{found[1]}'{_near(found[1], options)}"
    if found := re.search(r"Group '([\w.]+)' does not accept option '([\w.-]+)'", message):
        name = f"{found[1]}.{found[2]}"
        return f"{_config_file(argv)}unknown setting '{name}'{_near(name, options)}"
    if found := re.search(r"[Pp]arser key ['\"]([\w.]+)['\"]:", message):
        name, trouble = found[1], _type_trouble(message[found.end() :])
        from_flag = any(a.partition("=")[0] == f"--{name}" for a in argv)
        return f"--{name}: {trouble}" if from_flag else f"{_config_file(argv)}{name}: {trouble}"
    if "Problems parsing config" in message or "Unexpected config" in message:
        return f"{_config_file(argv)}not a YAML file of settings ({message})"
    return message


def _near(name: str, options: Sequence[str]) -> str:
    return did_you_mean(name, options) or f"; known are {', '.join(options)}"


def _config_file(argv: Sequence[str]) -> str:
    """``"file.yaml: "`` where the arguments name one."""
    found = _config_files(argv)
    return f"{found[-1]}: " if found else ""


def _config_files(argv: Sequence[str]) -> list[str]:
    return re.findall(r"--config[ =](\S+)", " ".join(argv))


def _type_trouble(text: str) -> str:
    given = re.search(r"(?:Given value|Got value): (.*)", text)
    value = given[1].strip().strip("'\"") if given else ""
    if given and (literals := re.search(r"Literal\[(.*?)\]", text)):
        choices = re.findall(r"'([^']*)'", literals[1]) or literals[1].split(", ")
        return (
            f"expected one of {', '.join(choices)}, found {value!r}{did_you_mean(value, choices)}"
        )
    kinds = sorted(set(re.findall(r"Expected an? <class '(\w+)'>", text)) - {"NoneType"})
    if given and kinds:
        return f"expected {' or '.join(kinds)}, found {value!r}"
    return text.strip()
