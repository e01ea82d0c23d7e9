"""Checks that hold for every command of a package, run before each command."""

from collections.abc import Callable

_checks: list[Callable[[], None]] = []


def add(check: Callable[[], None]) -> None:
    """Adds a check. It raises `UserError` if no command could work."""
    _checks.append(check)


def require() -> None:
    """Runs all checks."""
    for check in _checks:
        check()
