"""`work --per-block`: a command for each block, with the items on its stdin and a report of what it has done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from server_helpers import ended, wait_until

if TYPE_CHECKING:
    from server_helpers import WorkShell


def test_a_command_gets_the_items_of_its_block_on_stdin(worker: WorkShell) -> None:
    name = worker.server.numbers(25, block={"size": 10})
    script = 'echo "$0 $1 $TEAMTASK_INDEX $TEAMTASK_SIZE $TEAMTASK_LIST" $(cat)'
    done = worker.work(name, "-j1", "--per-block", "--", "sh", "-c", script, "{index}", "{size}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines() == [
        f"{index} {size} {index} {size} {name} " + " ".join(map(str, range(index, index + size)))
        for index, size in ((0, 10), (10, 10), (20, 5))
    ]
    assert b"blocks 3 ok, 0 failed here" in done.stderr
    shown = worker.server.show(name)
    assert (shown["state"], shown["done"], shown["results"]) == ("complete", 25, 0)


def test_lines_reach_stdin_byte_for_byte_and_nul_keeps_newlines_apart(worker: WorkShell) -> None:
    text = b"a  b\n\xff\xfe\n\xe2\x82\xac\n"
    name = worker.server.lines(text)
    done = worker.work(name, "-j1", "--per-block", "--", "cat")
    assert done.stdout == text
    name = worker.server.lines(text)
    done = worker.work(name, "-j1", "-0", "--per-block", "--", "cat")
    assert done.stdout == text.replace(b"\n", b"\0")


def test_results_of_a_report_are_recorded(worker: WorkShell) -> None:
    start = 2**60
    name = worker.server.create({"kind": "range", "start": 5, "stop": 45}, start=str(start), block={"size": 10})
    script = """
    at=$TEAMTASK_INDEX
    while read n; do
        test $((n % 3)) = 0 && echo "result $at {\\"n\\": $n}" >>"$TEAMTASK_REPORT"
        at=$((at + 1))
    done
    """
    done = worker.work(name, "-j2", "--per-block", "--", "sh", "-c", f"{script} true")
    assert done.returncode == 0, done.stderr
    assert worker.server.outcomes(name) == {start + n - 5: {"n": n} for n in range(6, 45, 3)}
    assert worker.server.show(name)["state"] == "complete"


def test_what_a_report_tells_is_recorded_while_the_command_goes_on(worker: WorkShell) -> None:
    name = worker.server.numbers(20, block={"size": 20})
    script = 'echo "result 3 \\"found\\"\nupto 5" >>"$TEAMTASK_REPORT"; while ! test -e go-on; do sleep 0.05; done'
    process = worker.begin_work(name, "--per-block", "--", "sh", "-c", script)
    try:
        wait_until(lambda: worker.server.show(name)["done"] == 5)
        assert worker.server.outcomes(name) == {3: "found"}
    finally:
        worker.write("go-on", "")
    assert ended(process)[0] == 0
    assert worker.server.show(name)["state"] == "complete"


def test_folds_of_blocks_make_the_fold_of_the_list(worker: WorkShell) -> None:
    name = worker.server.numbers(1000, fold="sum", block={"size": 70})
    script = """
    n=$TEAMTASK_INDEX; last=$((n + TEAMTASK_SIZE)); sum=0
    while test $n -lt $last; do
        sum=$((sum + n)); n=$((n + 1))
        if test $((n % 30)) = 0; then echo "upto $n\nfold $sum" >>"$TEAMTASK_REPORT"; sum=0; fi
    done
    test $((n % 30)) = 0 || echo "fold $sum" >>"$TEAMTASK_REPORT"
    """
    done = worker.work(name, "-j3", "--per-block", "--", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    shown = worker.server.show(name)
    assert (shown["state"], shown["fold"]) == ("complete", sum(range(1000)))


def test_a_block_that_fails_is_divided_until_the_bad_item_is_parked(worker: WorkShell) -> None:
    name = worker.server.numbers(8, block={"size": 8}, attempts=2)
    done = worker.work(name, "-j1", "--per-block", "--", "sh", "-c", "! grep -qx 5")
    assert done.returncode == 0, done.stderr
    shown = worker.server.show(name)
    assert (shown["state"], shown["done"], shown["parked"]) == ("complete_except", 7, 1)
    assert f"{name} is complete except".encode() in done.stderr


def test_retries_try_a_block_again_before_it_fails(worker: WorkShell) -> None:
    name = worker.server.numbers(8, block={"size": 4}, attempts=1)
    script = 'echo "$TEAMTASK_INDEX" >>tries; test "$(grep -cx "$TEAMTASK_INDEX" tries)" = 3'
    done = worker.work(name, "-j1", "--retries", "2", "--per-block", "--", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    assert worker.server.show(name)["state"] == "complete"
    assert worker.count("tries") == 6


def test_a_command_that_is_wrong_is_given_up(worker: WorkShell) -> None:
    name = worker.server.numbers(1000, block={"size": 1})
    done = worker.work(name, "-j2", "--per-block", "--", "sh", "-c", "echo no such option >&2; exit 2")
    assert done.returncode == 1
    assert b"the command seems to be wrong" in done.stderr
    assert b"no such option" in done.stderr
    shown = worker.server.show(name)
    assert (shown["state"], shown["done"], shown["leased"]) == ("running", 0, 0)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("bogus", "that is no line of a report"),
        ("result 0 [1, NaN]", "NaN is no JSON"),
        ("result 0 " + "[" * 150 + "]" * 150, "is nested more than 100 levels deep"),
        (f'result 0 "{"x" * 2_000_000}"', "has 2,000,002 bytes; 1,048,576 are the most"),
        ("fold 3", "the list has no fold"),
    ],
    ids=["bogus", "NaN", "deep", "large", "fold"],
)
def test_a_report_that_cannot_be_taken_fails_its_block_and_nothing_else(
    worker: WorkShell, line: str, said: str
) -> None:
    name = worker.server.numbers(2, block={"size": 1}, attempts=1)
    worker.write("line", f"{line}\n")
    script = 'if test "$TEAMTASK_INDEX" = 0; then cat line; else echo "result 1 2"; fi >>"$TEAMTASK_REPORT"'
    done = worker.work(name, "-j1", "--per-block", "--", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    shown = worker.server.show(name)
    assert (shown["state"], shown["done"], shown["parked"]) == ("complete_except", 1, 1)
    assert worker.server.outcomes(name) == {1: 2}
    (parked,) = worker.server.call("GET", f"/v1/lists/{name}/blocks?state=parked")["items"]
    assert said in str(parked)
