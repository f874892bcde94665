"""What is done to state files is done to the run that was meant, and to nothing else."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

from run_helpers import TEAMTASK

if TYPE_CHECKING:
    from run_helpers import Shell


def test_fresh_never_destroys_a_file_that_is_no_state_file(shell: Shell) -> None:
    shell.write("hosts.txt", "h1\n")
    done = shell.run("run", "--fresh", "--state", "hosts.txt", "--", "true", ":::", "a")
    assert done.returncode == 255
    assert (shell.folder / "hosts.txt").read_text() == "h1\n"


def test_fresh_forgets_its_own_run_only(shell: Shell) -> None:
    for words in (("true", ":::", "A"), ("echo", "r2", ":::", "B")):
        assert shell.run("run", "--state", "s", "--", *words).returncode == 0
    done = shell.run("run", "--fresh", "--state", "s", "--", "echo", "r2", ":::", "B")
    assert done.stdout == b"r2 B\n"
    assert b"Nothing to do" in shell.run("run", "--state", "s", "--", "true", ":::", "A").stderr


def test_fresh_makes_room_for_a_damaged_run_of_its_own(shell: Shell) -> None:
    shell.run("run", "--name", "n", "--", "true", ":::", "a")
    (shell.state / "teamtask" / "n.teamtask").write_bytes(b"x" * 10_000)
    assert shell.run("run", "--name", "n", "--", "true", ":::", "a").returncode == 255
    assert shell.run("run", "--fresh", "--name", "n", "--", "true", ":::", "a").returncode == 0


def test_a_copy_that_fails_leaves_the_import_of_the_first_alone(shell: Shell) -> None:
    slow = shell.script("slow", "seq 20; sleep 2; seq 21 30\n")
    line = f"{slow} | XDG_STATE_HOME={shell.state} {' '.join(TEAMTASK)} run --name i - -- true"
    with subprocess.Popen(["sh", "-c", line], cwd=shell.folder, stderr=subprocess.PIPE) as first:
        time.sleep(1)
        assert shell.run("run", "--name", "i", "-", "--", "true").returncode == 255
        assert shell.run("run", "--fresh", "--name", "i", "-", "--", "true").returncode == 255
        _, said = first.communicate(timeout=30)
    assert first.returncode == 0, said
    assert b"30 ok" in said


def test_copies_with_a_pipe_of_their_own_share_the_run(shell: Shell) -> None:
    slow = shell.script("slow", "seq 5; sleep 1; seq 6 10\n")
    line = f"{slow} | XDG_STATE_HOME={shell.state} {' '.join(TEAMTASK)} run --name i - -- sh -c 'echo $0 >> log'"
    copies = [subprocess.Popen(["sh", "-c", line], cwd=shell.folder) for _ in range(2)]
    assert [copy.wait(timeout=30) for copy in copies] == [0, 0]
    assert sorted(map(int, (shell.folder / "log").read_text().split())) == list(range(1, 11))


def test_copies_that_find_the_same_new_lines_add_them_once(shell: Shell) -> None:
    shell.write("items", "".join(f"{i}\n" for i in range(20_000)))
    command = ("run", "-q", "--name", "g", "--per-block", "items", "--", "cat")
    assert shell.run(*command).returncode == 0
    shell.write("items", "".join(f"{i}\n" for i in range(40_000)))
    copies = [shell.start(*command) for _ in range(3)]
    assert [copy.wait(timeout=60) for copy in copies] == [0, 0, 0]
    shell.write("items", "".join(f"{i}\n" for i in range(40_010)))
    done = shell.run(*command)
    assert done.returncode == 0, done.stderr
    assert b"10 items were added" in done.stderr
    assert shell.run("verify", "g").returncode == 0


def test_many_failed_items_far_apart_are_tried_again(shell: Shell) -> None:
    script = shell.script("work", 'while read i; do echo "result $i $((i % 2))"; done >> $TEAMTASK_REPORT\n')
    assert shell.run("run", "--name", "m", "--per-block", "--range", "0:5000", "--", script).returncode == 0
    assert b"5000" in shell.run("rerun", "m", "--all").stderr
    assert shell.run("run", "--name", "m", "--per-block", "--range", "0:5000", "--", script).returncode == 0
    assert shell.run("verify", "m").returncode == 0
