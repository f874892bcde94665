"""Captured output is handed on whole, to whatever takes it; a full disk is told, not passed over."""

from __future__ import annotations

import os
import resource
import tempfile
import threading
from typing import TYPE_CHECKING, Any

import pytest

from teamtask.worker.captured_output import NOTHING, Captured, OutputNotKept

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    MakeRunner = Callable[..., Any]


def test_output_is_copied_to_a_reader_that_is_slow_and_non_blocking(make_runner: MakeRunner) -> None:
    one = make_runner().run("sh", "-c", "yes 123456789 | head -c 3000000")
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    got: list[bytes] = []

    def read() -> None:
        while chunk := os.read(reading, 5000):
            got.append(chunk)

    thread = threading.Thread(target=read)
    thread.start()
    one.stdout.copy_to(writing)
    os.close(writing)
    thread.join()
    os.close(reading)
    assert b"".join(got) == b"123456789\n" * 300_000
    one.close()
    one.close()


def test_a_reader_that_goes_away_is_told_to_the_caller() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        Captured(b"text").copy_to(writing)
    os.close(writing)


def test_no_output_is_copied_as_nothing(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        NOTHING.copy_to(file.fileno())
    assert (tmp_path / "file").stat().st_size == NOTHING.size == 0


def test_long_output_leaves_no_file_behind(
    make_runner: MakeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    runner = make_runner()
    one = runner.run("sh", "-c", "yes | head -c 500000")
    assert one.stdout.size == 500_000
    assert list(tmp_path.iterdir()) == []  # it has no name even while it is there
    one.close()
    runner.start(0, [b"sh", b"-c", b"yes | head -c 500000; sleep 60"])
    runner.wait(0.3)
    runner.close()


@pytest.mark.parametrize("late", [False, True])
def test_a_disk_that_is_full_ends_that_command_without_an_outcome(make_runner: MakeRunner, late: bool) -> None:  # noqa: FBT001
    # As on a full disk, writing fails; Python ignores the signal that comes with this limit.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    runner = make_runner()
    runner.start("other", [b"sh", b"-c", b"sleep 0.3; echo well"])
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
        runner.start("long", [b"sh", b"-c", b"yes | head -c 280000" if late else b"yes"])
        with pytest.raises(OutputNotKept) as caught:
            runner.wait(20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "TMPDIR" in (caught.value.hint or "")
    (other,) = runner.finish_all()
    assert (other.tag, other.stdout.kept) == ("other", b"well\n")
