"""Work through a `ThreadPort`: an exchange takes long, is repeated, or never ends, and commands go on meanwhile."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from far_away import KINDS, Far, slowly
from function_bench import Log
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teamtask.ledger.errors import TeamtaskError
from teamtask.ledger.rules import Limits
from teamtask.wire.messages import Exchange
from teamtask.worker import block_report, held_leases, held_ranges, port, work_blocks, work_functions, work_items
from teamtask.worker.port import InlinePort, NoThread, ThreadPort
from teamtask.worker.worker_loop import NotDelivered

if TYPE_CHECKING:
    from pathlib import Path

    from teamtask.wire.messages import Reply

few = settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


class Hopeless(TeamtaskError):
    """There is no such list any more."""


# --- nothing is lost or done twice


@few
@given(
    size=st.integers(1, 40), seed=st.integers(0, 10**6), block=st.sampled_from([None, 1, 3, 8]), slots=st.integers(1, 3)
)
@pytest.mark.parametrize("kind", KINDS)
def test_every_index_is_worked_and_recorded_once_over_a_bad_network(
    kind: str, size: int, seed: int, block: int | None, slots: int, tmp_path_factory: Any
) -> None:
    far = Far(size, Log(tmp_path_factory.mktemp("far") / "log"), seed=seed, block=block, limits=Limits())
    work = far.run_far(kind, slots=slots)
    ledger = far.ledger
    assert Counter(far.log.items()) == Counter(range(size))
    assert far.recorded == list(range(size))
    assert (ledger.results, ledger.state, work.state) == (size, "complete", "complete")
    assert not ledger.leases
    assert work.undelivered() == ()


@few
@given(size=st.integers(1, 40), seed=st.integers(0, 10**6), block=st.sampled_from([None, 3]))
@pytest.mark.parametrize("kind", ["blocks", "functions"])
def test_everything_is_folded_once_over_a_bad_network(
    kind: str, size: int, seed: int, block: int | None, tmp_path_factory: Any
) -> None:
    far = Far(size, Log(tmp_path_factory.mktemp("far") / "log"), seed=seed, block=block, fold="sum", limits=Limits())
    far.run_far(kind)
    ledger = far.ledger
    assert Counter(far.log.items()) == Counter(range(size))
    assert (ledger.fold, ledger.state) == (sum(range(size)), "complete")


def test_a_claim_has_an_id_of_its_own_and_keeps_it_when_it_is_repeated(log: Log) -> None:
    far = Far(12, log, seed=5, block=2)
    far.run_far("items")
    claims = [message.request for message in far.network.messages if message.want is not None]
    assert far.network.repeated, "the seed repeats a message"
    assert None not in claims
    assert len(set(claims)) == len(claims)
    assert {len(request or "") for request in claims} == {16}


def test_a_claim_in_process_has_no_id(log: Log) -> None:
    far = Far(2, log)
    far.run_far("items", port=InlinePort(far.network))
    assert {message.request for message in far.network.messages} == {None}


# --- while nobody answers


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_held_is_begun_and_finished_while_nobody_answers(kind: str, log: Log) -> None:
    far = Far(20, log, block=2, limits=Limits())
    far.network.away_after = 3

    def look() -> None:
        if far.network.is_awaited and {4, 5} <= set(log.items()):  # they were granted last
            far.network.come_back()

    far.on_tick = look
    far.run_far(kind)
    assert Counter(log.items()) == Counter(far.recorded) == Counter(range(20))


def test_a_command_times_out_while_nobody_answers(log: Log) -> None:
    far = Far(4, log, block=4)
    far.network.away_after = 1

    def look() -> None:
        if far.network.is_awaited and far.timed_out:
            far.network.come_back()

    far.on_tick = look
    far.run_far("items", first="test $n != 1 || sleep 600;", timeout_seconds=0.3)
    assert (far.timed_out, far.recorded, far.ledger.failed) == ([1], [0, 1, 2, 3], 1)


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupt_while_nobody_answers_finishes_what_is_in_hand_and_gives_back_the_rest(
    kind: str, log: Log, tmp_path: Path
) -> None:
    far = Far(30, log, block=5, limits=Limits())
    far.network.away_after = 1
    go_on = tmp_path / "go-on"

    def function(number: int) -> int:
        while not go_on.exists():
            time.sleep(0.001)
        log.write(number)
        return number

    first = f"until test -e {go_on}; do sleep 0.01; done;"
    with far.working(kind, first=first, function=function, lease_seconds=0.3) as work:  # it is soon to be renewed

        def look() -> None:
            if far.network.is_awaited and work._runner.running:
                work.stop()
                go_on.touch()
            elif far.network.is_awaited and work._stopping:
                far.network.come_back()

        far.on_tick = look
        work.run()
    assert Counter(log.items()) == Counter(far.recorded)
    assert 1 <= len(log.items()) <= 5, "nothing was begun after the interrupt"
    assert not far.ledger.leases
    far.on_tick = lambda: None
    far.run_far(kind)
    assert Counter(log.items()) == Counter(far.recorded) == Counter(range(30))


@pytest.mark.parametrize("kind", KINDS)
def test_work_that_cannot_be_told_in_the_end_is_handed_over(kind: str, log: Log) -> None:
    far = Far(30, log, block=2, limits=Limits())
    far.network.away_after = 3
    thread_port = ThreadPort(far.network, last_words_seconds=0.1)
    with far.working(kind, port=thread_port) as work:

        def look() -> None:
            if far.network.is_awaited and {4, 5} <= set(log.items()):
                work.stop()

        far.on_tick = look
        with pytest.raises(NotDelivered, match=r"no answer within 0.1 s.* of \d+ items? has arrived, and \d lease"):
            work.run()
    reports = work.undelivered()
    assert len(far.recorded) < len(log.items())
    assert far.exchange(Exchange("far/1", reports=reports)).reports
    assert Counter(log.items()) == Counter(far.recorded)
    thread, known = thread_port._thread, len(far.network.leases)
    assert thread is not None
    far.network.come_back()
    thread.join()
    assert Counter(log.items()) == Counter(far.recorded), "what was in flight arrived twice, and counts once"
    unheard = {lease.lease for lease in far.network.leases[known:]}
    assert set(far.ledger.leases) <= unheard, "but for a claim that was in flight everything is given back"


def test_a_second_interrupt_does_not_wait_for_the_network(log: Log, is_alive: Any) -> None:
    far = Far(10, log, block=3)
    far.network.away_after = 1
    first = f"echo $$ >>{log.path}; sleep 600;"
    with far.working("items", first=first, port=ThreadPort(far.network, last_words_seconds=3600)) as work:

        def look() -> None:
            if far.network.is_awaited and len(log.path.read_text().splitlines()) == 2:
                work.stop()
                work.kill()

        far.on_tick = look
        with pytest.raises(NotDelivered, match="no answer within 3 s"):
            work.run()
    far.network.come_back()
    assert not any(map(is_alive, map(int, log.path.read_text().split())))
    assert not far.recorded


@pytest.mark.parametrize("kind", KINDS)
def test_an_exchange_without_hope_ends_the_work_when_what_is_in_hand_is_finished(kind: str, log: Log) -> None:
    far = Far(30, log, block=4)

    def exchange(message: Exchange) -> Reply:
        if far.network.leases:
            raise Hopeless
        return far.network(message)

    with far.working(kind, port=ThreadPort(exchange)) as work, pytest.raises(Hopeless):
        work.run()
    assert not far.recorded
    assert far.exchange(Exchange("far/1", reports=work.undelivered())).reports
    assert Counter(log.items()) == Counter(far.recorded)
    assert not far.ledger.leases


def test_a_thread_that_cannot_be_begun_ends_the_work(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    far = Far(2, log)

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(NoThread):
        far.run_far("items")


def test_nobody_is_woken_once_the_port_is_closed() -> None:
    asked, answer = threading.Event(), threading.Event()

    def exchange(_message: Exchange) -> Any:
        asked.set()
        answer.wait()

    thread_port = ThreadPort(exchange)
    woken: list[int] = []
    thread_port.post(Exchange("far/1"), lambda: woken.append(1))
    asked.wait()
    thread = thread_port._thread
    assert thread is not None
    thread_port.close()
    answer.set()
    thread.join()
    assert not woken


def test_no_process_is_forked_while_a_thread_runs(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    fork = os.fork

    def forked() -> int:
        threads.append(threading.active_count())
        return fork()

    def function(number: int) -> int:
        log.write(number)
        if number % 5 == 0 and log.items().count(number) == 1:
            os._exit(1)
        return number

    monkeypatch.setattr(os, "fork", forked)
    before = threading.active_count()
    far = Far(30, log, seed=1, block=3, limits=Limits())
    far.run_far("functions", function=function)
    assert far.recorded == list(range(30))
    assert len(threads) > 6, "those that died were replaced"
    assert set(threads) == {before}


# --- how much is said at once


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_waited_long_is_told_in_messages_of_bounded_size(
    kind: str, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    bytes_max = 1000
    for module in (port, held_leases, held_ranges, block_report):
        monkeypatch.setattr(module, "MESSAGE_BYTES_MAX", bytes_max)
    far = Far(100, log, block=50, limits=Limits())
    far.network.away_after = 1

    def look() -> None:
        if far.network.is_awaited and (len(log.items()) >= 40 or kind == "blocks"):
            far.network.come_back()

    far.on_tick = look
    far.run_far(kind, report_seconds=0.3)
    assert far.recorded == list(range(100))
    for message in far.network.messages:
        sizes = [port.bytes_of(report) for report in message.reports]
        assert sum(sizes) <= bytes_max or len(sizes) == 1
        assert kind == "functions" or max(sizes, default=0) <= bytes_max + 200


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_begun_while_too_much_waits_to_be_told(kind: str, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (work_items, work_blocks, work_functions):
        monkeypatch.setattr(module, "WAITING_BYTES_MAX", 1)
    far = Far(40, log, block=1 if kind == "blocks" else 20)
    far.network.away_after = 3 if kind == "blocks" else 1
    idle: list[int] = []
    with far.working(kind, function=slowly(log), lease_seconds=0.3) as work:

        def look() -> None:
            if far.network.is_awaited and not work._runner.running:
                idle.append(len(log.items()))
                if len(idle) == 5:
                    far.network.come_back()

        far.on_tick = look
        work.run()
    assert len(set(idle)) == 1
    assert idle[0] < 20
    assert far.recorded == list(range(40))
