"""State files of runs that ended long ago are tidied away, and no others."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from teamtask.ledger.errors import InvalidField
from teamtask.local.state_files import default_name, path_of, state_files, tidy
from teamtask.wire.requests import check_name

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def run(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "teamtask", "run", *words], check=False, capture_output=True)


def aged(name: str, days: int) -> None:
    then = time.time() - days * DAY
    os.utime(path_of(name), (then, then))


def test_only_what_ended_long_ago_is_tidied_away() -> None:
    run("--name", "ended", "--", "true", ":::", "a")
    run("--name", "halted", "-j1", "--halt-after", "1", "--", "false", ":::", "a", "b")
    path_of("damaged").write_bytes(os.urandom(10_000))
    for name in ("ended", "halted", "damaged"):
        aged(name, 40)
    assert list(tidy(time.time())) == [], "the file is old, but the run it tells of ended just now"
    aged("ended", 40)
    assert list(tidy(time.time() + 40 * DAY, spared=path_of("ended"))) == []
    assert list(tidy(time.time() + 40 * DAY)) == ["ended"]
    assert [path.stem for path in state_files()] == ["damaged", "halted"]


def test_a_state_folder_that_is_missing_or_a_file_holds_no_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "none"))
    assert state_files() == []
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert state_files() == []
    assert list(tidy(time.time())) == []


def test_a_run_is_known_by_folder_and_by_what_it_does() -> None:
    names = {
        default_name("/a", {"command": ["ping"]}, ("ping", "hosts.txt")),
        default_name("/b", {"command": ["ping"]}, ("ping", "hosts.txt")),
        default_name("/a", {"command": ["ping", "-c1"]}, ("ping", "hosts.txt")),
    }
    assert len(names) == 3
    assert all(name.startswith("ping-hosts-") for name in names)
    assert default_name("/a", {}, ("", "")).startswith("run-")


@pytest.mark.parametrize("name", ["", "a/b", "../x", ".hidden", "-f", "a b", "a\n", "x" * 64, "é", "a\0"])
def test_a_name_that_is_no_plain_file_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidField):
        check_name(name)
