"""`run` hands items to commands unharmed, wherever they come from and whatever they are."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from run_helpers import Shell

PRINT = ("--", "printf", "%s\\n")


def test_a_file_without_a_last_newline_and_with_crlf_gives_its_lines(shell: Shell) -> None:
    shell.write("items", b"a\r\nb\r\n\r\n  \nc")
    done = shell.run("run", "-j1", "items", *PRINT)
    assert done.stdout == b"a\nb\nc\n"
    assert b"Blank lines skipped: 2" in done.stderr
    assert done.returncode == 0


def test_duplicates_are_items_of_their_own(shell: Shell) -> None:
    done = shell.run("run", "-j1", *PRINT, ":::", "a", "a", "b")
    assert done.stdout == b"a\na\nb\n"


def test_nul_separated_items_may_hold_newlines(shell: Shell) -> None:
    done = shell.run("run", "-j1", "-0", "-", "--", "printf", "[%s]", stdin=b"a\nb\0c\0")
    assert done.stdout == b"[a\nb][c]"


@pytest.mark.parametrize(
    "item",
    [
        b"it's", b'"', b"a  b", b"$(touch evil)", b"`touch evil`", b"-rf", b"--help",
        b"\x1b[31m", b"\xff\xfe", b"*", b"a;b", b"\xe2\x82\xac"],
)  # fmt: skip
def test_an_item_reaches_the_command_byte_for_byte(shell: Shell, item: bytes) -> None:
    shell.write("items", item + b"\n")
    assert shell.run("run", "items", "--", "printf", "%s|").stdout == item + b"|"
    assert shell.run("run", "--shell", "items", "--", "printf '%s|' {}").stdout == item + b"|"
    assert not (shell.folder / "evil").exists()


def test_placeholders_are_those_of_gnu_parallel(shell: Shell) -> None:
    done = shell.run("run", "-j1", "--", "echo", "{} {.} {/} {//} {/.} {#} {index}", ":::", "a/b.tar.gz")
    assert done.stdout == b"a/b.tar.gz a/b.tar b.tar.gz a b.tar 1 0\n"


def test_several_lists_of_arguments_make_their_product(shell: Shell) -> None:
    done = shell.run("run", "-k", "--", "echo", "{1}-{2}", ":::", "a", "b", ":::", "1", "2")
    assert done.stdout == b"a-1\na-2\nb-1\nb-2\n"


def test_sources_are_worked_without_a_file(shell: Shell) -> None:
    assert shell.run("run", "-k", "--range", "2:10:3", "--", "echo").stdout == b"2\n5\n8\n"
    assert (
        shell.run("run", "-k", "--strings", "ab", "--length", "1..2", "--", "echo").stdout == b"a\nb\naa\nab\nba\nbb\n"
    )
    assert shell.run("run", "-k", "--mask", "x?d", "--", "echo").stdout.split()[:2] == [b"x0", b"x1"]
    shell.write("three", "a\nb\nc\n")
    assert shell.run("run", "-k", "--permutations", "three", "--", "echo").stdout.split(b"\n")[0] == b"a b c"
    assert shell.run("run", "-k", "--permutations", "three", "--", "echo", "{3}{1}").stdout.split()[:2] == [
        b"ca",
        b"ba",
    ]
    chosen = shell.run("run", "-k", "--combinations", "three", "--choose", "2", "--", "echo", "{1}-{2}")
    assert chosen.stdout == b"a-b\na-c\nb-c\n"
    assert shell.run("run", "-k", "--axis", "r=1,2", "--", "echo", "{r}").stdout == b"1\n2\n"


def test_commands_see_where_they_are(shell: Shell) -> None:
    done = shell.run(
        "run", "--name", "mine", "--", "sh", "-c", "echo $TEAMTASK_INDEX $TEAMTASK_SIZE $TEAMTASK_LIST", ":::", "a"
    )
    assert done.stdout == b"0 1 mine\n"


def test_a_command_that_reads_stdin_finds_it_empty(shell: Shell) -> None:
    shell.write("items", "a\nb\n")
    done = shell.run("run", "-j1", "items", "--", "sh", "-c", "cat; echo $0", stdin=b"not for the command")
    assert done.stdout == b"a\nb\n"


def test_a_line_of_a_megabyte_is_an_outcome_that_says_what_is_wrong(shell: Shell) -> None:
    shell.write("items", b"x" * 1_000_000 + b"\nshort\n")
    done = shell.run("run", "--name", "long", "items", "--", "true")
    assert done.returncode == 1
    assert b"1 ok, 1 failed" in done.stderr
    assert b"exit 126" in done.stderr


def test_output_is_whole_and_kept_with_the_outcome(shell: Shell) -> None:
    done = shell.run(
        "run",
        "-j4",
        "--name",
        "out",
        "--",
        "sh",
        "-c",
        "for i in 1 2 3; do echo $0 $i; sleep 0.01; done; exit 3",
        ":::",
        "a",
        "b",
        "c",
    )
    lines = done.stdout.decode().splitlines()
    assert [lines[i : i + 3] for i in (0, 3, 6)] == [
        [f"{line[0]} 1", f"{line[0]} 2", f"{line[0]} 3"] for line in lines[::3]
    ]
    assert done.returncode == 3
    rows = [json.loads(line) for line in shell.run("results", "out", "-o", "ndjson").stdout.splitlines()]
    assert [row["item"] for row in rows] == ["a", "b", "c"]
    assert rows[0]["result"]["output"] == "a 1\na 2\na 3\n"
    assert rows[0]["result"]["exit"] == 3
    assert rows[0]["ok"] is False


def test_keep_order_writes_in_order_of_index(shell: Shell) -> None:
    done = shell.run("run", "-k", "-j4", "--", "sh", "-c", "sleep 0.$((5-$0)); echo $0", ":::", "1", "2", "3", "4")
    assert done.stdout == b"1\n2\n3\n4\n"


def test_tag_begins_each_line_with_its_item(shell: Shell) -> None:
    done = shell.run("run", "-j1", "--tag", "--", "sh", "-c", "echo one; echo two", ":::", "a")
    assert done.stdout == b"a\tone\na\ttwo\n"


def test_quiet_writes_nothing_of_the_commands(shell: Shell) -> None:
    done = shell.run("run", "-q", "--", "echo", ":::", "a")
    assert done.stdout == b""


MEASURED = """
import resource, subprocess, sys
code = subprocess.run([sys.executable, "-m", "teamtask", *sys.argv[1:]]).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
"""


def test_output_of_any_length_takes_little_memory_and_arrives_whole(shell: Shell) -> None:
    size = 200_000_000
    flood = shell.script("flood", f"head -c {size} /dev/zero\n")
    counted = f"{shlex.join([sys.executable, '-c', MEASURED, 'run', '--', flood, ':::', 'a'])} | wc -c"
    done = subprocess.run(
        ["bash", "-c", counted], cwd=shell.folder, env=shell.environment, capture_output=True, timeout=60, check=True
    )
    assert int(done.stdout) == size
    code, kilobytes = done.stderr.split()[-2:]
    assert int(code) == 0
    assert int(kilobytes) < 150_000
