"""What `make` says on a machine where it cannot go on, and what it offers on any."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A fresh clone's set-up script beside a `bin` that holds all the programs there are."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "make-venv", tmp_path / "scripts")
    for program in ("sh", "dirname", "cut", "awk"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program) or program)
    return tmp_path


def program(machine: Path, name: str, script: str) -> None:
    path = machine / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def make_venv(machine: Path, **environment: str) -> str:
    """Run the script, which has to fail; return what it says."""
    done = subprocess.run(
        [machine / "scripts" / "make-venv"],
        env={"PATH": str(machine / "bin")} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert not (machine / ".venv").exists()
    return done.stderr


# Answers as Debian's Python without python3-venv and pip does.
BARE_PYTHON = """case "$2" in
*ensurepip*|*pip*) exit 1;;
*print*) echo 3.12;;
esac"""


def test_a_machine_without_python_is_told_which_one_is_needed(machine: Path) -> None:
    assert "Python 3.11 or later is needed; no python3 was found" in make_venv(machine)


def test_a_python_that_is_too_old_is_named_with_its_version(machine: Path) -> None:
    program(machine, "python3", '[ "$1" = --version ] && echo Python 3.9.2; exit 1')
    said = make_venv(machine)
    assert "Python 3.11 or later is needed; python3 here is 3.9.2." in said
    assert "make PYTHON=/path/to/python3" in said


def test_a_python_that_was_asked_for_and_is_none_is_named(machine: Path) -> None:
    assert "PYTHON=/nowhere/python is not a Python of 3.11 or later" in make_venv(machine, PYTHON="/nowhere/python")


def test_a_user_on_debian_without_venv_is_told_what_to_type(machine: Path) -> None:
    program(machine, "python3", BARE_PYTHON)
    program(machine, "apt-get", "exit 1")
    program(machine, "id", "echo 1000")
    assert "Type: sudo apt-get install python3.12-venv" in make_venv(machine)


def test_root_on_debian_is_told_when_the_package_cannot_be_had(machine: Path) -> None:
    program(machine, "python3", BARE_PYTHON)
    program(machine, "apt-get", "exit 1")
    program(machine, "id", "echo 0")
    assert "apt-get could not install python3.12-venv" in make_venv(machine)


def test_elsewhere_a_python_without_pip_is_named(machine: Path) -> None:
    program(machine, "python3", BARE_PYTHON)
    assert "python3 has neither ensurepip nor pip" in make_venv(machine)


def test_make_explains_every_target() -> None:
    targets = re.findall(r"^\.PHONY: ([\w-]+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    done = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [line.split()[1] for line in done.stdout.splitlines()] == targets
    assert {"install", "check", "test", "test-faults", "demo", "bench", "docs"} < set(targets)
