"""Paths and packages of a command line, checked before anything slow starts.

Each function returns if everything is correct, and otherwise raises a `UserError` that begins with
the option. Inputs on gs:// are looked up; outputs there are not checked.
"""

import importlib.util
import os

from tfrecords_tools.command.near_words import separate_with_spaces
from tfrecords_tools.errors import UserError, how_to_install
from tfrecords_tools.storage import files


def folder(option: str, path: str, *, holding: str = "") -> None:
    """An input that must be a folder.

    Args:
        option: The flag as typed, such as ``"--data"``.
        path: Its value.
        holding: A file that the folder must have.
    """
    expected = f"a folder with {holding}" if holding else "a folder"
    if not files.exists(path):
        raise UserError(
            f"{option} {path}: expected {expected}, found none of that name"
            f"{separate_with_spaces([path])}"
        )
    if _is_local_file(path):
        raise UserError(f"{option} {path}: expected {expected}, found a file")
    if holding and not files.exists(files.join(path, holding)):
        raise UserError(f"{option} {path}: expected {expected}, found a folder without it")


def file(option: str, path: str) -> None:
    """An input that must be a file."""
    if not files.exists(path):
        raise UserError(
            f"{option} {path}: expected a file, found none of that name"
            f"{separate_with_spaces([path])}"
        )
    if os.path.isdir(path):
        raise UserError(f"{option} {path}: expected a file, found a folder")


def new_folder(option: str, path: str) -> None:
    """An output that is or will be a folder."""
    if not path:
        raise UserError(f"{option}: expected a folder to write to, found none")
    if _is_local_file(path):
        raise UserError(f"{option} {path}: expected a folder to write to, found a file")
    if not files.is_remote(path) and os.path.islink(path) and not os.path.exists(path):
        raise UserError(f"{option} {path}: expected a folder to write to, found a link to nothing")
    _place(option, path)


def new_file(option: str, path: str, config: object) -> None:
    """An output that is or will be a file, and none of the command's inputs or other outputs.

    Args:
        option: The flag as typed.
        path: Its value.
        config: The command's settings.
    """
    if not files.is_remote(path) and os.path.isdir(path):
        raise UserError(f"{option} {path}: expected a file to write, found a folder")
    not_an_input(option, path, config)
    _place(option, path)


def not_an_input(option: str, path: str, config: object) -> None:
    """A file to write that must be none of those that the command's other settings name.

    Args:
        option: The flag that leads to it, as typed.
        path: The file.
        config: The command's settings.
    """
    for name, value in vars(config).items():
        several = value if isinstance(value, (list, tuple)) else (value,)
        for one in several:
            if f"--{name}" != option and isinstance(one, str) and one and _is_same(path, one):
                raise UserError(
                    f"{option} {path}: expected a file of its own to write, found that of --{name};"
                    " name another"
                )


def _is_same(path: str, other: str) -> bool:
    if files.is_remote(path) or not os.path.exists(path):
        return os.path.normpath(path) == os.path.normpath(other)
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):  # One does not exist, or is no path at all.
        return False


def package(option: str, module: str, extra: str) -> None:
    """A package that an option needs.

    Args:
        option: The flag as typed.
        module: The module to import.
        extra: The extra that installs it.
    """
    try:
        found = importlib.util.find_spec(module)
    except ValueError:
        return  # Already loaded, without an import.
    if found is None:
        raise UserError(
            f"{option}: expected the package {module}, found none; {how_to_install(extra)}"
        )


def _place(option: str, path: str) -> None:
    """Checks that a path can be created: its nearest existing parent is a writable folder."""
    if files.is_remote(path):
        return
    above = os.path.abspath(path)
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    if above != os.path.abspath(path) and not os.path.isdir(above):
        raise UserError(f"{option} {path}: expected {above} to be a folder, found a file")
    if not os.access(above, os.W_OK):
        read_only = os.statvfs(above).f_flag & os.ST_RDONLY
        reason = "Read-only file system" if read_only else "Permission denied"
        raise UserError(
            f"{option} {path}: expected {above} to be writable, found it is not: {reason}"
        )


def _is_local_file(path: str) -> bool:
    return not files.is_remote(path) and os.path.exists(path) and not os.path.isdir(path)
