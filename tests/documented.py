"""The commands that README and docs/ show."""

import dataclasses
import importlib
import itertools
import re
import shlex
import types
from collections.abc import Iterator
from pathlib import Path

from glrtf.commands.catalog import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
_OURS = re.compile(r"python -m ((?:glrtf|tfrecords_tools)(?:\.\w+)*)(.*)")
# `glrtf rows import` is `glrtf rows_import`.
_NAMES = "|".join(name.replace("_", "[_ ]") for name in COMMANDS)
_SHORT = re.compile(rf"(?<![\w./-])(?:python -m )?glrtf ({_NAMES})\b(?!\.)(.*)")
_SCRIPT = re.compile(r"python ((?:benchmarks|docs|tests)/\S+\.py)(.*)")
_LOOP = re.compile(r"^\s*for (\w+) in ([^;]+)")
_VARIABLE = re.compile(r"^\s*(\w+)=(\S+|\"[^\"]*\"|'[^']*')\s*$")
_PROGRAM = re.compile(
    r"^\s*((?:source|pip|pip-audit(?= )|make(?= \w)|apt|curl|gcloud|docker|tensorboard|"
    r"export(?= [A-Z_]+=)|\S+/pip|\.venv/bin/\S+|python -[cm](?! (?:glrtf|tfrecords_tools)))\b.*)"
)


@dataclasses.dataclass(frozen=True)
class Documented:
    """One command of a page.

    Attributes:
        page: Where it stands, below the project's folder.
        module: What is run: a module of ours, a script's path, or another program.
        arguments: As a shell would split them.
    """

    page: str
    module: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {self.module} {' '.join(self.arguments)}"

    @property
    def is_ours(self) -> bool:
        """Whether it is one of the project's commands."""
        return self.module.startswith(("glrtf", "tfrecords_tools"))

    def imported(self) -> types.ModuleType:
        """The module that ``python -m`` runs, which has a `main`; of a package its `__main__`."""
        module = importlib.import_module(self.module)
        return importlib.import_module(f"{self.module}.__main__") if _is_package(module) else module


def _is_package(module: types.ModuleType) -> bool:
    return hasattr(module, "__path__")


def commands_of(page: Path) -> Iterator[Documented]:
    """The project's own commands and scripts: see `all_commands_of`."""
    return (each for each in all_commands_of(page) if each.is_ours or each.module.endswith(".py"))


def all_commands_of(page: Path) -> Iterator[Documented]:
    """The commands of a page's code blocks, fenced or indented, and of its `inline code`.

    A shell variable is given its value; what uses a loop's variable occurs once for each
    of the loop's values.
    """
    values: dict[str, list[str]] = {}
    for line in _code_lines(page.read_text()):
        if found := _LOOP.search(line):
            values[found[1]] = found[2].split()
        if found := _VARIABLE.search(line):
            value = found[2].strip("'\"")
            values[found[1]] = _filled_in(value, values)[:1]
        for known in _filled_in(line, values):
            yield from _of_line(known, str(page.relative_to(ROOT)))


def _of_line(line: str, page: str) -> Iterator[Documented]:
    line = _SHORT.sub(lambda found: f"python -m {_module(found[1])}{found[2]}", line)
    for pattern in (_OURS, _SCRIPT):
        if found := pattern.search(line):
            arguments = re.split(r"\s(?:&&|;|\||#|>)\s|;", found[2])[0]
            # Optional parts stand in brackets.
            shown = shlex.split(re.sub(r"[\[\]]", "", arguments))
            yield Documented(page, found[1], tuple(shown))
            return
    # Quoted code may hold what separates statements elsewhere.
    statements = [line] if "python -c" in line else re.split(r"\s(?:&&|#)\s", line)
    for statement in statements:
        if found := _PROGRAM.search(statement):
            words = shlex.split(found[1])
            yield Documented(page, words[0], tuple(words[1:]))


def _module(name: str) -> str:
    """What ``python -m`` takes for the command ``glrtf NAME``."""
    module = COMMANDS[name.replace(" ", "_")].module.replace(
        "glrtf.commands.preview", "glrtf.data.preview"
    )
    return module.replace("glrtf.commands.", "glrtf.").removesuffix(".draw")


def _filled_in(text: str, values: dict[str, list[str]]) -> list[str]:
    """The text once for each choice of the variables' values."""
    used = [name for name in values if re.search(rf"\${name}\b", text)]
    filled = []
    for choice in itertools.product(*(values[name] for name in used)):
        known = text
        for name, value in zip(used, choice, strict=True):
            known = re.sub(rf"\${name}\b", value, known)
        filled.append(known)
    return filled


def _code_lines(text: str) -> Iterator[str]:
    joined = re.sub(r"\\\n\s*", " ", text)
    fenced = False
    for line in joined.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line
        else:
            yield from re.findall(r"`([^`]*)`", line)
