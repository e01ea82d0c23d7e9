"""What the Dockerfile builds on and installs is pinned by digest."""

import configparser
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
EXTRAS = ("gcs", "annoy", "serve", "tune", "plot")


def locked(name):
    """Package -> version in a lock; every one must have digests."""
    text = (ROOT / "docker" / name).read_text()
    found = {}
    for entry in re.split(r"\n(?=[a-z])", text[text.index("\n", text.rindex("#    ")) + 1 :]):
        requirement, *digests = entry.replace("\\\n", "\n").split("\n")
        package, version = re.fullmatch(
            r"([\w.-]+)(?:\[[\w,-]+\])?==(\S+)\s*", requirement
        ).groups()
        assert digests, entry
        assert all(re.fullmatch(r"\s*(--hash=sha256:[0-9a-f]{64})?\s*", one) for one in digests)
        assert "--hash" in digests[0], entry
        found[package.lower().replace("_", "-")] = version
    return found


def requirements(*extras):
    """What setup.cfg asks for."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    lists = [parser["options"]["install_requires"]]
    lists += [parser["options.extras_require"][extra] for extra in extras]
    return [Requirement(line) for each in lists for line in each.split("\n") if line.strip()]


def test_base_images_have_digests():
    text = (ROOT / "Dockerfile").read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.11-\S+@sha256:[0-9a-f]{64}", base) for base in bases)
    assert len(set(bases)) == 1


def test_every_installation_demands_digests_or_nothing_from_elsewhere():
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    commands = re.findall(r"pip install ([^&\n]*)", text)
    assert len(commands) == 3
    for command in commands:
        assert "--require-hashes" in command or {"--no-deps", "--no-index"} <= {*command.split()}
        # Else pip fetches what builds a package without digests.
        assert "--no-build-isolation" in command


@pytest.mark.parametrize("accelerator", ["cpu", "gpu", "tpu"])
def test_locks_hold_what_setup_cfg_asks_for(accelerator):
    """After a change to setup.cfg or constraints.txt: docker/lock.sh."""
    found = locked(f"{accelerator}.lock")
    for requirement in requirements(accelerator, *EXTRAS):
        if requirement.marker and not requirement.marker.evaluate():
            continue
        version = found[requirement.name.lower().replace("_", "-")]
        assert requirement.specifier.contains(version, prereleases=True), requirement
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    )
    for name, pin in pins.items():
        package = name.strip().lower().replace("_", "-")
        assert found.get(package, pin.split(";")[0].strip()) == pin.split(";")[0].strip(), package


def test_what_builds_packages_is_locked():
    assert [*locked("build.lock")] == ["setuptools"]
