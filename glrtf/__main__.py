"""The one entry point: ``glrtf COMMAND …`` or ``python -m glrtf COMMAND …``."""

import importlib
import os
import sys
from collections.abc import Sequence

import glrtf
from glrtf.commands.catalog import COMMANDS, GROUPS
from tfrecords_tools.command.near_words import did_you_mean

# What a shell reports of a command that SIGPIPE has ended.
_BROKEN_PIPE = 141
_WIDTH = max(map(len, COMMANDS)) + 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names; imports nothing else.

    Args:
        argv: The arguments; None takes those of the process.

    Returns:
        The command's exit code; 2 for a missing or unknown command.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments:
        print(help_text(), file=sys.stderr)
        return 2
    name, *rest = arguments
    if name in ("-h", "--help", "help"):
        return _show_help()
    if name == "--version":
        print(f"glrtf {glrtf.__version__}")
        return 0
    if rest and f"{name}_{rest[0]}" in COMMANDS:  # `glrtf rows import`
        name, *rest = f"{name}_{rest[0]}", *rest[1:]
    entry = COMMANDS.get(name.replace("-", "_"))
    if entry is None:
        meant = did_you_mean(name.replace("-", "_"), list(COMMANDS)) or "; see glrtf --help"
        print(f"glrtf: error: unknown command {name!r}{meant}", file=sys.stderr)
        return 2
    command = importlib.import_module(entry.module).main
    if argv is not None:
        return command(rest)
    # The process is the command's own, as with `python -m` and its module.
    sys.argv = [f"{sys.argv[0]} {name}", *rest]
    return command()


def _show_help() -> int:
    """Prints the commands; ``glrtf --help | head -3`` ends quietly."""
    try:
        print(help_text(), flush=True)
    except BrokenPipeError:
        # Python's own last flush must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return 0


def help_text() -> str:
    """All commands with a line each."""
    lines = ["usage: glrtf COMMAND [OPTIONS]", "", "Landmark retrieval, from photos to a ranking."]
    for title, group in GROUPS.items():
        lines += ["", f"{title}:"]
        lines += [f"  {name:<{_WIDTH}}{entry.summary}" for name, entry in group.items()]
    lines += ["", "glrtf COMMAND --help shows the settings of a command."]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
