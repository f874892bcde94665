"""The units of deploy/systemd are started, killed and stopped as the page on them says, by a systemd of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MACHINE = ROOT / "scripts" / "throw-away-machine"
CANNOT = 125
MACHINE_SECONDS = 240.0


def in_a_machine(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a throw-away machine; skip where there is none."""
    done = subprocess.run(
        [MACHINE, *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=MACHINE_SECONDS
    )
    if done.returncode == CANNOT:
        pytest.skip(done.stderr.strip())
    return done


def test_the_units_run_as_the_page_says() -> None:
    done = in_a_machine(sys.executable, "docs/run_page.py", "docs/howto/systemd.md")
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert "this machine cannot" not in done.stdout


def test_a_machine_exits_as_its_command_does_and_leaves_nothing() -> None:
    done = in_a_machine("sh", "-c", "readlink /proc/1/exe; touch /etc/was-here; exit 3")
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.strip().endswith("/systemd")
    assert not Path("/etc/was-here").exists()
