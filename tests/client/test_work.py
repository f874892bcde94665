"""Blocks of a list on a real server, in a program's hands: what is recorded, what comes back, what is said of it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from teamtask.client.block import BlockEnded
from teamtask.client.connection import ApiError
from teamtask.client.list_items import OtherItems
from teamtask.client.work_session import ReportRefused
from teamtask.ledger.errors import InvalidField
from teamtask.sources import shuffled, strings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from teamtask.client.block import Block
    from teamtask.client.worklist import Worklist
    from teamtask.sdk import Client

SOON_SECONDS = 20.0


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + SOON_SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def finish(client: Client, name: str) -> Worklist:
    """Work the rest of a list."""
    for block in client.work(name):
        for _ in block:
            pass
        block.done()
    return client.get(name)


def test_every_item_is_given_and_recorded_once(client: Client, name: str) -> None:
    made = client.create(name, range(2, 1000), block={"size": 100})
    for block in client.work(name):
        for index, number in enumerate(block, block.index):
            if all(number % divisor for divisor in range(2, number)):
                block.result(index, number)
        block.done()
    made.refresh()
    assert (made.state, made.done, made.view.results, made.failed) == ("complete", 998, 168, 0)
    assert [result.result for result in made.results()] == [result.item for result in made.results()]
    assert list(made.ranges()) == [(0, 998)]


def test_a_list_that_begins_elsewhere_has_the_same_items(client: Client, name: str) -> None:
    client.create(name, strings("ab", length=2), start=2**60, block={"size": 3})
    found = {}
    for block in client.work(name):
        found.update(enumerate(block, block.index))
        block.done()
    assert found == {2**60: "aa", 2**60 + 1: "ab", 2**60 + 2: "ba", 2**60 + 3: "bb"}


@pytest.mark.parametrize("shuffle", [False, True])
def test_long_lines_are_fetched_in_pages_whatever_the_blocks_are(
    client: Client, name: str, tmp_path: Path, *, shuffle: bool
) -> None:
    import teamtask

    path = tmp_path / "lines"
    path.write_bytes(b"".join(b"item %d \xff\n" % number for number in range(12_000)))
    lines = teamtask.lines(path)
    client.create(name, shuffled(lines, 7) if shuffle else lines, block={"size": 11_500})
    found: list[str] = []
    for block in client.work(name):
        found += block
        block.done()
    assert sorted(found) == sorted(f"item {number} \udcff" for number in range(12_000))
    assert (found[0] == "item 0 \udcff") is not shuffle


def test_lines_may_be_any_text(client: Client, name: str) -> None:
    client.create(name, ["a", "", "b\nc", " ", "a"], block={"size": 1})
    found: list[str] = []
    for block in client.work(name):
        found += block
        block.done()
    assert found == ["a", "", "b\nc", " ", "a"]


def test_a_hit_is_there_while_its_block_is_still_in_hand(client: Client, name: str) -> None:
    made = client.create(name, range(10), block={"size": 10})
    for block in client.work(name):
        for index, _ in enumerate(block, block.index):
            if index == 0:
                block.result(index, "hit")
                wait_until(lambda: made.refresh().view.results == 1)
                assert (made.done, made.leased) == (1, block.size - 1)
        block.done()


def test_results_may_be_given_at_the_end_and_say_what_failed(client: Client, name: str) -> None:
    made = client.create(name, range(6), block={"size": 3})
    for block in client.work(name):
        if block.index == 0:
            block.done({0: {"a": [1, None]}, 2: 2**70})
        else:
            block.done([(3, "x"), (4, "y", False)])
    found = [(result.index, result.result, result.ok) for result in made.results()]
    assert found == [(0, {"a": [1, None]}, True), (2, 2**70, True), (3, "x", True), (4, "y", False)]
    assert made.refresh().failed == 1
    assert [result.index for result in made.results(ok=False)] == [4]
    assert [result.index for result in made.results(start=2)] == [2, 3, 4]


def test_break_gives_back_what_is_left_and_counts_no_failure(client: Client, name: str) -> None:
    made = client.create(name, range(10), block={"size": 10}, attempts=1)
    for block in client.work(name):
        for item in block:
            if item == 4:
                break
            block.progress()
        break
    made.refresh()
    assert (made.done, made.leased, made.returned, made.parked) == (4, 0, 6, 0)
    assert finish(client, name).state == "complete"


def test_what_was_iterated_is_not_done_before_its_results_can_have_come(client: Client, name: str) -> None:
    made = client.create(name, range(10), block={"size": 5})
    seen = []
    for block in client.work(name):
        results = {}
        for index, item in enumerate(block, block.index):
            seen.append(item)
            if len(seen) == 4:
                break
            results[index] = item
        else:
            block.done(results)
    assert seen[3] == 3
    assert [result.result for result in made.results()] == list(range(10))


def test_of_a_program_that_gives_no_results_what_was_iterated_is_done(client: Client, name: str) -> None:
    made = client.create(name, range(10), block={"size": 5})
    for block in client.work(name):
        for item in block:
            if item == 8:
                break
        else:
            block.done()
            continue
        break
    assert made.refresh().done == 8


def test_a_block_that_is_left_is_given_back(client: Client, name: str) -> None:
    made = client.create(name, range(20), block={"size": 10})
    seen = []
    for block in client.work(name):
        seen.append(block.index)
        if len(seen) > 1:
            block.done()
    assert made.refresh().state == "complete"
    assert sorted(seen) == [0, 0, 10]


def test_an_exception_fails_the_item_in_hand_and_no_other(client: Client, name: str) -> None:
    made = client.create(name, range(10), block={"size": 10}, attempts=1)

    def work() -> None:
        for block in client.work(name):
            for item in block:
                block.result(item, 1 / (item - 7))
            block.done()

    with pytest.raises(ZeroDivisionError):
        work()
    made.refresh()
    assert (made.done, made.leased, made.returned, made.parked) == (7, 0, 2, 1)
    (parked,) = made.blocks("parked")
    assert parked.index == 7
    assert finish(client, name).state == "complete_except"
    assert made.unpark() == 1
    assert finish(client, name).state == "complete"


def test_fail_says_what_went_wrong(client: Client, name: str) -> None:
    made = client.create(name, range(10), block={"size": 5}, attempts=1)
    for block in client.work(name):
        if block.index == 0:
            block.progress(2)
            block.fail(ValueError("bad \ud800"), index=3)
        else:
            block.done()
    made.refresh()
    assert (made.state, made.done, made.parked) == ("complete_except", 9, 1)
    (parked,) = made.blocks("parked")
    assert parked.index == 3
    assert parked.reason == "ValueError: bad ?"


def test_a_whole_block_may_fail(client: Client, name: str) -> None:
    made = client.create(name, range(4), block={"size": 2}, attempts=1)
    for block in client.work(name):
        if block.index < 2:
            block.fail("no idea")
        else:
            block.done()
    assert (made.refresh().state, list(made.ranges("parked"))) == ("complete_except", [(0, 2)])


@pytest.mark.parametrize("partly", [False, True])
def test_a_fold_is_that_of_every_item_once(client: Client, name: str, *, partly: bool) -> None:
    made = client.create(name, range(1000), block={"size": 300}, fold="sum")
    for block in client.work(name):
        total = 0
        for item in block:
            total += item
            if partly and item % 70 == 0:
                block.progress(fold=total)
                total = 0
        with pytest.raises(InvalidField, match="fold"):
            block.done()
        block.done(fold=total)
    assert (made.refresh().state, made.fold) == ("complete", sum(range(1000)))


def test_what_is_folded_is_recorded_before_its_block_is_done(client: Client, name: str) -> None:
    made = client.create(name, range(10), block={"size": 10}, fold="count")
    for block in client.work(name):
        block.progress(4, fold=4)
        wait_until(lambda: made.refresh().done == 4)
        block.done(fold=6)
    assert (made.refresh().state, made.fold) == ("complete", 10)


def test_a_lease_is_renewed_while_the_program_computes_for_long(client: Client, name: str) -> None:
    made = client.create(name, range(4), block={"size": 2}, lease_seconds=1)
    for block in client.work(name):
        for _ in block:
            time.sleep(0.8)
        assert {active.attempt for active in made.blocks()} == {1}
        block.done({block.index: "first"})  # though it was renewed when the first item was done
    assert [result.index for result in made.results()] == [0, 2]
    assert made.refresh().state == "complete"


def test_results_may_come_in_any_order_and_late(client: Client, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamtask.client.work_session.TELL_SECONDS", 0.001)
    made = client.create(name, range(40), block={"size": 10}, lease_seconds=1)
    for block in client.work(name):
        with ThreadPoolExecutor(4) as pool:
            for index, item in enumerate(block, block.index):
                pool.submit(lambda index, item: (time.sleep(0.02), block.result(index, item)), index, item)  # noqa: B023
        block.done()
    assert [result.result for result in made.results()] == list(range(40))


def test_blocks_are_handed_to_many_at_once(client: Client, name: str) -> None:
    made = client.create(name, range(3000), fold="sum")
    folds = []

    def run() -> None:
        for block in client.work(name):
            total = 0
            for item in block:
                total += item
                time.sleep(0)
            folds.append(total)
            block.done(fold=total)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (made.refresh().state, made.fold) == ("complete", sum(range(3000)))


def test_a_list_that_is_cancelled_is_left_after_the_item_in_hand(client: Client, name: str) -> None:
    made = client.create(name, range(10_000), block={"size": 10_000}, lease_seconds=1)
    seen = []
    for block in client.work(name):
        for item in block:
            seen.append(item)
            if item == 3:
                made.cancel()
            time.sleep(0.01)
        block.done()
    assert len(seen) < 10_000
    made.refresh()
    assert (made.state, made.done, made.leased) == ("cancelled", len(seen), 0)


def test_work_waits_for_more_where_it_is_asked_to(client: Client, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamtask.client.work_session.ASK_SECONDS", 0.1)
    made = client.create(name, range(3))
    work = client.work(name, forever=True)
    seen: list[int] = []

    def run() -> None:
        for block in work:
            seen.extend(block)
            block.done()

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: made.refresh().state == "complete")
    assert made.grow(size=5) == 2
    wait_until(lambda: len(seen) == 5)
    work.stop()
    thread.join()
    assert sorted(seen) == [0, 1, 2, 3, 4]


def test_a_paused_list_is_waited_for(client: Client, name: str) -> None:
    made = client.create(name, range(3))
    made.pause()
    threading.Timer(0.3, made.resume).start()
    assert finish(client, name).state == "complete"


def test_a_list_that_is_not_there_is_said(client: Client) -> None:
    with pytest.raises(ApiError, match="no-such-list"):
        next(iter(client.work("no-such-list")))


def test_a_list_that_is_deleted_ends_its_work(client: Client, name: str) -> None:
    made = client.create(name, range(100), block={"size": 10})

    def work() -> None:
        for block in client.work(name):
            if block.index == 0:
                made.delete()
            block.done()

    with pytest.raises(ApiError) as gone:
        work()
    assert gone.value.status == 404


def test_another_list_of_the_same_name_is_not_taken_for_it(client: Client, name: str) -> None:
    made = client.create(name, range(100), block={"size": 10})

    def work() -> None:
        for block in client.work(name):
            if block.index == 0:
                made.delete()
                client.create(name, range(100, 200), block={"size": 10})
            block.done()

    with pytest.raises(OtherItems, match="another one has its name"):
        work()
    made.refresh()
    assert (made.done, made.leased) == (0, 0)


def test_lines_that_were_added_meanwhile_are_worked_too(client: Client, name: str) -> None:
    made = client.create(name, ["a", "b"], block={"size": 1})
    seen: list[str] = []
    for block in client.work(name):
        if not seen:
            assert made.grow(items=["c", "d"]) == 2
        seen += block
        block.done()
    assert sorted(seen) == ["a", "b", "c", "d"]


def test_a_range_that_grew_meanwhile_is_worked_too(client: Client, name: str) -> None:
    made = client.create(name, range(10, 12), block={"size": 1})
    seen: list[int] = []
    for block in client.work(name):
        if not seen:
            assert made.grow(size=4) == 2
        seen += block
        block.done()
    assert sorted(seen) == [10, 11, 12, 13]


@pytest.fixture
def block(client: Client, name: str) -> Any:
    """Give a block of 10 in hand."""
    client.create(name, range(10), block={"size": 10})
    work = iter(client.work(name))
    yield next(work)
    work.close()  # type: ignore[attr-defined] # it is a generator


deep: list[Any] = []
for _ in range(101):
    deep = [deep]


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, b"bytes", "\ud800", "x" * 1_048_577, object(), deep])
def test_a_result_that_nobody_could_read_is_refused_and_the_block_goes_on(block: Block, value: object) -> None:
    with pytest.raises(InvalidField) as error:
        block.result(0, value)
    assert error.value.field == "results"
    block.done({0: 1})


def test_a_block_takes_nothing_that_is_not_its_own(block: Block) -> None:
    calls: list[Callable[[], object]] = [
        lambda: block.result(10, 1),
        lambda: block.result(-1, 1),
        lambda: block.progress(11),
        lambda: block.fail("x", 10),
        lambda: block.done(fold=3),
        lambda: block.progress(3, fold=3),
    ]
    for call in calls:
        with pytest.raises(InvalidField):
            call()
    block.done()


def test_a_result_that_comes_too_late_to_be_recorded_is_refused(block: Block) -> None:
    block.progress(5)
    with pytest.raises(InvalidField, match="can no longer be recorded"):
        block.done({3: "late"})
    block.result(7, "in time")


def test_a_block_that_has_ended_takes_nothing_more(block: Block) -> None:
    block.done()
    for call in (block.done, block.release, block.progress, lambda: block.fail("x"), lambda: block.result(0, 1)):
        with pytest.raises(BlockEnded):
            call()


def test_what_the_list_does_not_take_is_raised_and_nothing_is_held_any_longer(client: Client, name: str) -> None:
    made = client.create(name, range(10), block={"size": 5}, fold="sum")

    def work() -> None:
        for block in client.work(name):
            block.done(fold=10**4000 - 1)  # the second time their sum is too large

    with pytest.raises(ReportRefused, match="4,000 digits"):
        work()
    made.refresh()
    assert (made.done, made.leased) == (5, 0)


def test_who_works_alone_has_one_name(client: Client, name: str) -> None:
    client.create(name, range(3), block={"size": 1})
    first = next(iter(client.work(name)))
    assert first is not None
    names = []
    for _ in range(2):
        for block in client.work(name):
            names += [shown.worker for shown in client.get(name).blocks()]
            block.leave()
            break
    assert len(set(names)) == 1
