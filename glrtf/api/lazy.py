"""A package that imports the names of its stub file when they are first used."""

import ast
import importlib
import sys
import types
from pathlib import Path
from typing import Any


class LazyPackage(types.ModuleType):
    """A package whose names win over modules of the same name.

    ``glrtf/search.py`` exists for ``python -m glrtf.search``. Importing such a module would set
    ``glrtf.search`` to it.
    """

    _modules: dict[str, str]

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in self._modules and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name not in self._modules:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(self._modules[name]), name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._modules})


def names_of(stub: Path) -> dict[str, str]:
    """Name → module, of the imports of a stub file, in order."""
    found: dict[str, str] = {}
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {each.asname or each.name: node.module for each in node.names}
    return found


def offer(package: str) -> list[str]:
    """Makes a package offer what its ``__init__.pyi`` imports.

    Args:
        package: The package's name; it is being imported.

    Returns:
        The names, for its ``__all__``.
    """
    module = sys.modules[package]
    modules = names_of(Path(str(module.__file__)).with_suffix(".pyi"))
    module.__dict__["_modules"] = modules
    module.__class__ = LazyPackage
    return list(modules)
