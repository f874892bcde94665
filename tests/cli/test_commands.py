"""What holds for every command."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from teamtask import __version__

COMMANDS = [
    "run",
    "serve",
    "create",
    "set",
    "ls",
    "show",
    "items",
    "blocks",
    "ranges",
    "workers",
    "results",
    "work",
    "share",
    "wait",
    "pause",
    "resume",
    "cancel",
    "rerun",
    "unpark",
    "grow",
    "rm",
    "token",
    "verify",
    "backup",
    "move",
    "crds",
    "controller",
    "completion",
]


def test_the_help_names_every_command(teamtask: Any) -> None:
    done = teamtask("--help")
    assert done.code == 0
    assert [line.split()[0] for line in done.text.partition("Commands:\n")[2].splitlines()] == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_has_examples_that_begin_with_it(teamtask: Any, command: str) -> None:
    for flag in ("--help", "-h"):
        text = teamtask(command, flag).text
        examples = text.partition("  Examples:\n")[2].partition("\n\n")[0].splitlines()
        assert examples
        assert all("teamtask" in line for line in examples)
        assert any(f"teamtask {command}" in line for line in examples)
        assert "\b" not in text


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "run"])
def test_a_wrong_flag_is_a_usage_error(teamtask: Any, command: str) -> None:
    done = teamtask(command, "--colour")
    assert (done.code, done.out) == (2, b"")
    assert "No such option" in done.err


def test_the_version_is_printed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "teamtask", "--version"], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == f"teamtask {__version__}\n"


def test_output_survives_a_terminal_that_cannot_show_it(lists: Any) -> None:
    lists.of_lines("hosts", ["größe €".encode()])
    lists.close()
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-m", "teamtask", "items", "hosts", "-o", "json"],
        env={"PYTHONIOENCODING": "ascii", "XDG_STATE_HOME": str(lists.folder.parent), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == b'{"index":0,"items":["gr\\xf6\\xdfe \\u20ac"]}\n'
