"""`work` that is asked for wrongly says so in a sentence and holds nothing; what others do to its list, it heeds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from server_helpers import ended, wait_until

if TYPE_CHECKING:
    from server_helpers import WorkShell


def refused(worker: WorkShell, *words: str, said: str, code: int = 1) -> str:
    done = worker.run("work", *words)
    text = done.stderr.decode("utf-8", "replace")
    assert "Traceback" not in text
    assert said in text, text
    assert done.returncode == code
    assert done.stdout == b""
    return text


def untouched(worker: WorkShell, name: str) -> None:
    shown = worker.server.show(name)
    counts = (shown["state"], shown["done"], shown["leased"], shown["returned"], shown["frontier"])
    assert counts == ("running", 0, 0, 0, 0)


def test_a_list_that_is_not_there(worker: WorkShell) -> None:
    refused(worker, "nothing", "--", "true", said="There is no list 'nothing'")
    refused(worker, "..", "--", "true", said="is no name")


def test_a_server_that_is_not_there(worker: WorkShell) -> None:
    text = refused(
        worker, "nothing", "--url", "http://127.0.0.1:9", "--", "true", said="http://127.0.0.1:9 does not answer"
    )
    assert "Check that the server runs" in text
    (worker.folder / "empty").mkdir()
    lonely = type(worker)(worker.folder, worker.folder / "empty", worker.server)
    refused(lonely, "nothing", "--", "true", said="No server is named, and none runs on this machine")
    refused(lonely, "nothing", "--url", "nonsense", "--", "true", said="'nonsense' is no address of a server")


def test_a_token_that_does_not_fit(worker: WorkShell) -> None:
    name = worker.server.numbers(3)
    refused(worker, name, "--token", "tt_wrong", "--", "true", said="carries no credentials that hold here")
    made = worker.server.call("POST", "/v1/tokens", {"name": f"viewer-of-{name}", "role": "viewer"})
    worker.server.call("PATCH", f"/v1/lists/{name}", {"roles": {"viewer": ["everyone"]}})
    refused(worker, name, "--token", made["token"], "--", "true", said="this takes the role worker")
    untouched(worker, name)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Say what to do with the items"),
        (("--",), "Say what to do with the items"),
        (("--python", "m:f", "--", "true"), "Give a command or --python, not both"),
        (("--python", "m:f", "-k"), "--keep-order is for commands"),
        (("--python", "m:f", "--per-block"), "--per-block is for commands"),
        (("-0", "--", "true"), "it is for --per-block"),
        (("--retries", "-1", "--", "true"), "retries"),
        (("--timeout", "0", "--", "true"), "timeout"),
        (("--halt-after", "0", "--", "true"), "halt-after"),
        (("--worker", "x" * 300, "--", "true"), "--worker: It has 1 to 256 characters"),
        (("--worker", "", "--", "true"), "--worker: It has 1 to 256 characters"),
        (("--no-such-flag", "--", "true"), "no-such-flag"),
        (("-j", "0", "--", "true"), "-j takes a number from 1"),
        (("true",), "Put -- before the command"),
        (("surplus", "--", "true"), "Put -- before the command"),
    ],
)
def test_wrong_usage_exits_with_2(worker: WorkShell, words: tuple[str, ...], said: str) -> None:
    refused(worker, "list", *words, said=said, code=2)


def test_no_name_is_wrong_usage(worker: WorkShell) -> None:
    refused(worker, "--", "true", said="Name a list", code=2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--", "no-such-command"), "'no-such-command'"),
        (("--", "./not-executable", "{}"), "not-executable"),
        (("--per-block", "--", "no-such-command"), "'no-such-command'"),
        (("--", "echo", "{2}{3}"), "{3}"),
        (("--python", "mine:nothing"), "There is no 'nothing' in mine"),
        (("--python", "nothing:nothing"), "There is no module nothing"),
        (("--python", "broken:f"), "broken cannot be imported: ZeroDivisionError"),
        (("--python", "mine"), "is not MODULE:FUNCTION"),
    ],
)
def test_what_cannot_be_done_is_one_error_and_nothing_is_claimed(
    worker: WorkShell, words: tuple[str, ...], said: str
) -> None:
    worker.write("mine.py", "")
    worker.write("broken.py", "1 / 0\n")
    worker.write("not-executable", "#!/bin/sh\n")
    name = worker.server.create({"kind": "combinations", "items": ["a", "b", "c"], "k": 2})
    text = refused(worker, name, *words, said=said)
    assert len(text.splitlines()) <= 3
    untouched(worker, name)


def test_a_command_for_each_item_of_a_list_that_keeps_a_fold(worker: WorkShell) -> None:
    name = worker.server.numbers(3, fold="sum")
    refused(worker, name, "--", "true", said=f"{name} keeps a fold, and a command's exit status has none", code=2)
    untouched(worker, name)


def test_a_command_that_goes_away_is_an_outcome_of_each_item(worker: WorkShell) -> None:
    gone = worker.script("gone", 'rm -f "$0"\n')
    name = worker.server.numbers(3)
    done = worker.work(name, "-j1", "--", gone)
    assert b"1 ok, 2 failed here" in done.stderr
    assert worker.server.outcomes(name)[1]["exit"] == 127


def test_a_command_without_a_place_for_the_item_that_always_fails_is_told_where_it_was(worker: WorkShell) -> None:
    hint = b"The command has no {}, so the item was its last argument: ls -d ITEM\n"
    assert hint in worker.work(worker.server.numbers(3), "-q", "--", "ls", "-d").stderr
    assert hint not in worker.work(worker.server.numbers(3), "-q", "--", "ls", "-d", "{}").stderr
    worker.write("1", "")
    assert hint not in worker.work(worker.server.numbers(3), "-q", "--", "ls", "-d").stderr


def test_a_list_that_awaits_its_items_is_waited_for(worker: WorkShell) -> None:
    name = worker.server.create({"kind": "lines"})
    process = worker.begin_work(name, "-k", "--", "echo", stdout=-1)
    time.sleep(1)  # so that it has asked
    assert process.poll() is None
    worker.server.upload(name, b"a\nb\nc\n")
    out, said = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, b"a\nb\nc\n"), said
    worker.server.check(name, 3)


def test_a_paused_list_is_waited_for_and_worked_on_when_it_goes_on(worker: WorkShell) -> None:
    name = worker.server.numbers(20, block={"size": 5})
    process = worker.begin_work(name, "-j1", "-q", "--", "sh", "-c", "echo >>log; sleep 0.05")
    wait_until(lambda: worker.count("log") > 3)
    worker.server.move(name, "pause")
    wait_until(lambda: worker.server.show(name)["leased"] == 0)
    assert process.poll() is None
    paused_at = worker.count("log")
    assert paused_at < 20
    worker.server.move(name, "resume")
    assert ended(process)[0] == 0
    worker.server.check(name, 20)
    assert worker.count("log") == 20


def test_a_list_that_is_cancelled_ends_the_work_after_what_is_in_hand(worker: WorkShell) -> None:
    name = worker.server.numbers(1000)
    process = worker.begin_work(name, "-j2", "-q", "--", "sh", "-c", "echo >>log; sleep 0.05")
    wait_until(lambda: worker.count("log") > 3)
    worker.server.move(name, "cancel")
    code, said = ended(process)
    assert code == 0
    assert f"{name} is cancelled." in said
    shown = worker.server.show(name)
    assert shown["leased"] == 0
    assert shown["done"] == worker.count("log") < 1000, "what was in hand is recorded"


def test_a_list_that_is_deleted_ends_the_work_with_an_error(worker: WorkShell) -> None:
    name = worker.server.numbers(1000)
    process = worker.begin_work(name, "-j2", "-q", "--", "sh", "-c", "echo >>log; sleep 0.05")
    wait_until(lambda: worker.count("log") > 3)
    worker.server.call("DELETE", f"/v1/lists/{name}")
    code, said = ended(process)
    assert code == 1
    assert f"There is no list '{name}'" in said
    assert "Traceback" not in said
    assert worker.count("log") < 1000
    assert worker.spooled() == []


def test_a_list_that_was_deleted_and_made_anew_is_not_worked(worker: WorkShell) -> None:
    name = worker.server.numbers(1000, block={"size": 5})
    process = worker.begin_work(name, "-j2", "-q", "--", "sh", "-c", "echo >>log; sleep 0.05")
    wait_until(lambda: worker.count("log") > 3)
    worker.server.call("DELETE", f"/v1/lists/{name}")
    worker.server.call("POST", "/v1/lists", {"name": name, "source": {"kind": "range", "start": 0, "stop": 1000}})
    code, said = ended(process)
    assert code == 1
    assert "was deleted, and another one has its name now" in said or "There is no list" in said
    shown = worker.server.show(name)
    assert (shown["done"], shown["leased"], shown["results"]) == (0, 0, 0)


def test_a_token_that_is_revoked_ends_the_work_and_what_was_finished_is_kept(worker: WorkShell) -> None:
    name = worker.server.numbers(20, roles={"worker": ["everyone"]}, lease_seconds=1)
    made = worker.server.call("POST", "/v1/tokens", {"name": f"worker-of-{name}", "role": "worker"})
    process = worker.begin_work(
        name,
        "-j2",
        "-q",
        "--token",
        made["token"],
        "--",
        "sh",
        "-c",
        "echo >>log; while ! test -e revoked; do sleep 0.05; done",
    )
    wait_until(lambda: worker.count("log") >= 2)
    worker.server.call("DELETE", f"/v1/tokens/{made['id']}")
    worker.write("revoked", "")
    code, said = ended(process)
    assert code == 1
    assert "Traceback" not in said
    assert worker.count("log") <= 4, "nothing more is begun than what was in hand"
    done = worker.work(name, "-q", "--", "true")
    assert done.returncode == 0, done.stderr
    worker.server.check(name, 20)
    assert worker.spooled() == []


def test_limits_may_change_in_mid_work(worker: WorkShell) -> None:
    name = worker.server.numbers(30, block={"size": 5}, lease_seconds=60)
    process = worker.begin_work(name, "-j2", "-q", "--", "sh", "-c", "echo $0 >>log; sleep 0.1")
    wait_until(lambda: worker.count("log") > 3)
    changed = {"lease_seconds": 1, "block": {"size": 20}, "limits": {"blocks_per_worker": 1}}
    worker.server.call("PATCH", f"/v1/lists/{name}", changed)
    assert ended(process)[0] == 0
    worker.server.check(name, 30)
    assert sorted(map(int, (worker.folder / "log").read_text().split())) == list(range(30)), "no lease was lost"


def test_leases_that_have_become_shorter_are_renewed_in_time(worker: WorkShell) -> None:
    name = worker.server.numbers(2, block={"size": 1}, lease_seconds=60, limits={"blocks_per_worker": 1})
    script = "echo $0 >>log; if test $0 = 0; then until test -e go-on; do sleep 0.05; done; else sleep 3; fi"
    process = worker.begin_work(name, "-j1", "-q", "--", "sh", "-c", script)
    wait_until(lambda: worker.count("log") > 0)
    worker.server.call("PATCH", f"/v1/lists/{name}", {"lease_seconds": 1})
    worker.write("go-on", "")
    while process.poll() is None:
        assert worker.server.show(name)["returned"] == 0, "no lease was lost"
    assert ended(process)[0] == 0
    worker.server.check(name, 2)
    assert worker.count("log") == 2
