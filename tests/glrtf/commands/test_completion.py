"""The completion script, run by a real shell."""

import shutil
import subprocess

import pytest

from glrtf.__main__ import main
from glrtf.commands import completion
from glrtf.commands.catalog import COMMANDS
from glrtf.config.completion import CompletionConfig

pytest.importorskip("shtab", reason="the environment is older than setup.cfg: run `make install`")

# As bash calls it when Tab is pressed at the end of the last word.
ASK = """
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
"$(complete -p glrtf | sed 's/.*-F \\(\\S*\\) .*/\\1/')" 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def bash_script(tmp_path_factory):
    path = tmp_path_factory.mktemp("completion") / "glrtf.bash"
    path.write_text(completion.completion(CompletionConfig("bash")).script)
    return path


def offered(script, *words):
    command = ["bash", "-c", ASK, "bash", str(script), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_commands_are_offered(bash_script):
    assert set(COMMANDS) <= set(offered(bash_script, "glrtf", ""))
    assert offered(bash_script, "glrtf", "eval") == ["evaluate", "evaluate_index"]


def test_options_and_their_choices_are_offered(bash_script):
    assert offered(bash_script, "glrtf", "train", "--batch") == ["--batch_size"]
    assert "--augment.crop" in offered(bash_script, "glrtf", "train", "--augment.")
    presets = offered(bash_script, "glrtf", "retrieve", "--preset", "")
    assert presets == ["fifth_place", "direct_dba", "direct"]
    assert offered(bash_script, "glrtf", "completion", "z") == ["zsh"]


def test_the_command_prints_it(capsys, bash_script):
    assert main(["completion", "bash"]) == 0
    assert capsys.readouterr().out.rstrip() == bash_script.read_text().rstrip()
    assert main(["completion", "fish"]) == 2
    assert "bash, zsh" in capsys.readouterr().err


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh on this machine; .ci/run installs it")
def test_zsh_reads_its_script():
    script = completion.completion(CompletionConfig("zsh")).script
    subprocess.run(["zsh", "-n"], input=script, text=True, check=True)


def test_the_zsh_script_names_every_command():
    text = completion.completion(CompletionConfig("zsh")).script
    assert text.startswith("#compdef glrtf") and all(
        f"_shtab_glrtf_{name}" in text for name in COMMANDS
    )
