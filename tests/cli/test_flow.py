"""The commands over a real run, from its first item to its removal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TEAMTASK = [sys.executable, "-m", "teamtask"]

pytestmark = pytest.mark.usefixtures("lists")


def call(*words: str, code: int = 0) -> str:
    done = subprocess.run(
        [*TEAMTASK, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=60
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def listed(name: str) -> dict[str, Any]:
    (shown,) = json.loads(call("ls", "-o", "json"))["items"]
    assert shown["name"] == name
    return dict(shown)


def test_a_run_is_looked_at_mended_verified_and_removed(tmp_path: Path) -> None:
    (tmp_path / "hosts.txt").write_text("a\nb\nc\nd\n")
    run = ("run", "--name", "hosts", "hosts.txt", "--", "sh", "-c", "test {} != c || test -e mended")
    call(*run, code=1)
    assert call("ls").splitlines()[1].split() == ["hosts", "complete", "100", "%", "-", "-", "0", "1"]
    assert call("blocks", "hosts").splitlines()[1].split()[1:] == ["1/1", "Done", "0", "0", "4"]
    assert [line.split(",")[1] for line in call("results", "hosts", "--failed").splitlines()] == ["item", "c"]
    assert call("items", "hosts", "2") == "c\n"
    (tmp_path / "mended").touch()
    call("rerun", "hosts", "--failed")
    assert call("ranges", "hosts", "--state", "returned", "-o", "text") == "2\n"
    call(*run)
    shown = json.loads(call("show", "hosts", "-o", "json"))
    assert (shown["state"], shown["done"], shown["failed"], shown["results"]) == ("complete", 4, 0, 4)
    assert call("verify", "hosts") == "hosts: ok\n"
    call("backup", "hosts", "copy.teamtask")
    call("rm", "hosts")
    assert call("ls") == ""
    assert call("verify", "--state", "copy.teamtask") == "copy.teamtask: ok\n"


def test_a_run_that_was_killed_is_shown_as_left_and_can_be_removed(lists: Any, tmp_path: Path) -> None:
    words = ("run", "--name", "slow", "-j1", "--range", "0:1000", "--", "sh", "-c", "test {} -lt 3 || sleep 5")
    with subprocess.Popen([*TEAMTASK, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while not lists.path("slow").exists() or (shown := listed("slow")).get("done") != 3 or not shown["leased"]:
            assert time.monotonic() < deadline
        assert call("blocks", "slow").splitlines()[1].split()[1:3] == ["1/1", "Ready"]
        call("rm", "slow", code=1)
        process.kill()
    shown = json.loads(call("show", "slow", "-o", "json"))
    assert (shown["state"], shown["workers"]) == ("running", 0)
    assert shown["leased"] > 0
    assert {line.split()[2] for line in call("blocks", "slow").splitlines()[1:]} == {"Lost"}
    assert call("verify", "slow") == "slow: ok\n"
    call("rm", "slow")
    assert os.listdir(lists.folder) == []  # noqa: PTH208 - only whether there is anything
    assert not list(tmp_path.glob("*.teamtask"))
