"""The commands that README and docs/ show."""

import dataclasses
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
_OURS = re.compile(r"python -m ((?:glrtf|tfrecords_tools)(?:\.\w+)*)(.*)")
_VARIABLE = re.compile(r"^\s*(?:for (\w+) in (\S+)|(\w+)=(\S+|\"[^\"]*\"|'[^']*')\s*$)")
_SCRIPT = re.compile(r"python ((?:benchmarks|docs)/\S+\.py)(.*)")


@dataclasses.dataclass(frozen=True)
class Documented:
    """One command of a page.

    Attributes:
        page: Where it stands, below the project's folder.
        module: What is run: a module, or a script's path.
        arguments: As a shell would split them; loops' variables are left as they are.
    """

    page: str
    module: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {self.module} {' '.join(self.arguments)}"


def commands_of(page: Path) -> Iterator[Documented]:
    """The commands of a page's code blocks, fenced or indented, and of its `inline code`.

    A shell variable is given its value, in a loop its first one.
    """
    values: dict[str, str] = {}
    for line in _code_lines(page.read_text()):
        if found := _VARIABLE.search(line):
            value = (found[2] or found[4]).strip("'\"")
            values[found[1] or found[3]] = _filled_in(value, values)
        known = _filled_in(line, values)
        for pattern in (_OURS, _SCRIPT):
            if found := pattern.search(known):
                arguments = re.split(r"\s(?:&&|;|\||#|>)\s|;", found[2])[0]
                # Optional parts stand in brackets.
                shown = shlex.split(re.sub(r"[\[\]]", "", arguments))
                yield Documented(str(page.relative_to(ROOT)), found[1], tuple(shown))


def _filled_in(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda found: values.get(found[1], found[0]), text)


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
