"""`run` with commands that report badly, are interrupted, or say more than can be kept: said at once, nothing lost."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from run_helpers import Shell

TOO_SOON_SECONDS = 40  # a lease of a worker that is not heard of lasts longer


def blocks(shell: Shell, script: str, *flags: str, items: int = 3) -> subprocess.CompletedProcess[bytes]:
    """Run a command of sh for each block, so quickly that no lease can have expired."""
    words = ("run", "--name", "b", "--per-block", "-j2", "--range", f"0:{items}", *flags)
    return shell.run(*words, "--", "sh", "-c", script, timeout=TOO_SOON_SECONDS)


def results(shell: Shell) -> dict[int, object]:
    lines = shell.run("results", "b", "-o", "ndjson").stdout.splitlines()
    return {line["index"]: line["result"] for line in map(json.loads, lines)}


def wait_for(shell: Shell, name: str) -> None:
    until = time.monotonic() + 20
    while not (shell.folder / name).exists():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_bad_line_of_a_report_is_said_and_what_was_told_before_it_is_kept(shell: Shell) -> None:
    script = """
    if [ "$TEAMTASK_INDEX" = 0 ]; then echo "result 0 1"; echo "upto 1"; fi >>"$TEAMTASK_REPORT"
    echo bogus >>"$TEAMTASK_REPORT"
    echo "result 1 2" >>"$TEAMTASK_REPORT"
    sleep 0.2
    """
    done = blocks(shell, script, "--block-size", "3")
    assert done.returncode != 0
    assert b"'bogus': that is no line of a report" in done.stdout + done.stderr
    assert results(shell) == {0: 1}


@pytest.mark.parametrize(
    "fold", ['"abc"', "NaN", "null", "9" * 4291, "[" * 200_000, '"\\ud800"'],
    ids=["text", "NaN", "null", "digits", "nested", "surrogate"],
)  # fmt: skip
def test_a_fold_that_is_refused_fails_the_block_at_once_with_the_reason(shell: Shell, fold: str) -> None:
    shell.write("line", f"fold {fold}\n")
    done = blocks(shell, 'cat line >>"$TEAMTASK_REPORT"', "--fold", "sum")
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert b"not heard of" not in said
    assert b"Traceback" not in said
    assert b"no value of the fold" in said or b"Line 1 of the report" in said, said


def test_folds_that_are_all_refused_stop_the_run(shell: Shell) -> None:
    done = blocks(shell, 'echo "fold true" >>"$TEAMTASK_REPORT"', "--fold", "sum", "--block-size", "10", items=10_000)
    assert done.returncode == 255
    assert b"the command seems to be wrong" in done.stderr
    assert b"That is no value of the fold 'sum'." in done.stderr


def test_what_a_report_holds_of_a_fold_before_the_refused_one_counts(shell: Shell) -> None:
    script = """
    if [ "$TEAMTASK_INDEX" = 0 ]; then echo "upto 1"; echo "fold 5"; fi >>"$TEAMTASK_REPORT"
    echo "fold true" >>"$TEAMTASK_REPORT"
    """
    done = blocks(shell, script, "--fold", "sum", "--block-size", "3")
    assert done.returncode == 2, "the first item is done, the two others are parked"


def test_a_folder_in_the_place_of_the_report_fails_the_block(shell: Shell) -> None:
    done = blocks(shell, 'mkdir -p "$TEAMTASK_REPORT/inside"')
    said = done.stdout + done.stderr
    assert done.returncode == 3
    assert b"The report is not a file." in said
    assert b"Traceback" not in said


def test_a_report_with_a_hundred_thousand_results_is_kept_whole(shell: Shell) -> None:
    script = """seq 0 99999 | sed 's/.*/result & "outcome of &"/' >>"$TEAMTASK_REPORT" """
    done = blocks(shell, script, "--block-size", "100000", items=100_000)
    assert done.returncode == 0, done.stderr
    kept = results(shell)
    assert len(kept) == 100_000
    assert kept[77_777] == "outcome of 77777"


def test_ctrl_c_leaves_an_item_that_has_tries_left_to_the_next_run(shell: Shell) -> None:
    script = shell.script("try", 'if [ -e "again-$1" ]; then exit 0; fi; : >began; sleep 1; exit 1\n')
    command = ("run", "--name", "b", "-j1", "--retries", "5", "--", script, ":::", "a", "b")
    process = shell.start(*command)
    wait_for(shell, "began")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    assert results(shell) == {}
    shell.write("again-a", "")
    shell.write("again-b", "")
    assert shell.run(*command).returncode == 0
    assert len(results(shell)) == 2


def test_ctrl_c_leaves_a_block_that_has_tries_left_to_the_next_run(shell: Shell) -> None:
    script = shell.script("try", "if [ -e again ]; then exit 0; fi; : >began; sleep 0.5; exit 1\n")
    command = ("run", "--name", "b", "--per-block", "-j1", "--retries", "5", "--range", "0:1", "--", script)
    for _ in range(3):  # so many failures would park the item
        process = shell.start(*command)
        wait_for(shell, "began")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
        (shell.folder / "began").unlink()
    shell.write("again", "")
    assert shell.run(*command).returncode == 0


def test_halting_leaves_items_that_have_tries_left_to_the_next_run(shell: Shell) -> None:
    # The first item has used its tries up when the second is still at its first one.
    script = shell.script("try", 'if [ -e again ]; then exit 0; fi; if [ "$1" = b ]; then sleep 1.5; fi; exit 1\n')
    command = ("run", "--name", "b", "-j2", "--retries", "1", "--halt-after", "1", "--", script, ":::", "a", "b")
    assert shell.run(*command).returncode != 0
    assert list(results(shell)) == [0]
    shell.write("again", "")
    assert shell.run(*command).returncode == 1
    assert list(results(shell)) == [0, 1]


def test_a_command_that_ended_while_we_were_stopped_is_not_late(shell: Shell) -> None:
    script = shell.script("work", ": >began; sleep 1\n")
    process = shell.start("run", "--name", "b", "-j1", "--timeout", "2", "--", script, ":::", "a")
    wait_for(shell, "began")
    process.send_signal(signal.SIGSTOP)
    time.sleep(3)
    process.send_signal(signal.SIGCONT)
    assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("flags", [(), ("--per-block",)], ids=["items", "blocks"])
def test_output_that_cannot_be_kept_stops_the_run_and_releases_the_item(shell: Shell, flags: tuple[str, ...]) -> None:
    limit_bytes = 2_000_000

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    script = shell.script("work", "if [ -e again ]; then exit 0; fi; head -c 5000000 /dev/zero\n")
    command = ("run", "--name", "b", "-j1", *flags, "--", script)
    items = () if flags else (":::", "a", "b")
    if flags:
        command = ("run", "--name", "b", "-j1", *flags, "--range", "0:2", "--", script)
    process = shell.start(*command, *items, stderr=subprocess.PIPE, preexec_fn=limit)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 255
    assert b"The output of a command could not be kept" in said
    assert b"Traceback" not in said
    shell.write("again", "")
    assert shell.run(*command, *items).returncode == 0
