"""Whatever is wrong is said in a sentence with a way out, nothing is changed, and nobody sees a traceback."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from run_helpers import Shell


def refused(shell: Shell, *words: str, said: str, stdin: bytes = b"", code: int = 255) -> str:
    done = shell.run(*words, stdin=stdin)
    text = done.stderr.decode("utf-8", "replace")
    assert "Traceback" not in text
    assert said in text, text
    assert done.returncode == code
    assert done.stdout == b""
    assert shell.names() == [], "nothing is left behind"
    return text


def test_a_missing_file(shell: Shell) -> None:
    refused(shell, "run", "nofile", "--", "true", said="nofile cannot be read: No such file")


def test_a_folder_in_place_of_a_file(shell: Shell) -> None:
    refused(shell, "run", ".", "--", "true", said=". is a folder")


def test_an_empty_list(shell: Shell) -> None:
    shell.write("empty", "\n \n")
    refused(shell, "run", "empty", "--", "true", said="There are no items in empty")
    refused(shell, "run", "-", "--", "true", said="There are no items in stdin")
    refused(shell, "run", "--range", "5:5", "--", "true", said="empty")
    refused(shell, "run", "--", "true", ":::", said="no items after :::")


def test_a_command_that_does_not_exist_is_one_error(shell: Shell) -> None:
    text = refused(shell, "run", "--range", "0:10000", "--", "no-such-command", said="'no-such-command'")
    assert len(text.splitlines()) <= 3


def test_a_command_that_may_not_be_executed(shell: Shell) -> None:
    shell.write("script", "#!/bin/sh\n")
    refused(shell, "run", "--", "./script", ":::", "a", said="script")


def test_a_command_without_a_place_for_the_item_that_always_fails_is_told_where_it_was(shell: Shell) -> None:
    hint = b"The command has no {}, so the item was its last argument: ls -d ITEM\n"
    assert hint in shell.run("run", "-q", "--", "ls", "-d", ":::", "a", "b").stderr
    assert hint not in shell.run("run", "-q", "--", "ls", "-d", "{}", ":::", "a", "b").stderr
    shell.write("a", "")
    assert hint not in shell.run("run", "-q", "--fresh", "--", "ls", "-d", ":::", "a", "b").stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-j", "0"), "-j takes a number from 1"),
        (("-j", "-3"), "-j takes a number from 1"),
        (("-j", "many"), "-j takes a number from 1"),
        (("--block-size", "0"), "block-size"),
        (("--block-size", "-1"), "block-size"),
        (("--timeout", "0"), "timeout"),
        (("--timeout", "soon"), "timeout"),
        (("--halt-after", "0"), "halt-after"),
        (("--retries", "-1"), "retries"),
        (("--no-such-flag",), "no-such-flag"),
        (("--fold", "sum"), "--fold needs"),
        (("--name", "a/b"), "is no name"),
        (("--name", ""), "is no name"),
        (("--name", "x" * 64), "is no name"),
        (("--length", "3"), "--length needs --strings"),
        (("--range", "1:3"), "give only one of them"),
        (("--python", "m:f"), "not both"),
    ],
)
def test_a_wrong_flag(shell: Shell, words: tuple[str, ...], said: str) -> None:
    refused(shell, "run", *words, "--", "true", ":::", "a", said=said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--range", "1"), "START:STOP"),
        (("--range", "1:b"), "--range 2:10"),
        (("--range", "1:5:0"), "step"),
        (("--strings", "abc"), "--length"),
        (("--strings", "aa", "--length", "2"), "alphabet"),
        (("--strings", "ab", "--length", "-1"), "length"),
        (("--mask", "?x"), "--mask knows"),
        (("--axis", "rate"), "NAME=VALUE"),
        (("--permutations", "nofile"), "cannot be read"),
        (("--combinations", "nofile"), "--choose"),
        (("--range", "1:3", "--strings", "ab", "--length", "1"), "exclude one another"),
    ],
)
def test_a_wrong_source(shell: Shell, words: tuple[str, ...], said: str) -> None:
    refused(shell, "run", *words, "--", "true", said=said)


def test_no_command_and_no_dashes(shell: Shell) -> None:
    shell.write("items", "a\n")
    refused(shell, "run", "items", said="Put -- before the command")
    refused(shell, "run", "items", "true", said="Put -- before the command")
    refused(shell, "run", "items", "--", said="There is no command")


def test_a_block_larger_than_the_list_is_the_list(shell: Shell) -> None:
    done = shell.run("run", "--block-size", "1000", "--per-block", "--", "wc", "-l", ":::", "a", "b")
    assert done.stdout.split() == [b"2"]


def test_an_unknown_placeholder_is_left_alone_and_a_wrong_column_refused(shell: Shell) -> None:
    assert shell.run("run", "--", "echo", "{nothing} {}", ":::", "a").stdout == b"{nothing} a\n"


@contextmanager
def small_file_system(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_stops_the_run_which_goes_on_when_there_is_room(shell: Shell) -> None:
    with small_file_system(shell.state, "size=1m") as disk:
        shell.write("items", "".join(f"{i}\n" for i in range(300)))
        command = ("run", "-q", "-j2", "items", "--", shell.script("work", "head -c 20000 /dev/zero | tr '\\0' x\n"))
        done = shell.run(*command)
        text = done.stderr.decode()
        assert done.returncode == 255, text
        assert "Traceback" not in text
        assert "full" in text
        assert "Free some space" in text
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        done = shell.run(*command)
        assert done.returncode == 0, done.stderr
        name = shell.names()[0]
        assert shell.run("verify", name).returncode == 0
        assert shell.run("blocks", name, "--state", "done", "-o", "json").stdout.count(b'"index"') == 1


def test_a_full_inode_table(shell: Shell) -> None:
    with small_file_system(shell.state, "size=1m,nr_inodes=2"):
        (shell.state / "teamtask").mkdir()
        done = shell.run("run", "--", "true", ":::", "a")
        assert done.returncode == 255
        assert b"Traceback" not in done.stderr
        assert b"No space left" in done.stderr or b"full" in done.stderr


def test_a_read_only_state_folder(shell: Shell) -> None:
    with small_file_system(shell.state, "size=1m"):
        shell.write("items", "a\n")
        assert shell.run("run", "items", "--", "true").returncode == 0
        subprocess.run(["mount", "-o", "remount,ro", str(shell.state)], check=True)
        for words in (("run", "items", "--", "true"), ("run", "items", "--", "false")):
            done = shell.run(*words)
            assert b"Traceback" not in done.stderr
            assert done.returncode in (0, 255)
        assert done.returncode == 255
        assert b"cannot be written: read-only file system" in done.stderr


def test_a_damaged_state_file(shell: Shell) -> None:
    shell.write("state", os.urandom(20_000))
    done = shell.run("run", "--state", "state", "--", "true", ":::", "a")
    assert done.returncode == 255
    assert b"Traceback" not in done.stderr
    assert b"is damaged (file is not a database)" in done.stderr
    assert b"name another file with `--state`" in done.stderr
    assert (shell.folder / "state").stat().st_size == 20_000, "it is left as it is"


def test_a_state_file_of_a_newer_version(shell: Shell) -> None:
    assert shell.run("run", "--state", "state", "--", "true", ":::", "a").returncode == 0
    connection = sqlite3.connect(shell.folder / "state")
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    done = shell.run("run", "--state", "state", "--", "true", ":::", "a")
    assert done.returncode == 255
    assert b"newer version" in done.stderr


def test_a_state_folder_that_is_a_file(shell: Shell) -> None:
    shell.state.write_text("")
    done = shell.run("run", "--", "true", ":::", "a")
    assert done.returncode == 255
    assert b"cannot be made" in done.stderr
    assert b"XDG_STATE_HOME" in done.stderr
