"""`work` runs a command for each item of a list on a server, and what comes of it is what would come of `run`."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from server_helpers import PATIENCE_SECONDS, ended

if TYPE_CHECKING:
    from server_helpers import WorkShell

COMMAND = 'echo "out of $0"; echo "about $0" >&2; test "$0" != 13 && test "$0" != 7 || exit "$0"'


def without_times(result: dict[str, Any]) -> dict[str, Any]:
    outcome = {key: value for key, value in result["result"].items() if key != "seconds"}
    return {"index": result["index"], "item": result["item"], "ok": result["ok"], "result": outcome}


def as_run_has_it(worker: WorkShell, *words: str) -> list[dict[str, Any]]:
    """Give the outcomes that `teamtask run` keeps."""
    worker.run("run", "-q", "--state", "run.teamtask", *words)
    done = worker.run("results", "--state", "run.teamtask", "-o", "ndjson")
    assert done.returncode == 0, done.stderr
    return [without_times(json.loads(line)) for line in done.stdout.splitlines()]


def test_outcomes_are_those_of_run(worker: WorkShell) -> None:
    name = worker.server.numbers(20)
    done = worker.work(name, "-j4", "-q", "--", "sh", "-c", COMMAND)
    assert done.returncode == 0, done.stderr
    assert b"18 ok, 2 failed here" in done.stderr
    assert f"{name} is complete".encode() in done.stderr
    recorded = [without_times(result) for result in worker.server.results(name)]
    assert recorded == as_run_has_it(worker, "--range", "0:20", "--", "sh", "-c", COMMAND)
    shown = worker.server.show(name)
    assert (shown["state"], shown["done"], shown["failed"], shown["leased"]) == ("complete", 20, 2, 0)


def test_outcomes_of_lines_are_those_of_run(worker: WorkShell) -> None:
    text = b"it's\n\"\na  b\n$(touch evil)\n-rf\n--help\n\x1b[31m\n*\na;b\n\xe2\x82\xac\n\xff\xfe\nlast"
    worker.write("items", text)
    name = worker.server.lines(text)
    done = worker.work(name, "-k", "--", "printf", "%s|\\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout == text.replace(b"\n", b"|\n") + b"|\n", "byte for byte"
    recorded = [without_times(result) for result in worker.server.results(name)]
    assert recorded == as_run_has_it(worker, "items", "--", "printf", "%s|\\n")
    assert not (worker.folder / "evil").exists()


@pytest.mark.parametrize(
    ("source", "words", "expected"),
    [
        ({"kind": "range", "start": 2**64, "stop": 2**64 + 2}, ["echo"], [str(2**64), str(2**64 + 1)]),
        ({"kind": "strings", "alphabet": "ab", "length": 2}, ["echo", "<{}>"], ["<aa>", "<ab>", "<ba>", "<bb>"]),
        ({"kind": "mask", "alphabets": ["xy", "0"]}, ["echo"], ["x0", "y0"]),
        ({"kind": "permutations", "items": ["a", "b"]}, ["echo", "{2}-{1}", "{}"], ["b-a a b", "a-b b a"]),
        ({"kind": "combinations", "items": ["a", "b", "c"], "k": 2}, ["echo", "{1}{2}"], ["ab", "ac", "bc"]),
        (
            {"kind": "product", "axes": [["rate", [0.1, 0.2]], ["depth", [1, 2]]]},
            ["echo", "--rate={rate}", "{depth}"],
            ["--rate=0.1 1", "--rate=0.1 2", "--rate=0.2 1", "--rate=0.2 2"],
        ),
        ({"kind": "lines", "items": ["a/b.gz"]}, ["echo", "{.} {/} {//} {/.} {index}"], ["a/b b.gz a b 0"]),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)  # fmt: skip
def test_items_of_every_source_fill_in_the_command(
    worker: WorkShell, source: dict[str, Any], words: list[str], expected: list[str]
) -> None:
    name = worker.server.create(source)
    done = worker.work(name, "-k", "-j2", "--", *words)
    assert (done.returncode, done.stdout.decode().splitlines()) == (0, expected), done.stderr
    assert worker.server.outputs(name) == expected


def test_a_shuffled_list_is_worked_in_the_order_of_its_seed(worker: WorkShell) -> None:
    name = worker.server.numbers(100)
    shuffled = worker.server.create({"kind": "range", "start": 0, "stop": 100, "shuffle": 7})
    for one in (name, shuffled):
        assert worker.work(one, "-q", "--", "echo").returncode == 0
    assert worker.server.outputs(shuffled) != worker.server.outputs(name)
    assert sorted(worker.server.outputs(shuffled), key=int) == worker.server.outputs(name)
    assert [result["item"] for result in worker.server.results(shuffled)] == [
        int(output) for output in worker.server.outputs(shuffled)
    ]


@pytest.mark.parametrize("start", [1000, 2**60], ids=["small", "large"])
@pytest.mark.parametrize("kind", ["range", "lines"])
def test_a_list_may_begin_at_any_index(worker: WorkShell, kind: str, start: int) -> None:
    source = (
        {"kind": "range", "start": 5, "stop": 8} if kind == "range" else {"kind": "lines", "items": ["5", "6", "7"]}
    )
    name = worker.server.create(source, start=str(start))
    done = worker.work(name, "-k", "--", "sh", "-c", "echo $TEAMTASK_INDEX {index} {} $TEAMTASK_SIZE $TEAMTASK_LIST")
    expected = [f"{start + at} {start + at} {5 + at} 1 {name}" for at in range(3)]
    assert (done.returncode, done.stdout.decode().splitlines()) == (0, expected), done.stderr
    assert list(worker.server.outcomes(name)) == [start, start + 1, start + 2]


def test_output_goes_out_whole_tagged_in_order_or_not_at_all(worker: WorkShell) -> None:
    script = ("--", "sh", "-c", "sleep 0.0$((5-$0)); echo $0 one; echo $0 two")
    done = worker.work(worker.server.numbers(4), "-j4", "-k", "--tag", *script)
    assert done.stdout.decode().splitlines() == [
        line for item in range(4) for line in (f"{item}\t{item} one", f"{item}\t{item} two")
    ]
    done = worker.work(worker.server.numbers(4), "-j4", *script)
    lines = done.stdout.decode().splitlines()
    assert sorted(lines) == sorted(f"{item} {word}" for item in range(4) for word in ("one", "two"))
    assert all(one.split()[0] == two.split()[0] for one, two in zip(lines[::2], lines[1::2], strict=True))
    name = worker.server.numbers(4)
    done = worker.work(name, "-q", *script)
    assert done.stdout == b""
    assert worker.server.outputs(name)[3] == "3 one\n3 two"


def test_retries_try_again_before_an_item_has_failed(worker: WorkShell) -> None:
    name = worker.server.numbers(4)
    script = 'echo "$0" >>tries; test "$0" = 2 && test "$(grep -c 2 tries)" -lt 3 && exit 9; test "$0" != 3'
    done = worker.work(name, "-j1", "--retries", "2", "--", "sh", "-c", script)
    assert b"3 ok, 1 failed here" in done.stderr
    assert sorted(worker.write("tries2", (worker.folder / "tries").read_bytes()).read_text().split()) == list(
        "01222333"
    )
    assert [(result["index"], result["ok"]) for result in worker.server.results(name)] == [
        (0, True), (1, True), (2, True), (3, False)
    ]  # fmt: skip


def test_a_timeout_ends_a_command_and_all_that_it_began(worker: WorkShell) -> None:
    name = worker.server.numbers(3)
    script = 'test "$0" != 1 || { (sleep 1; echo late >>survived) & sleep 600; }'
    done = worker.work(name, "-j2", "--timeout", "0.5", "--", "sh", "-c", script)
    assert b"2 ok, 1 failed here" in done.stderr
    outcome = worker.server.outcomes(name)[1]
    assert outcome["timed_out"] is True
    time.sleep(1)
    assert not (worker.folder / "survived").exists()


def test_halt_after_stops_with_1_and_gives_back_the_rest(worker: WorkShell) -> None:
    name = worker.server.numbers(100)
    done = worker.work(name, "-j1", "--halt-after", "2", "--", "sh", "-c", 'test "$0" -lt 4')
    assert done.returncode == 1
    assert b"4 ok, 2 failed here" in done.stderr
    assert b"Stopped after failures" in done.stderr
    shown = worker.server.show(name)
    assert (shown["state"], shown["done"], shown["failed"], shown["leased"]) == ("running", 6, 2, 0)
    assert worker.work(name, "-q", "--", "true").returncode == 0
    assert worker.server.show(name)["state"] == "complete"


def test_a_finished_list_is_left_alone(worker: WorkShell) -> None:
    name = worker.server.numbers(3)
    for _ in range(2):
        done = worker.work(name, "-q", "--", "sh", "-c", "echo $0 >>log")
        assert done.returncode == 0
    assert worker.count("log") == 3
    assert b"0 ok, 0 failed here" in done.stderr


def test_workers_share_a_list_also_two_of_one_name(worker: WorkShell) -> None:
    name = worker.server.numbers(300, block={"size": 5})
    started = "test -e started-1 -a -e started-2 -a -e started-3"  # nobody is done before all three have begun
    workers = []
    for nr, own in enumerate(("twin", "twin", "single"), 1):
        script = f"touch started-{nr}; until {started}; do sleep 0.02; done; echo $0 >>log; sleep 0.01"
        workers.append(worker.begin_work(name, "--worker", own, "-j2", "-q", "--", "sh", "-c", script))
    assert [ended(one)[0] for one in workers] == [0, 0, 0]
    worker.server.check(name, 300)
    assert sorted(map(int, (worker.folder / "log").read_text().split())) == list(range(300))
    assert {result["worker"] for result in worker.server.results(name)} == {"twin", "single"}


def test_slots_that_stay_idle_for_the_limit_of_a_list_are_told_of_with_the_flag_to_change_it(worker: WorkShell) -> None:
    name = worker.server.numbers(6, block={"size": 1}, limits={"blocks_per_worker": 2})
    process = worker.begin_work(name, "-j3", "-q", "--", "sh", "-c", "until test -e go-on; do sleep 0.02; done")
    end = threading.Timer(PATIENCE_SECONDS, worker.write, ("go-on", ""))  # else it would hang if nothing is said
    end.start()
    assert process.stderr is not None
    said = process.stderr.readline().decode()
    end.cancel()
    worker.write("go-on", "")
    code, rest = ended(process)
    assert (
        said == f"1 slot is idle: {name} gives a worker 2 leases at most. "
        f"Its owner can give more: teamtask set {name} --limit-blocks-per-worker N\n"
    )
    assert (code, "idle" in rest) == (0, False)
