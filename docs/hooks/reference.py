"""Generates the reference pages when the documentation is built.

``commands.md`` is generated from the commands' configuration dataclasses. ``glrtf.md`` lists
what ``import glrtf`` offers, under the names that programs use; mkdocstrings describes it from
its docstrings.
"""

import ast
import dataclasses
import importlib
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docstring_parser

ROOT = Path(__file__).parents[2]


def on_files(files: Any, config: Any) -> Any:
    """Adds the generated pages to the site (called by MkDocs)."""
    from mkdocs.structure.files import File

    sys.path.insert(0, str(ROOT))
    files.append(File.generated(config, "reference/commands.md", content=commands_page()))
    files.append(File.generated(config, "reference/glrtf.md", content=interface_page()))
    return files


def interface_page() -> str:
    """The page of what ``import glrtf`` offers; all else is private."""
    parts = ["# import glrtf", "What is not listed here is private; see [In Python](../python.md)."]
    stub = (ROOT / "glrtf" / "__init__.pyi").read_text().partition("\n\n")[2]
    for line in stub.splitlines():
        if line.startswith("# "):
            parts.append(f"## {line[2:].rstrip('.').partition(': ')[0].partition(';')[0]}")
        elif found := re.fullmatch(r"from (\S+) import (\w+) as \w+", line):
            module, name = found.groups()
            parts.append(
                f"::: {module}.{name}\n    options:\n      heading_level: 3\n"
                f"      heading: glrtf.{name}\n      toc_label: {name}"
            )
    return "\n\n".join(parts)


def commands_page() -> str:
    """The page of all commands: their purpose and settings."""
    parts = ["# Commands", "`--config FILE` reads YAML with the settings' names as keys."]
    for module, config_class in commands():
        summary = " ".join((config_class.__doc__ or "").strip().split("\n\n")[0].split())
        name = as_typed(module)
        parts += [f"## glrtf {name}", f"`glrtf {name}`: {summary}"]
        parts += ["| setting | default | |\n|---|---|---|\n" + "\n".join(_rows(config_class))]
    return "\n\n".join(parts)


def commands() -> Iterator[tuple[str, type]]:
    """Every command module and its configuration class, the first argument of `cli.run`."""
    for package in ("tfrecords_tools", "glrtf"):
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text()
            if "cli.run(" not in text:
                continue
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield module, getattr(importlib.import_module(module), _config_name(text))


def as_typed(module: str) -> str:
    """The name that follows ``glrtf`` to run a command's module."""
    from glrtf.commands.catalog import COMMANDS

    return next(name for name, entry in COMMANDS.items() if entry.module == module)


def _config_name(text: str) -> str:
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    [call] = [node for node in calls if ast.unparse(node.func) == "cli.run"]
    return ast.unparse(call.args[0])


def _rows(config_class: type, prefix: str = "") -> Iterator[str]:
    hints = typing.get_type_hints(config_class)
    descriptions = _field_descriptions(config_class)
    for field in dataclasses.fields(config_class):
        if dataclasses.is_dataclass(hints[field.name]):
            yield from _rows(hints[field.name], f"{prefix}{field.name}.")
            continue
        meaning = " ".join(descriptions.get(field.name, "").split()).replace("|", "\\|")
        yield f"| `{prefix}{field.name}` | {_default(field)} | {meaning} |"


def _field_descriptions(config_class: type) -> dict[str, str]:
    """The fields' descriptions in the docstrings of a class and its base classes."""
    descriptions: dict[str, str] = {}
    for each in reversed(config_class.__mro__):
        if dataclasses.is_dataclass(each):
            parsed = docstring_parser.parse(each.__doc__ or "")
            descriptions |= {one.arg_name: one.description or "" for one in parsed.params}
    return descriptions


def _default(field: dataclasses.Field) -> str:
    if field.default is not dataclasses.MISSING:
        value = field.default
    elif field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    else:
        return "**required**"
    if isinstance(value, (list, tuple)):
        value = " ".join(map(str, value))
    return f"`{value}`" if value not in ("", None) else ""
