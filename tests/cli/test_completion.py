"""Completion in the shell."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from typing import Any

import pytest


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_its_shell_can_read(teamtask: Any, shell: str) -> None:
    script = teamtask("completion", shell)
    assert script.code == 0
    assert "_TEAMTASK_COMPLETE" in script.text
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"there is no {shell} here to read it")
    subprocess.run([found, "-n"], input=script.out, check=True, capture_output=True)


def complete(*words: str) -> list[str]:
    environment = {**os.environ, "_TEAMTASK_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(("teamtask", *words))}
    environment["COMP_CWORD"] = str(len(words))
    program = "import sys; from teamtask.cli.main import main; sys.argv = ['teamtask']; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=30
    )
    return [line.split(",", 1)[1] for line in done.stdout.splitlines() if line]


def test_names_of_lists_commands_and_choices_are_completed(lists: Any) -> None:
    for name in ("hosts-1", "hosts-2", "primes"):
        lists.of_lines(name, [b"a"])
    assert complete("show", "ho") == ["hosts-1", "hosts-2"]
    assert complete("rm", "hosts-1", "p") == ["primes"]
    assert complete("items", "pri") == ["primes"]
    assert complete("unp") == ["unpark"]
    assert complete("blocks", "primes", "-o", "w") == ["wide"]


@pytest.mark.parametrize("lists", ["server"], indirect=True)
def test_names_of_lists_of_a_server_are_completed(lists: Any) -> None:
    for name in ("hosts-1", "hosts-2", "primes"):
        lists.of_lines(name, [b"a"])
    assert complete("show", "ho") == ["hosts-1", "hosts-2"]
    assert complete("pause", "p") == ["primes"]
    assert complete("show", "--token", "wrong-token-of-nobody", "ho") == []


@pytest.mark.usefixtures("lists")
def test_a_server_that_is_down_or_never_answers_completes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for there in (silent, closed):
            monkeypatch.setenv("TEAMTASK_URL", f"http://127.0.0.1:{there.getsockname()[1]}")
            assert complete("show", "ho") == []
    assert complete("show", "--url", "no address", "ho") == []


def test_another_shell_is_a_usage_error(teamtask: Any) -> None:
    assert teamtask("completion", "tcsh").code == 2
    assert teamtask("completion").code == 2
