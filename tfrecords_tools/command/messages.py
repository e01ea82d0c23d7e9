"""The parser's error messages, rewritten in one line."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tfrecords_tools.command import settings_files
from tfrecords_tools.command.near_words import did_you_mean, option_meant, separate_with_spaces


def one_line(
    message: str,
    options: Sequence[str],
    argv: Sequence[str],
    read: Mapping[str, Mapping[str, Any]],
) -> str:
    """Rewrites the parser's message.

    Args:
        message: The parser's.
        options: The command's options, without dashes.
        argv: The arguments given to the parser.
        read: The settings of each YAML file that was read, by its name, later ones overriding.
    """
    if found := re.search(r"[Uu]nrecognized arguments?: (\S+)", message):
        return f"unexpected argument {found[1]!r}; see --help"
    if found := re.search(r"arguments are required: (.*)", message):
        missing = [f"--{n}" if n in options else n.upper() for n in found[1].split(", ")]
        return f"missing {', '.join(missing)}; see --help"
    if found := re.search(r"argument (--[\w.]+)\S*: expected one argument", message):
        return f"{found[1]}: expected a value, found none"
    if found := re.search(r"Option '([\w.-]+)' is not accepted", message):
        return f"{_file_with(found[1], read)}unknown setting '{found[1]}'{_near(found[1], options)}"
    if found := re.search(r"Group '([\w.]+)' does not accept option '([\w.-]+)'", message):
        name = f"{found[1]}.{found[2]}"
        return f"{_file_with(name, read)}unknown setting '{name}'{_near(name, options)}"
    if found := re.search(r"[Pp]arser key ['\"]([\w.]+)['\"]:", message):
        name, trouble = found[1], _type_trouble(message[found.end() :])
        from_flag = any(a.partition("=")[0] == f"--{name}" for a in argv)
        return f"--{name}: {trouble}" if from_flag else f"{_file_with(name, read)}{name}: {trouble}"
    return message


def _near(name: str, options: Sequence[str]) -> str:
    if meant := option_meant(name, options):
        return f"; did you mean {meant}?"
    group = name.rpartition(".")[0]
    known = [each for each in options if each.rpartition(".")[0] == group]
    return f"; known are {', '.join(known or options)}"


def _file_with(name: str, read: Mapping[str, Mapping[str, Any]]) -> str:
    """``"file.yaml: "`` of the last file that sets a setting."""
    having = [file for file, values in read.items() if settings_files.holds(values, name)]
    return f"{having[-1]}: " if having else ""


def _type_trouble(text: str) -> str:
    if found := re.search(r"Unable to load config '(.*?)'", text):
        return f"expected settings such as '{{name: value}}', found {found[1]!r}"
    given = re.search(r"(?:Given value|Got value): (.*)", text)
    value = given[1].strip().strip("'\"") if given else ""
    shown = "null" if value == "None" else repr(value)
    if given and (literals := re.search(r"Literal\[(.*?)\]", text)):
        choices = re.findall(r"'([^']*)'", literals[1]) or literals[1].split(", ")
        return f"expected one of {', '.join(choices)}, found {shown}{did_you_mean(value, choices)}"
    kinds = sorted(set(re.findall(r"Expected an? <class '(\w+)'>", text)) - {"NoneType"})
    if given and kinds:
        return f"expected {' or '.join(kinds)}, found {shown}{separate_with_spaces([value])}"
    return text.strip()
