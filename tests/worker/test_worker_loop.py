"""The loop of a worker whose store fails, and what it does with the answers to its reports."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from teamtask.sources.parse import source_from_definition
from teamtask.stores.store import StoreFull
from teamtask.wire.messages import Exchange, Lease, Reply, Report, ReportStatus
from teamtask.worker.placeholders import compile_template
from teamtask.worker.port import InlinePort
from teamtask.worker.work_blocks import BlockWork
from teamtask.worker.work_items import ItemWork

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from teamtask.worker.run_command import CommandRunner

SECONDS = 2.0


class FullStore:
    """Gives a lease once, and then has no room for anything."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.refused = 0

    def __call__(self, message: Exchange) -> Reply:
        if message.want is None or self.refused:
            self.refused += 1
            raise StoreFull
        self.size, size = 0, self.size
        if not size:
            return Reply((), (), "running", 1.0)
        lease = Lease("lease", "list", "id", "name", 0, size, 2, 1, 60.0, "fingerprint")
        return Reply((), (lease,), "running", 1.0)


class Nobody:
    """Watches nothing."""

    def finished(self, *_: object) -> None: ...

    def tick(self, *_: object) -> None: ...


@pytest.mark.parametrize("kind", [ItemWork, BlockWork])
def test_a_store_that_has_no_room_is_asked_once_a_second_while_commands_run(
    make_runner: Callable[..., CommandRunner[Any]], kind: type[ItemWork | BlockWork]
) -> None:
    per_block = kind is BlockWork
    command = ["sh", "-c", f'test "$TEAMTASK_INDEX" = 0 || sleep {SECONDS}']
    store = FullStore(4)
    work = kind(
        InlinePort(store), "worker", make_runner(2), Nobody(),
        source=source_from_definition({"kind": "range", "stop": 4}),
        template=compile_template(command, shell=False, per_block=per_block, columns=1, fields=[]),
        list_name="name", lease_seconds=0.3 if per_block else 60.0,
    )  # fmt: skip
    began_at = time.monotonic()
    with pytest.raises(StoreFull):
        work.run()
    assert 0 < store.refused <= time.monotonic() - began_at + 3


class Answering:
    """Gives a lease of three blocks once, and answers in one way whatever says that something is done."""

    def __init__(self, answer: ReportStatus) -> None:
        self.answer = answer
        self.reports: list[Report] = []
        self.leases = [Lease("lease", "list", "id", "name", 0, 6, 2, 1, 60.0, "fingerprint")]

    def __call__(self, message: Exchange) -> Reply:
        self.reports += message.reports
        statuses = tuple(
            self.answer if report.upto > (report.begin or 0) else ReportStatus("lease", "released", 0, 6)
            for report in message.reports
        )
        leases = (self.leases.pop(),) if message.want is not None and self.leases else ()
        return Reply(statuses, leases, "running", 0.0 if leases else None)


class Begun(Nobody):
    """Remembers which blocks were worked."""

    def __init__(self) -> None:
        self.indices: list[int] = []

    def finished(self, *told: object) -> None:
        self.indices.append(int(str(told[0])))


HELD = ReportStatus("lease", "held", 2, 6, 60.0)


@pytest.mark.parametrize(
    ("answer", "worked", "ending"),
    [
        (HELD, [0, 2, 4], None),
        (ReportStatus("lease", "held", 2, 3, 60.0), [0, 2], None),
        (ReportStatus("lease", "stale"), [0], None),
        (ReportStatus("lease", "already_done"), [0], None),
        (ReportStatus("lease", "done", 6, 6), [0], None),
        (ReportStatus("lease", "cut", rest=((0, 1),)), [0], "release"),
        (ReportStatus("lease", "error", error={"message": "It is wrong."}), [0], "It is wrong."),
    ],
    ids=["held", "its tail was given away", "lost", "done by others", "done", "cut", "refused"],
)
def test_blocks_of_a_lease_are_begun_only_while_it_is_held(
    make_runner: Callable[..., CommandRunner[Any]], answer: ReportStatus, worked: list[int], ending: str | None
) -> None:
    # Each command waits until the answer to what it said is there.
    script = 'echo "upto $((TEAMTASK_INDEX + 1))" >>"$TEAMTASK_REPORT"; sleep 0.4'
    ledger, seen = Answering(answer), Begun()
    BlockWork(
        InlinePort(ledger), "worker", make_runner(1), seen,
        source=source_from_definition({"kind": "range", "stop": 6}),
        template=compile_template(["sh", "-c", script], per_block=True),
        list_name="name", lease_seconds=60.0,
    ).run()  # fmt: skip
    assert seen.indices == worked
    endings = [report.error.message for report in ledger.reports if report.error is not None]
    endings += ["release" for report in ledger.reports if report.release]
    assert endings == ([] if ending is None else [ending])


def test_a_lease_whose_last_fold_counts_nowhere_is_given_back(
    make_runner: Callable[..., CommandRunner[Any]],
) -> None:
    ledger = Answering(ReportStatus("lease", "cut", rest=((0, 1),)))
    ledger.leases = [Lease("lease", "list", "id", "name", 0, 2, 2, 1, 60.0, "fingerprint")]
    BlockWork(
        InlinePort(ledger), "worker", make_runner(1), Nobody(),
        source=source_from_definition({"kind": "range", "stop": 2}),
        template=compile_template(["sh", "-c", 'echo "fold 1" >>"$TEAMTASK_REPORT"'], per_block=True),
        list_name="name", lease_seconds=60.0, fold=True,
    ).run()  # fmt: skip
    done, given_back = ledger.reports
    assert (done.begin, done.upto, done.fold) == (0, 2, 1)
    assert given_back.release


def test_items_of_a_lease_are_begun_only_up_to_its_new_end(make_runner: Callable[..., CommandRunner[Any]]) -> None:
    leases = [Lease("lease", "list", "id", "name", 0, 6, 6, 1, 60.0, "fingerprint")]

    def exchange(message: Exchange) -> Reply:
        statuses = tuple(ReportStatus("lease", "held", 1, 3, 60.0) for _ in message.reports)
        granted = (leases.pop(),) if message.want is not None and leases else ()
        return Reply(statuses, granted, "running", 0.0 if granted else None)

    seen = Begun()
    ItemWork(
        InlinePort(exchange), "worker", make_runner(1), seen,
        source=source_from_definition({"kind": "range", "stop": 6}),
        template=compile_template(["sh", "-c", "sleep 0.2"]),
        list_name="name", lease_seconds=60.0,
    ).run()  # fmt: skip
    assert seen.indices == [0, 1, 2]


def _share_a_lease(make_runner: Callable[..., CommandRunner[Any]], script: str) -> list[Report]:
    """Work a lease of three blocks in three slots; give what is reported."""
    ledger = Answering(HELD)
    BlockWork(
        InlinePort(ledger), "worker", make_runner(3), Nobody(),
        source=source_from_definition({"kind": "range", "stop": 6}),
        template=compile_template(["sh", "-c", script], per_block=True),
        list_name="name", lease_seconds=60.0, ahead=True,
    ).run()  # fmt: skip
    return ledger.reports


def test_ahead_the_blocks_of_one_lease_are_worked_in_several_slots(
    make_runner: Callable[..., CommandRunner[Any]], tmp_path: Path
) -> None:
    here = tmp_path / "block"
    all_are = f"test -e {here}0 && test -e {here}2 && test -e {here}4"
    reports = _share_a_lease(make_runner, f"touch {here}$TEAMTASK_INDEX; until {all_are}; do sleep 0.01; done")
    assert sorted((report.begin, report.upto) for report in reports) == [(0, 2), (2, 4), (4, 6)]


def test_a_lease_of_which_a_block_failed_is_given_back_when_the_others_have_ended(
    make_runner: Callable[..., CommandRunner[Any]],
) -> None:
    reports = _share_a_lease(make_runner, "test $TEAMTASK_INDEX != 2 || exit 3; sleep 0.2")
    *done, last = reports
    assert sorted((report.begin, report.upto) for report in done) == [(0, 2), (4, 6)]
    assert last.error is not None
    assert last.error.message == "exit 3"
