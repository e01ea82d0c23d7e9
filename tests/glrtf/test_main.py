import os
import re
import subprocess
import sys

import pytest
from every_command import COMMANDS as FOUND

import glrtf
from glrtf.__main__ import help_text, main
from glrtf.commands.catalog import COMMANDS

# What costs seconds, or tenths of one, to import.
HEAVY = ("tensorflow", "keras", "numpy", "jsonargparse", "matplotlib", "annoy", "yaml", "PIL")


def test_every_command_is_listed_once_with_its_module():
    assert sorted(entry.module for entry in COMMANDS.values()) == sorted(
        each.module.__name__ for each in FOUND
    )


def test_the_list_names_the_settings_of_each():
    found = {
        each.module.__name__: (
            f"{each.config_class.__module__}.{each.config_class.__name__}",
            each.positional,
        )
        for each in FOUND
    }
    assert {e.module: (e.settings, e.positional) for e in COMMANDS.values()} == found


def test_help_names_every_command_and_imports_nothing_heavy():
    program = (
        "import sys\nfrom glrtf.__main__ import main\ncode = main(['--help'])\n"
        f"print(code, [name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    *shown, last = done.stdout.splitlines()
    assert last == "0 []"
    assert re.findall(r"^  (\w+) +\w", "\n".join(shown), re.MULTILINE) == list(COMMANDS)
    assert max(map(len, shown)) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_gets_its_arguments_and_its_name(name, capsys):
    """With dashes too. Each says what is wrong with an option that does not exist."""
    assert main([name.replace("_", "-"), "--no_such_option"]) == 2
    assert capsys.readouterr().err.startswith(f"glrtf {name}: error: unknown option ")


@pytest.mark.parametrize("name", ["train", "evaluate-index", "sample"])
def test_its_help_is_the_commands_own(name, capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        main([name, "--help"])
    assert f"usage: glrtf {name.replace('-', '_')} " in capsys.readouterr().out


def test_started_as_a_module_the_name_is_the_same():
    for module in ("tfrecords_tools.stats", "glrtf.evaluate", "glrtf.data.preview"):
        command = [sys.executable, "-m", module, "--no_such_option"]
        done = subprocess.run(command, capture_output=True, text=True)
        name = module.rpartition(".")[2]
        assert done.returncode == 2
        assert done.stderr.startswith(f"glrtf {name}: error: unknown option")


def test_what_a_command_returns_is_the_exit_code(monkeypatch):
    from glrtf.commands import weights

    monkeypatch.setattr(weights, "main", lambda argv=None: 9 if argv is None else len(argv))
    assert main(["weights", "a", "b", "c"]) == 3
    # The process's own arguments remain so: `serve` may then end the process.
    monkeypatch.setattr(sys, "argv", ["glrtf", "weights", "a"])
    assert main() == 9 and sys.argv[1:] == ["a"]


def test_mistakes_are_reported_in_one_line(capsys):
    assert main(["trian"]) == 2
    assert capsys.readouterr().err == (
        "glrtf: error: unknown command 'trian'; did you mean train?\n"
    )
    assert main(["xyzzy"]) == 2
    assert capsys.readouterr().err == ("glrtf: error: unknown command 'xyzzy'; see glrtf --help\n")


def test_no_command_shows_the_help_as_an_error(capsys):
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err == help_text() + "\n"


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"glrtf {glrtf.__version__}\n"


def test_help_into_a_closed_pipe_ends_quietly():
    """As in `glrtf --help | head -1`: the reader is gone before the first line is written."""
    command = [sys.executable, "-m", "glrtf", "--help"]
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (141, b"")
