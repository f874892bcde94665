"""The same command goes on, grows, refuses what has changed, and runs nothing twice."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from run_helpers import Shell


def worked(shell: Shell) -> list[str]:
    log = shell.folder / "log"
    return sorted(log.read_text().split()) if log.exists() else []


def logging(shell: Shell, after: str = "") -> str:
    return shell.script("work", f'echo "$1" >> log\n{after}\n')


def test_a_finished_run_runs_nothing_says_when_and_exits_as_it_did(shell: Shell) -> None:
    command = ("run", "--", logging(shell, '[ "$1" != b ]'), ":::", "a", "b", "c")
    assert shell.run(*command).returncode == 1
    again = shell.run(*command)
    assert again.returncode == 1
    assert re.search(rb"was finished on \d{4}-\d\d-\d\d \d\d:\d\d:\d\d: 2 ok, 1 failed", again.stderr)
    assert b"--fresh" in again.stderr
    assert b"teamtask run --retry-failed" in again.stderr
    assert worked(shell) == ["a", "b", "c"]


def test_retry_failed_works_the_failed_items_again_and_no_others(shell: Shell) -> None:
    command = logging(shell, '[ "$1" != b ] || [ -e mended ]')
    assert shell.run("run", "--", command, ":::", "a", "b", "c").returncode == 1
    shell.write("mended", "")
    done = shell.run("run", "--retry-failed", "--", command, ":::", "a", "b", "c")
    assert done.returncode == 0
    assert b"3 ok, 0 failed" in done.stderr
    assert worked(shell) == ["a", "b", "b", "c"]


def test_retry_failed_of_a_run_that_was_never_begun_is_an_error(shell: Shell) -> None:
    done = shell.run("run", "--retry-failed", "--", "true", ":::", "a")
    assert done.returncode == 255
    assert b"Nothing has failed yet" in done.stderr
    assert shell.names() == []


def test_why_an_item_failed_is_kept_and_shown(shell: Shell) -> None:
    done = shell.run(
        "run", "-q", "--name", "why", "--", "sh", "-c", "echo one >&2; echo no route >&2; exit 4", ":::", "a"
    )
    assert b"exit 4: no route" in done.stderr
    assert b'"error":"no route"' in shell.run("results", "why", "-o", "ndjson").stdout


def test_fresh_works_everything_again(shell: Shell) -> None:
    command = ("--", logging(shell), ":::", "a", "b")
    shell.run("run", *command)
    assert shell.run("run", "--fresh", *command).returncode == 0
    assert worked(shell) == ["a", "a", "b", "b"]


def test_appended_lines_grow_the_list(shell: Shell) -> None:
    command = ("run", "items", "--", logging(shell))
    shell.write("items", "a\nb")
    assert shell.run(*command).returncode == 0
    shell.write("items", "a\nb\nc\nd\n")
    done = shell.run(*command)
    assert done.returncode == 0
    assert b"2 items were added" in done.stderr
    assert b"4 ok" in done.stderr
    assert worked(shell) == ["a", "b", "c", "d"]


def test_other_changes_of_the_items_are_refused_with_a_way_out(shell: Shell) -> None:
    command = ("run", "items", "--", logging(shell))
    shell.write("items", "a\nb\nc\n")
    shell.run(*command)
    for changed in ("a\nx\nc\n", "a\nb\n", "z\na\nb\nc\n"):
        shell.write("items", changed)
        done = shell.run(*command)
        assert done.returncode == 255
        assert b"others than before" in done.stderr
        assert b"--fresh" in done.stderr
    assert worked(shell) == ["a", "b", "c"]
    assert shell.run("run", "--fresh", "items", "--", "./work").returncode == 0


def test_a_name_is_not_reused_for_another_command(shell: Shell) -> None:
    assert shell.run("run", "--name", "n", "--", "true", ":::", "a").returncode == 0
    done = shell.run("run", "--name", "n", "--", "false", ":::", "a")
    assert done.returncode == 255
    assert b"another command" in done.stderr


def test_halt_after_begins_nothing_more(shell: Shell) -> None:
    done = shell.run("run", "-j1", "--halt-after", "2", "--range", "0:100", "--", logging(shell, "exit 7"))
    assert done.returncode == 2
    assert worked(shell) == ["0", "1"]
    assert b"98 left" in done.stderr


def test_retries_try_again_before_an_item_has_failed(shell: Shell) -> None:
    count = '[ $(grep -c "^$1$" log) -ge 3 ]'
    done = shell.run("run", "-j1", "--retries", "2", "--", logging(shell, count), ":::", "a", "b")
    assert done.returncode == 0
    assert worked(shell) == ["a", "a", "a", "b", "b", "b"]


def test_a_timeout_ends_the_command_and_all_that_it_began(shell: Shell) -> None:
    script = shell.script("work", "echo $1 >> log; (sleep 1.5; echo late >> log) & sleep 60\n")
    began = time.monotonic()
    done = shell.run("run", "--timeout", "0.5", "--", script, ":::", "a")
    assert done.returncode == 1
    assert time.monotonic() - began < 30
    assert b"timed out after 0.5 s" in done.stderr
    time.sleep(2)
    assert worked(shell) == ["a"], "the child would have written by now"


def test_children_left_behind_do_not_hold_the_run_up(shell: Shell) -> None:
    began = time.monotonic()
    done = shell.run("run", "-j1", "--", "sh", "-c", "sleep 20 & echo $0", ":::", "a", "b", "c")
    assert done.stdout == b"a\nb\nc\n"
    assert time.monotonic() - began < 10


def test_the_exit_code_counts_failed_items_up_to_a_hundred(shell: Shell) -> None:
    assert shell.run("run", "-q", "--range", "0:100", "--", "false").returncode == 100
    assert shell.run("run", "-q", "--range", "0:150", "--", "false").returncode == 101


def test_dry_run_shows_commands_and_changes_nothing(shell: Shell) -> None:
    shell.write("items", "a b\n$c\n")
    done = shell.run("run", "--dry-run", "items", "--", "echo", "{}")
    assert done.stdout == b"echo 'a b'\necho '$c'\n"
    assert shell.names() == []


def test_results_are_written_at_the_end_also_of_a_finished_run(shell: Shell) -> None:
    command = ("run", "--results", "out.csv", "--", "echo", ":::", "a", "b")
    assert shell.run(*command).returncode == 0
    first = (shell.folder / "out.csv").read_text()
    assert first.startswith("index,item,ok,result,worker,seq\n0,a,true,")
    (shell.folder / "out.csv").unlink()
    assert shell.run(*command).returncode == 0
    assert (shell.folder / "out.csv").read_text() == first
    wrong = shell.run("run", "--results", "out.xls", "--", "echo", ":::", "z")
    assert wrong.returncode == 255
    assert b".csv, .ndjson or .json" in wrong.stderr
    nowhere = shell.run("run", "--results", "none/out.csv", "--", "echo", ":::", "z")
    assert nowhere.returncode == 255
    assert b"There is no folder" in nowhere.stderr
    assert len(shell.names()) == 1, "nothing was begun"


def test_per_block_gives_items_on_stdin_and_takes_a_report(shell: Shell) -> None:
    script = shell.script(
        "work", 'n=$(wc -l); echo "result $1 $n" >> $TEAMTASK_REPORT; echo "$1 $2 $TEAMTASK_SIZE $n"\n'
    )
    done = shell.run(
        "run",
        "-k",
        "-j1",
        "--name",
        "b",
        "--block-size",
        "40",
        "--per-block",
        "--range",
        "0:100",
        "--",
        script,
        "{index}",
        "{size}",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"0 40 40 40\n40 40 40 40\n80 20 20 20\n"


def test_per_block_with_a_fold_prints_it(shell: Shell) -> None:
    script = shell.script("work", "echo \"fold $(awk '{s+=$1} END {print s}')\" >> $TEAMTASK_REPORT\n")
    done = shell.run("run", "--per-block", "--block-size", "300", "--fold", "sum", "--range", "1:1001", "--", script)
    assert done.stdout == b"500500\n", done.stderr


def test_a_bad_item_of_a_block_is_found_and_parked(shell: Shell) -> None:
    script = shell.script("work", "! grep -qx 37\n")
    done = shell.run("run", "--name", "p", "--per-block", "--block-size", "16", "--range", "0:64", "--", script)
    assert done.returncode == 1
    assert b"37" in done.stderr
    assert b"parked" in done.stderr
    assert b"63 ok, 1 failed" in done.stderr


def test_a_block_command_that_never_works_is_given_up_early(shell: Shell) -> None:
    done = shell.run("run", "--per-block", "--block-size", "10", "--range", "0:100000", "--", "false")
    assert done.returncode == 255
    assert b"blocks failed: the command seems to be wrong. The last one: exit 1" in done.stderr


def test_a_wrong_line_in_a_report_is_named(shell: Shell) -> None:
    script = shell.script("work", 'echo "result 99 1" >> $TEAMTASK_REPORT\n')
    done = shell.run("run", "--per-block", "--range", "0:1", "--", script)
    assert done.returncode == 1
    assert b"99 is not in what is left of the block" in done.stderr
