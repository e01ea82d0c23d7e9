"""Every command of README and docs/: all are parsed against the real settings.

So that what cannot be run here is known to be understood at least; the rest is run
by test_commands_run.py, which names what is not and why.
"""

import configparser
import re
import subprocess
import sys

import pytest
from documented import PAGES, ROOT, commands_of

from glrtf.planning.compiled import COMPILER_PACKAGES
from tfrecords_tools.command import cli
from tfrecords_tools.errors import UserError, how_to_install

COMMANDS = [command for page in PAGES for command in commands_of(page)]
OURS = [each for each in COMMANDS if not each.module.endswith(".py")]
ELLIPSIS = "…"
MISSING = r"^missing |^--\w+: expected .* found none"
YOUR_OWN = "docs/your-own-photos.md"
INSTALLED = re.compile(
    r"(?:how_to_install\(|expected\.package\([^)]*, )['\"](\w+)['\"]\)"
    # The fourth argument.
    r"|optional_package\(\s*\*?\(?(?:\"[^\"]*\",\s*|name,\s*){3}\"(\w+)\""
)
SCRIPTS = sorted({each.module for each in COMMANDS if each.module.endswith(".py")})


def test_the_pages_show_commands():
    pages = {each.page for each in COMMANDS}
    assert {"README.md", "docs/tutorial.md", "docs/your-own-photos.md", "docs/training.md"} <= pages
    assert len(OURS) > 60 and len(SCRIPTS) > 5


@pytest.mark.parametrize("command", OURS, ids=str)
def test_settings_are_known_and_taken(command, monkeypatch, tmp_path):
    """A flag that is not there, a wrong value or a missing one is an error.

    An ellipsis of its own stands for what was given before: then settings may be missing.
    """
    module = command.imported()
    if not command.arguments or "PHOTO" in " ".join(command.arguments[1:2]):
        # Mentioned in passing: only its existence is claimed.
        assert callable(module.main)
        return

    def parse_alone(config_class, main, *, argv, positional=False, default_config=None, **_):
        try:
            cli.parse(config_class, argv, prog="test", positional=positional)
        except UserError as error:
            if not (ELLIPSIS in command.arguments and re.search(MISSING, str(error))):
                raise
        return 0

    monkeypatch.setattr(cli, "run", parse_alone)
    arguments = [_existing(each, tmp_path) for each in _without_ellipses(command.arguments)]
    if arguments == ["--help"]:
        with pytest.raises(SystemExit, match="0"):
            module.main(arguments)
    else:
        assert module.main(arguments) == 0


def _without_ellipses(arguments):
    """An ellipsis behind a flag is any value; elsewhere it is left out."""
    before = ("", *arguments)
    for previous, argument in zip(before, arguments, strict=False):
        if argument != ELLIPSIS:
            yield argument
        elif previous.startswith("--"):
            yield "given"


def _existing(argument, tmp_path):
    """A settings file that some command before would have written is stood in for."""
    if argument.endswith(".yaml"):
        if (ROOT / argument).exists():
            return str(ROOT / argument)
        (tmp_path / "settings.yaml").write_text("{}\n")
        return str(tmp_path / "settings.yaml")
    return argument


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_there(script):
    text = (ROOT / script).read_text()
    compile(text, script, "exec")


def test_the_drawing_is_what_its_script_draws(tmp_path):
    script = ROOT / "docs" / "hooks" / "draw_bridge.py"
    subprocess.run([sys.executable, str(script), str(tmp_path / "bridge.svg")], check=True)
    kept = (ROOT / "docs" / "pictures" / "bridge.svg").read_bytes()
    assert (tmp_path / "bridge.svg").read_bytes() == kept


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_package_is_installed_from_its_folder(page):
    """It is on no index, so `pip install glrtf` cannot work."""
    assert not re.search(r"pip install [^`\n]*(?<!/)\bglrtf\b(?!/)", page.read_text())


@pytest.mark.parametrize("page", ["README.md", "docs/index.md", "docs/tutorial.md", YOUR_OWN])
def test_the_environment_is_activated_before_the_first_command(page):
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    first = next(
        line for line in lines if line.startswith(("source .venv/", "python -m ", "glrtf "))
    )
    assert first.startswith("source .venv/bin/activate")


def test_messages_name_extras_that_there_are():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    paths = [path for top in ("glrtf", "tfrecords_tools") for path in (ROOT / top).rglob("*.py")]
    texts = {path: path.read_text() for path in paths}
    named = {max(pair) for text in texts.values() for pair in INSTALLED.findall(text)}
    assert {"gcs", "beam", "tune", "serve", "wandb", "plot", "whiten"} <= named <= set(extras)
    assert not [path for path, text in texts.items() if "pip install 'glrtf" in text]
    assert extras["plan"].split() == COMPILER_PACKAGES.split()
    assert how_to_install("gcs").endswith("pip install -c constraints.txt '.[gcs]'")
