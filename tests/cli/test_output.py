"""Watching."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from teamtask.cli import output
from teamtask.cli.output import watch

if TYPE_CHECKING:
    import pytest


def drawing(*texts: str) -> Any:
    left = list(texts)

    def draw() -> tuple[str, bool]:
        return left.pop(0), not left

    return draw


def test_where_there_is_no_terminal_it_is_written_again_when_it_has_changed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "WATCH_SECONDS", 0)
    watch(drawing("a\n", "a\n", "b\n", "b\n", "a\n"))
    assert capsys.readouterr().out == "a\nb\na\n"


def test_a_terminal_shows_it_in_one_place_and_no_more_than_fits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "WATCH_SECONDS", 0)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "10")
    monkeypatch.setenv("LINES", "4")
    watch(drawing("one\n", "a line of more than ten\nand\nno more\n", "end\n"))
    clear = "\r\x1b[J"
    shown = capsys.readouterr().out
    assert shown == f"{clear}one\n\x1b[1A{clear}a line of more than ten\n\x1b[3A{clear}end\n"


def test_ctrl_c_ends_watching_without_an_error(lists: Any) -> None:
    lists.create("far", {"kind": "range", "start": 0, "stop": 10**30})
    lists.close()
    command = [sys.executable, "-m", "teamtask", "ls", "-w"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"NAME")
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, b"")
