import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
import yaml

from tfrecords_tools.command import cli
from tfrecords_tools.errors import UserError


@dataclass
class Expansion:
    """Query expansion.

    Attributes:
        n: Rows averaged.
        rows: Which rows are replaced.
    """

    n: int = 2
    rows: Literal["test", "index"] = "test"

    def __post_init__(self) -> None:
        if self.n < 0:
            raise ValueError(f"n: expected 0 or more, found {self.n}")


@dataclass
class Settings:
    """Ranks things
    by merit.

    A second paragraph that help leaves out.

    Attributes:
        backbone: The network.
        learning_rate: The peak rate.
        size: The side in pixels.
        verbose: Says more.
        sets: Folders.
        expansion: Query expansion.
    """

    backbone: Literal["v2s", "v2m"] = "v2s"
    learning_rate: float | None = 0.01
    size: int = 32
    verbose: bool = False
    sets: tuple[str, ...] = ()
    expansion: Expansion = field(default_factory=Expansion)

    def __post_init__(self) -> None:
        if self.size % 32:
            raise ValueError(f"size: expected a multiple of 32, found {self.size}")


@dataclass
class Pair:
    """Compares two files.

    Attributes:
        first: One file.
        second: The other.
        strict: Whether to be strict.
    """

    first: str
    second: str
    strict: bool = False


def parse(*argv: str, default: str | None = None) -> Settings:
    return cli.parse(Settings, argv, prog="rank", default_config=default)


def test_defaults_hold_without_arguments() -> None:
    assert parse() == Settings()


@pytest.mark.parametrize("text", ["1e-3", "1E-3", ".001", "0.001"])
def test_numbers_may_be_written_in_any_usual_way(text: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"learning_rate: {text}\n")
    assert parse("--learning_rate", text).learning_rate == 0.001
    assert parse("--config", str(file)).learning_rate == 0.001


def test_dashes_and_underscores_are_one() -> None:
    assert parse("--learning-rate=0.5") == parse("--learning_rate", "0.5")
    assert parse("--learning-rate", "null").learning_rate is None


def test_switches_need_no_value() -> None:
    assert parse("--verbose").verbose
    assert parse("--verbose", "--size", "64") == Settings(verbose=True, size=64)
    assert not parse("--verbose", "false").verbose


def test_several_values_follow_one_flag() -> None:
    assert parse("--sets", "a", "b c", "--size=64") == Settings(sets=("a", "b c"), size=64)
    assert parse("--sets", "[a, b]").sets == ("a", "b")
    assert parse("--sets", "only").sets == ("only",)
    assert parse("--sets=only", "--size=64") == Settings(sets=("only",), size=64)
    assert parse("--sets=[a, b]").sets == ("a", "b")


def test_flags_override_config_and_config_overrides_the_default_file(tmp_path: Path) -> None:
    default, chosen = tmp_path / "default.yaml", tmp_path / "chosen.yaml"
    default.write_text("size: 64\nbackbone: v2m\nexpansion: {n: 9}\n")
    chosen.write_text("size: 96\n")
    found = parse("--config", str(chosen), "--expansion.rows", "index", default=str(default))
    assert found == Settings("v2m", size=96, expansion=Expansion(n=9, rows="index"))


def test_positional_arguments() -> None:
    found = cli.parse(Pair, ["a.csv", "b.csv", "--strict"], prog="x", positional=True)
    assert found == Pair("a.csv", "b.csv", strict=True)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--learning_rat", "1"], "unknown option --learning_rat; did you mean --learning_rate?"),
        (["--learning_r", "1"], "unknown option --learning_r; did you mean --learning_rate?"),
        (["--zzz"], "unknown option --zzz; see --help"),
        (["--learning_rate", "fast"], "--learning_rate: expected float, found 'fast'"),
        (["--size", "1.5"], "--size: expected int, found '1.5'"),
        (["--size", "33"], "--size: expected a multiple of 32, found 33"),
        (["--expansion.n", "-1"], "--expansion.n: expected 0 or more, found -1"),
        (["--config", "expansion: {n: -1}"], "--expansion.n: expected 0 or more, found -1"),
        (["--expansion.zzz", "1"], "unknown option --expansion.zzz; see --help"),
        (
            ["--backbone", "v2mm"],
            "--backbone: expected one of v2s, v2m, found 'v2mm'; did you mean v2m?",
        ),
        (["--expansion.row", "x"], "unknown option --expansion.row; did you mean --expansion.rows"),
        (["stray"], "unexpected argument 'stray'; see --help"),
        (
            ["--config", "/no/such.yaml"],
            "--config /no/such.yaml: expected a YAML file of settings, found none of that name",
        ),
        (["--config", "/"], "--config /: expected a YAML file of settings, found a folder"),
        (["--config="], "--config: expected a YAML file of settings, found none"),
        (["--config", "size:"], "--config: size: expected int, found null"),
        (["--lr", "1"], "unknown option --lr; did you mean --learning_rate?"),
        (["--size"], "--size: expected a value, found none"),
        (["--learning_rate", "1e999"], "--learning_rate: expected a finite number, found inf"),
        (["--expansion", "3"], "--expansion: expected settings such as '{name: value}', found '3'"),
    ],
)
def test_mistakes_are_reported_in_one_line_with_exit_code_2(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(Settings, lambda config: 0, prog="rank", argv=argv) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"rank: error: {message}")
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rat: 1\n", "unknown setting 'learning_rat'; did you mean learning_rate?"),
        ("expansion: {row: 1}\n", "unknown setting 'expansion.row'; did you mean expansion.rows?"),
        ("expansion: {zzz: 1}\n", "'expansion.zzz'; known are expansion.n, expansion.rows"),
        ("size: big\n", "size: expected int, found 'big'"),
        ("size: [\n", "not a YAML file of settings"),
        ("- 1\n", "not a YAML file of settings"),
        ("size: 1\0\n", "special characters are not allowed"),
        ("size: [\n", "line 2: "),
        ("size:\n", "bad.yaml: size: expected int, found null"),
        ("size: 32\nbackbone: v2m\nsize: 64\n", "line 3: size is set twice; remove one"),
        ("expansion: {n: 1, n: 2}\n", "line 1: n is set twice"),
        ("size: 2001-99-99\n", "not a YAML file of settings (month must be in 1..12"),
        ("null\n", "expected NAME: VALUE, found nothing"),
    ],
)
def test_mistakes_in_a_file_name_the_file(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=r"bad\.yaml") as caught:
        parse("--config", str(file))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mistake_is_blamed_on_the_file_that_holds_it(tmp_path: Path) -> None:
    """Flags and further files are given too, and a folder's name may hold a space."""
    default, bad = tmp_path / "default.yaml", tmp_path / "b c" / "bad.yaml"
    bad.parent.mkdir()
    default.write_text("expansion: {n: many}\n")
    bad.write_text("size: big\n")
    with pytest.raises(UserError, match=r"^\S+/default\.yaml: expansion\.n: expected int"):
        parse("--size", "64", default=str(default))
    default.write_text("backbone: v2m\n")
    with pytest.raises(UserError, match=r"^\S+/b c/bad\.yaml: size: expected int, found 'big'"):
        parse("--learning_rate=1", "--config", str(bad), default=str(default))


def test_a_home_folder_is_written_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags as in files, also where the shell leaves ``~`` alone."""
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "own.yaml"
    file.write_text("sets: [~/a, also=~/b, x~/c]\n")
    assert parse("--config=~/own.yaml").sets == (f"{tmp_path}/a", f"also={tmp_path}/b", "x~/c")
    assert parse("--sets=~/a").sets == (f"{tmp_path}/a",)
    found = cli.parse(Pair, ["--first=~/a", "--second", "a~b"], prog="x")
    assert found == Pair(f"{tmp_path}/a", "a~b")


def test_help_describes_every_field_and_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse("--help")
    assert stopped.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Ranks things by merit." in text
    for piece in ("The peak rate.", "default: 0.01", "Which rows are replaced.", "--expansion.n"):
        assert piece in text
    assert "second paragraph" not in text


def test_what_is_printed_and_saved_reads_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = Settings(sets=("a",), learning_rate=1e-5, expansion=Expansion(rows="index"))
    file = tmp_path / "saved.yaml"
    file.write_text(cli.to_yaml(config))
    assert parse("--config", str(file)) == config
    with pytest.raises(SystemExit):
        parse("--config", str(file), "--print_config")
    assert yaml.safe_load(capsys.readouterr().out)["expansion"] == {"n": 2, "rows": "index"}


def test_a_full_disk_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fill(config: Settings) -> None:
        raise OSError(28, "No space left on device", "/data/x")

    assert cli.run(Settings, fill, prog="rank", argv=[]) == 2
    assert capsys.readouterr().err == "rank: error: /data/x: No space left on device\n"


def test_a_file_in_a_folders_place_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")

    def write(config: Settings) -> None:
        (tmp_path / "file").mkdir(exist_ok=True)

    assert cli.run(Settings, write, prog="rank", argv=[]) == 2
    assert capsys.readouterr().err == f"rank: error: {tmp_path}/file: File exists\n"


def test_a_defect_of_ours_keeps_its_traceback() -> None:
    def fail(config: Settings) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cli.run(Settings, fail, prog="rank", argv=[])


@pytest.mark.parametrize(
    ("positional", "message"),
    [(True, "missing SECOND; see --help"), (False, "missing --first, --second; see --help")],
)
def test_what_must_be_given_is_named_as_it_is_typed(positional: bool, message: str) -> None:
    argv = ["a.csv"] if positional else []
    with pytest.raises(UserError, match=message):
        cli.parse(Pair, argv, prog="x", positional=positional)


@dataclass
class Looking:
    """Looks at photos.

    Attributes:
        photos: Files.
        model: A folder.
        sets: Folders.
        verbose: Says more.
        limit: How many.
    """

    photos: tuple[str, ...]
    model: str = ""
    sets: tuple[str, ...] = ()
    verbose: bool = False
    limit: int = 3


@pytest.mark.parametrize(
    "argv",
    [
        ["a.jpg", "b.jpg", "--model", "m", "--limit", "-1", "--verbose", "--sets", "x", "y"],
        [
            "--model",
            "m",
            "a.jpg",
            "--sets=x",
            "b.jpg",
            "--sets",
            "x",
            "y",
            "--limit=-1",
            "--verbose",
        ],
        ["--verbose", "a.jpg", "b.jpg", "--limit", "-1", "--model=m", "--sets", "x", "y"],
        ["--verbose", "true", "a.jpg", "b.jpg", "--limit=-1", "--model=m", "--sets", "x", "y"],
    ],
)
def test_one_positional_field_takes_all_that_is_outside_of_flags(argv):
    found = cli.parse(Looking, argv, prog="look", positional=True)
    assert found == Looking(("a.jpg", "b.jpg"), "m", ("x", "y"), True, -1)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["a.jpg", "--landmark.best", "1"], "unknown option --landmark.best; see --help"),
        (["a.jpg", "--modle", "m"], "unknown option --modle; did you mean --model?"),
        (["--photos", "a.jpg"], "unknown option --photos; give PHOTOS without it, see --help"),
    ],
)
def test_an_unknown_option_is_not_taken_for_a_positional_value(argv, message):
    with pytest.raises(UserError) as caught:
        cli.parse(Looking, argv, prog="look", positional=True)
    assert str(caught.value) == message


def test_a_positional_field_of_several_values_may_not_be_left_out():
    with pytest.raises(UserError, match="missing PHOTOS; see --help"):
        cli.parse(Looking, ["--model", "m"], prog="look", positional=True)


def test_output_that_is_cut_off_ends_the_command_quietly():
    """As in ``… | head -1``."""
    code = (
        "import dataclasses, sys\n"
        "from tfrecords_tools.command import cli\n"
        "@dataclasses.dataclass\n"
        "class Config:\n"
        "    n: int = 100000\n"
        "sys.exit(cli.run(Config, lambda c: print('line\\n' * c.n), prog='x', argv=[]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.readline() == b"line\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(600) == 141
