"""What `run` reads and writes may be closed, full, broken or a terminal: the work goes on, or a sentence says why."""

from __future__ import annotations

import fcntl
import os
import pty
import shlex
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING

import pytest
from run_helpers import TEAMTASK

if TYPE_CHECKING:
    from run_helpers import Shell


def bash(shell: Shell, script: str) -> subprocess.CompletedProcess[bytes]:
    """Run a script in which T is teamtask."""
    return subprocess.run(
        ["bash", "-c", f'T() {{ {shlex.join(TEAMTASK)} "$@"; }}\n{script}'],
        cwd=shell.folder, env=shell.environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
    )  # fmt: skip


def wait_for(shell: Shell, name: str) -> None:
    """Wait until a file has something in it."""
    path = shell.folder / name
    for _ in range(1_000):
        if path.exists() and path.stat().st_size:
            return
        time.sleep(0.02)
    raise AssertionError(f"nothing came into {name}")


def terminal(shell: Shell, *words: str) -> tuple[int, str]:
    """Run `teamtask WORDS` with a terminal of 60 columns; give the exit code and what was written there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    with shell.start(*words, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                written += os.read(ours, 65_536)
            except OSError:  # the other end is closed
                break
        code = process.wait()
    os.close(ours)
    return code, written.decode()


def test_a_dry_run_that_nobody_reads_is_an_error_of_its_own(shell: Shell) -> None:
    done = bash(shell, "(sleep 0.1; T run --dry-run --range 0:100 -- true; echo $? > code) | true")
    assert (shell.folder / "code").read_text() == "255\n"
    assert done.stderr == b""


def test_a_run_whose_messages_nobody_reads_works_to_its_end(shell: Shell) -> None:
    slow = shell.script("slow", "echo to stderr >&2; sleep 0.1; echo $1 >> log; exit $1\n")
    bash(shell, f"(T run -j1 --name n -- {slow} ::: 0 1 0 2>&1 >out; echo $? > code) | true")
    wait_for(shell, "code")
    assert (shell.folder / "code").read_text() == "1\n"
    assert (shell.folder / "log").read_text() == "0\n1\n0\n"
    assert b'"lease"' not in shell.run("blocks", "n", "--state", "leased", "-o", "ndjson").stdout


def test_output_that_nobody_reads_stops_the_run_in_good_order(shell: Shell) -> None:
    done = bash(shell, "(T run -j1 --name n --range 0:1000 -- echo; echo $? > code) | head -n1")
    assert done.stdout == b"0\n"
    assert (shell.folder / "code").read_text() == "255\n"
    assert b"stdout cannot be written (Broken pipe), so nothing more was begun." in done.stderr
    assert b"the same command goes on" in done.stderr


def test_a_closed_stdout_is_no_trouble_where_nothing_is_written(shell: Shell) -> None:
    done = bash(shell, "T run -- true ::: a >&-")
    assert (done.returncode, done.stderr) == (0, b"1 ok, 0 failed, 0 s\n")


def test_a_closed_stdout_is_said_where_something_is_written(shell: Shell) -> None:
    done = bash(shell, "T run -- echo ::: a >&-")
    assert done.returncode == 255
    assert b"stdout cannot be written (Bad file descriptor)" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("items", ["", "-"])
def test_a_closed_stdin_has_no_items(shell: Shell, items: str) -> None:
    done = bash(shell, f"T run {items} -- true <&-")
    assert done.returncode == 255
    assert b"stdin cannot be read: Bad file descriptor" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_closed_stderr_says_nothing_and_works(shell: Shell) -> None:
    done = bash(shell, "T run -k -- sh -c 'echo $0; echo no >&2' ::: a b 2>&-")
    assert (done.returncode, done.stdout) == (0, b"a\nb\n")
    assert bash(shell, "T run -- 2>&-").returncode == 255


def test_stdout_on_a_full_disk_is_an_error(shell: Shell) -> None:
    done = bash(shell, "T --help > /dev/full")
    assert (done.returncode, done.stderr) == (1, b"teamtask: No space left on device\n")
    assert bash(shell, "T run --dry-run -- true ::: a > /dev/full").returncode == 255


def test_a_signal_that_nohup_has_taken_away_stays_away(shell: Shell) -> None:
    script = shell.script("slow", "echo began >> log; while [ ! -e go ]; do sleep 0.02; done\n")
    process = subprocess.Popen(
        ["nohup", *TEAMTASK, "run", "--", script, ":::", "a"], cwd=shell.folder, env=shell.environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for(shell, "log")
    process.send_signal(1)
    process.send_signal(1)
    time.sleep(0.2)
    shell.write("go", "")
    assert process.wait(timeout=20) == 0


def test_a_stdout_that_does_not_block_is_waited_for(shell: Shell) -> None:
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with shell.start("run", "--tag", "--", "sh", "-c", "seq 50000", ":::", "a", stdout=theirs) as process:
        os.close(theirs)
        time.sleep(0.5)  # the pipe is full by now
        with open(ours, "rb") as stream:  # noqa: PTH123 - a descriptor has no path
            lines = stream.read().splitlines()
        assert process.wait(timeout=20) == 0
    assert len(lines) == 50_000
    assert lines[-1] == b"a\t50000"


def test_keep_order_needs_few_descriptors_however_much_waits(shell: Shell) -> None:
    script = shell.script(
        "work",
        "i=0; [ $1 != 0 ] || while [ ! -e last ] && [ $i -lt 400 ]; do i=$((i+1)); sleep 0.05; done\n"
        "head -c 70000 /dev/zero; [ $1 != 159 ] || echo > last\n",
    )
    done = bash(shell, f"ulimit -Sn 110 -Hn 110; T run -k -j3 --range 0:160 -- {script} > out")
    assert done.stderr.splitlines()[-1].startswith(b"160 ok, 0 failed"), done.stderr
    assert done.returncode == 0
    assert (shell.folder / "last").exists()
    assert (shell.folder / "out").stat().st_size == 160 * 70_000


def test_a_list_of_any_length_has_a_progress_line(shell: Shell) -> None:
    size = 10**400
    code, shown = terminal(
        shell, "run", "-j1", "--per-block", "--block-size", str(size // 2), "--range", f"0:{size}", "--",
        "sleep", "0.4",
    )  # fmt: skip
    assert code == 0, shown
    assert "0/1.0e400" in shown
    assert "5.0e399/1.0e400" in shown


def test_the_progress_line_is_no_longer_than_the_terminal_and_goes_away(shell: Shell) -> None:
    code, shown = terminal(shell, "run", "-j1", "--range", "0:3", "--", "sh", "-c", "sleep 0.2; echo out")
    assert code == 0
    drawn = [part.split("\r\n")[0] for part in shown.split("\r\x1b[2K")]
    assert any("items/s" in part for part in drawn)
    assert max(map(len, drawn)) < 60
    assert [part for part in drawn if part == "out"] == ["out"] * 3


BROKEN = """
import sys
import teamtask.cli.run_flags
teamtask.cli.run_flags.request_of_flags = None
from teamtask.cli.main import main
main()
"""


def test_an_unexpected_error_is_a_sentence_that_says_how_to_see_more(shell: Shell) -> None:
    for more in ({}, {"TEAMTASK_TRACEBACK": "1"}):
        done = subprocess.run(
            [TEAMTASK[0], "-c", BROKEN, "run", "--", "true", ":::", "a"],
            cwd=shell.folder, env={**shell.environment, **more}, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 255
        assert b"this is a bug of Teamtask: TypeError" in done.stderr
        assert (b"Traceback" in done.stderr) == bool(more)
        assert (b"TEAMTASK_TRACEBACK=1" in done.stderr) != bool(more)
