"""Reports on disk: what is kept is found whole, by one process at a time, and only once its writer is dead."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teamtask.client.spool import Spool, SpoolFull, SpoolNotWritable

if TYPE_CHECKING:
    from pathlib import Path

lines = st.binary(min_size=1).map(lambda line: line.replace(b"\n", b"\\n"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def left_in(folder: Path, list_id: str = "a") -> list[list[bytes]]:
    return [list(left.exchanges()) for left in Spool(list_id, folder=folder).left_over()]


@given(st.lists(lines, min_size=1, max_size=5), st.integers(0, 30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each time the folder is emptied
def test_what_was_kept_is_found_but_for_a_line_that_was_torn(folder: Path, kept: list[bytes], torn: int) -> None:
    spool = Spool("a", folder=folder)
    for line in kept:
        spool.keep(line)
    spool.close()
    (path,) = folder.glob("*.spool")
    os.truncate(path, max(0, path.stat().st_size - torn))
    whole = b"".join(line + b"\n" for line in kept)[: path.stat().st_size].split(b"\n")[:-1]
    for left in Spool("a", folder=folder).left_over():
        assert list(left.exchanges()) == whole
        left.remove()
    assert not list(folder.iterdir())


def test_files_are_for_their_user_only(folder: Path) -> None:
    spool = Spool("a", folder=folder)
    spool.keep(b"1")
    (path,) = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    spool.close()


def test_a_list_has_files_of_its_own(folder: Path) -> None:
    for list_id in ("a", "a.b", "../a", "*"):
        spool = Spool(list_id, folder=folder)
        spool.keep(list_id.encode())
        spool.close()
    assert [left_in(folder, list_id) for list_id in ("a.b", "../a", "*", "b")] == [
        [[b"a.b"]],
        [[b"../a"]],
        [[b"*"]],
        [],
    ]
    assert all(path.parent == folder for path in folder.glob("**/*.spool"))


def test_what_is_cleared_is_gone_and_the_next_one_begins_anew(folder: Path) -> None:
    spool = Spool("a", folder=folder)
    assert not spool.has_kept
    spool.keep(b"1")
    assert spool.has_kept
    spool.clear()
    assert not list(folder.iterdir())
    spool.keep(b"2")
    spool.close()
    assert left_in(folder) == [[b"2"]]


def test_what_a_living_process_keeps_is_its_own(folder: Path) -> None:
    spool = Spool("a", folder=folder)
    spool.keep(b"1")
    assert left_in(folder) == []
    spool.close()
    assert left_in(folder) == [[b"1"]]


def test_only_one_takes_over_what_a_dead_process_left(folder: Path) -> None:
    spool = Spool("a", folder=folder)
    spool.keep(b"1")
    spool.close()
    for left in Spool("a", folder=folder).left_over():
        assert left_in(folder) == []  # somebody else came at the same time
        left.remove()
    assert left_in(folder) == []


def test_who_dies_while_taking_over_leaves_it_to_the_next_one(folder: Path) -> None:
    spool = Spool("a", folder=folder)
    spool.keep(b"1")
    spool.close()
    for left in Spool("a", folder=folder).left_over():
        assert list(left.exchanges()) == [b"1"]
    assert left_in(folder) == [[b"1"]]


DIES = """
import os, pathlib, signal, sys
from teamtask.client.spool import Spool
spool = Spool("a", folder=pathlib.Path(sys.argv[1]))
spool.keep(b"1")
os.write(spool._file, b"half")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kill_9_leaves_what_was_kept_to_the_next_one(folder: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", DIES, folder], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert left_in(folder) == [[b"1"]]


def test_it_does_not_grow_for_ever(folder: Path) -> None:
    others = Spool("b", folder=folder)
    others.keep(b"12345")
    spool = Spool("a", folder=folder, bytes_max=13)
    spool.keep(b"123456")
    with pytest.raises(SpoolFull) as full:
        spool.keep(b"1")
    assert full.value.hint is not None
    others.clear()
    spool.keep(b"1")
    spool.close()
    assert left_in(folder) == [[b"123456", b"1"]]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpoolNotWritable, match="Not a directory"):
        Spool("a", folder=tmp_path / "file" / "spool").keep(b"1")


def test_nothing_is_made_where_nothing_is_kept(folder: Path) -> None:
    assert left_in(folder) == []
    Spool("a", folder=folder).close()
    assert not folder.exists()
