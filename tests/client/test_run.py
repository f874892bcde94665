"""`Client.run`: a function over a list of a server, in processes, until the list is finished."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

import teamtask
from teamtask.aio import AsyncClient
from teamtask.ledger.errors import InvalidField

if TYPE_CHECKING:
    from pathlib import Path

    from tests.client.conftest import ServerProcess

    from teamtask.sdk import Client

STARTED = """
import sys, teamtask, time
def slow(item):
    open(sys.argv[3], "a").write(f"{item}\\n")
    time.sleep(0.3)
    return item
client = teamtask.Client(sys.argv[1], "tt_of-these-tests")
try:
    client.run(sys.argv[2], slow, processes=2)
finally:
    print(client.get(sys.argv[2]).state, flush=True)
"""


def squared(item: int) -> dict[str, int]:
    if item == 7:
        raise ValueError("seven")
    return {"of": item * item, "pid": os.getpid()}


def results_of(client: Client, name: str) -> list[Any]:
    return sorted(client.get(name).results(), key=lambda result: result.index)


def test_a_function_is_called_once_for_each_item_in_processes_and_the_list_is_finished(
    client: Client, name: str
) -> None:
    client.create(name, teamtask.range(0, 40), block={"size": 4})
    worklist = client.run(name, squared, processes=2)
    assert worklist.state == "complete"
    results = results_of(client, name)
    assert [result.index for result in results] == list(range(40))
    assert [result.ok for result in results] == [item != 7 for item in range(40)]
    assert all(result.result["of"] == result.index**2 for result in results if result.ok)
    assert "seven" in str(results[7].result)
    assert os.getpid() not in {result.result.get("pid") for result in results if result.ok}


def test_the_results_of_a_list_with_a_fold_are_folded(client: Client, name: str) -> None:
    client.create(name, teamtask.range(1, 101), fold="sum")
    assert client.run(name, int, processes=2).fold == 5050


def test_lines_that_only_the_server_knows_reach_the_function(client: Client, name: str) -> None:
    client.create(name, ["ant", "bee", "cat"])
    client.run(name, str.upper, processes=1)
    assert [result.result for result in results_of(client, name)] == ["ANT", "BEE", "CAT"]


def test_a_function_of_this_very_program_may_be_a_closure(client: Client, name: str) -> None:
    client.create(name, teamtask.range(0, 3))
    add = 10
    client.run(name, lambda item: item + add, processes=1)
    assert [result.result for result in results_of(client, name)] == [10, 11, 12]


def test_an_item_that_takes_too_long_has_failed_and_a_failed_one_is_tried_again(
    client: Client, name: str, tmp_path: Path
) -> None:
    def late(item: int) -> int:
        with (tmp_path / "tried").open("a") as file:
            file.write(f"{item}\n")
        if item == 1:
            time.sleep(60)
        return item

    client.create(name, teamtask.range(0, 3))
    client.run(name, late, processes=1, retries=1, timeout_seconds=0.3)
    assert [result.ok for result in results_of(client, name)] == [True, False, True]
    assert (tmp_path / "tried").read_text().splitlines().count("1") == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("processes", 0),
        ("processes", 1.5),
        ("retries", -1),
        ("retries", True),
        ("timeout_seconds", 0),
        ("timeout_seconds", "1"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_before_anything_is_asked(field: str, value: Any) -> None:
    with pytest.raises(InvalidField) as refused:
        teamtask.Client("http://127.0.0.1:1").run("list", squared, **{field: value})
    assert refused.value.field == field


def test_what_cannot_be_called_is_refused(client: Client, name: str) -> None:
    with pytest.raises(InvalidField, match="is none"):
        client.run(name, "squared")  # type: ignore[arg-type] # as somebody may


def test_a_list_that_there_is_not_says_so(client: Client) -> None:
    with pytest.raises(teamtask.ApiError) as refused:
        client.run("no-such-list", squared)
    assert refused.value.status == 404


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_what_is_in_hand_and_does_then_what_it_does(
    server: ServerProcess, client: Client, name: str, tmp_path: Path, number: signal.Signals
) -> None:
    client.create(name, teamtask.range(0, 1000), block={"size": 100})
    begun = tmp_path / "begun"
    command = [sys.executable, "-c", STARTED, server.url, name, str(begun)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        until = time.monotonic() + 30
        while not begun.exists() or len(begun.read_text().splitlines()) < 3:
            assert time.monotonic() < until
            time.sleep(0.02)
        program.send_signal(number)
        printed, said = program.communicate(timeout=30)
    if number == signal.SIGINT:
        assert printed == "running\n"
        assert "KeyboardInterrupt" in said
    else:
        assert program.returncode == -number
    worklist = client.get(name)
    assert worklist.done == len(set(begun.read_text().splitlines())), "what was begun is done, and no more"
    assert worklist.leased == 0, "the rest was given back"


def test_a_program_that_hears_ctrl_c_does_not_outlive_the_sigterm_after_it(
    server: ServerProcess, client: Client, name: str, tmp_path: Path
) -> None:
    client.create(name, teamtask.range(0, 1000), block={"size": 100})
    begun = tmp_path / "begun"
    outlives = STARTED.replace("finally:\n", "except KeyboardInterrupt:\n    time.sleep(60)\nfinally:\n")
    outlives = outlives.replace("time.sleep(0.3)", "time.sleep(30)")
    with subprocess.Popen([sys.executable, "-c", outlives, server.url, name, str(begun)]) as program:
        until = time.monotonic() + 30
        while not begun.exists():
            assert time.monotonic() < until
            time.sleep(0.02)
        program.send_signal(signal.SIGINT)
        time.sleep(0.2)
        program.send_signal(signal.SIGTERM)
        assert program.wait(30) == -signal.SIGTERM
    assert client.get(name).leased == 0, "what was killed was given back"


def test_a_task_that_is_cancelled_ends_after_the_items_in_hand(client: Client, name: str) -> None:
    client.create(name, teamtask.range(0, 1000), block={"size": 100})

    def slow(item: int) -> int:
        time.sleep(0.1)
        return item

    async def main() -> None:
        running = AsyncClient(client.connection.url, "tt_of-these-tests")
        task = asyncio.create_task(running.run(name, slow, processes=2))
        while not (await asyncio.to_thread(client.get, name)).leased:  # noqa: ASYNC110 - others change it
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        running.close()

    asyncio.run(main())
    worklist = client.get(name)
    assert worklist.leased == 0
    assert worklist.done < 1000


def test_two_runs_in_one_program_have_names_of_their_own(client: Client, name: str) -> None:
    client.create(name, teamtask.range(0, 40), block={"size": 2})

    def slow(item: int) -> int:
        time.sleep(0.05)
        return item

    async def main() -> list[str]:
        running = AsyncClient(client.connection.url, "tt_of-these-tests")
        both = await asyncio.gather(*(running.run(name, slow, processes=1) for _ in range(2)))
        running.close()
        return [worklist.state for worklist in both]

    assert asyncio.run(main()) == ["complete", "complete"]
    workers = {result.worker for result in client.get(name).results()}
    assert len(workers) == 2
