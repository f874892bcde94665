"""Group commit over a real store: what is answered is kept, what is not kept was never answered."""

from __future__ import annotations

import random
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from teamtask.ledger.commands import Sweep
from teamtask.ledger.errors import TeamtaskError, WrongState
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.list_state import ListState, Move
from teamtask.ledger.rules import BlockRule, Limits, Rules
from teamtask.service.conversions import to_asked
from teamtask.service.definition import Definition, decode_definition, encode_definition
from teamtask.service.ledgers import Asked
from teamtask.service.results import failed_indices, results_by_index, results_since
from teamtask.service.service import NoSuchList, Service
from teamtask.service.views import shown_list
from teamtask.stores.memory import MemoryStore
from teamtask.stores.sqlite.sqlite_store import SqliteStore
from teamtask.stores.store import NameTaken, StoreFull
from teamtask.wire.messages import Exchange, Report, Want
from teamtask.wire.result_batch import pack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamtask.ledger.ids import ListId
    from teamtask.stores.store import Store, Writer
    from teamtask.wire.messages import Lease

MANY = Limits(blocks_per_worker=1000, blocks_per_principal=1000)
DEFINITION = Definition({"kind": "range", "start": 0, "stop": 100}, "f")


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened: Store = MemoryStore() if request.param == "memory" else SqliteStore(str(tmp_path / "state"))
    yield opened
    opened.close()


def new_list(service: Service, size: int = 100, **rules: Any) -> ListId:
    return service.create("n", DEFINITION, Rules(block=BlockRule(size=10), limits=MANY, **rules), size, None)


def claim(service: Service, list_id: ListId, worker: str = "w", request: str | None = None) -> Lease:
    reply = service.exchange(list_id, "me", Exchange(worker, request, Want()))
    return reply.leases[0]


def finish(service: Service, list_id: ListId, lease: Lease, *, failed: tuple[int, ...] = ()) -> str:
    indices = range(lease.index, lease.index + lease.size)
    results = pack(indices, [f"r{index}" for index in indices], failed=failed)
    report = Report(lease.lease, lease.index, lease.index + lease.size, results=results)
    return service.exchange(list_id, "me", Exchange("w", reports=(report,))).reports[0].status


def work_all(service: Service, list_id: ListId, failed_digits: tuple[int, ...] = ()) -> list[Lease]:
    """Work what there is; indices that end in these digits are not ok."""
    leases: list[Lease] = []
    while got := service.exchange(list_id, "me", Exchange("w", None, Want())).leases:
        leases += got
        indices = range(got[0].index, got[0].index + got[0].size)
        failed = tuple(position for position, index in enumerate(indices) if index % 10 in failed_digits)
        assert finish(service, list_id, got[0], failed=failed) == "done"
    return leases


def found(service: Service, list_id: ListId) -> list[tuple[int, Any, bool]]:
    with service.store.read() as reader:
        return [(result.index, result.value, result.ok) for result in results_by_index(reader, list_id)]


def test_a_list_is_worked_through_and_its_results_are_kept_in_order(store: Store) -> None:
    service = Service(store)
    list_id = new_list(service)
    leases = [claim(service, list_id) for _ in range(10)]
    random.Random(1).shuffle(leases)
    for lease in leases:
        assert finish(service, list_id, lease, failed=(3,)) == "done"
    with service.view(service.find("n")) as view:
        assert list(view.ledger.done) == [(0, 100)]
        assert (view.ledger.state, view.ledger.results, view.ledger.failed) == (ListState.COMPLETE, 100, 10)
        assert failed_indices(view.reader, list_id) == IntervalSet((i, i + 1) for i in range(3, 100, 10))
        arrived = [result.seq for result in results_since(view.reader, list_id, 40)]
    assert found(service, list_id) == [(i, f"r{i}", i % 10 != 3) for i in range(100)]
    assert arrived == list(range(40, 100))


def test_two_services_on_one_store_share_the_list(store: Store) -> None:
    one, other = Service(store), Service(store)
    list_id = new_list(one)
    mine, theirs = claim(one, list_id), claim(other, list_id, "other")
    assert (mine.index, theirs.index) == (0, 10)
    assert finish(other, list_id, mine) == "done", "a lease is known wherever it is reported"
    assert finish(one, list_id, mine) == "already_done"
    assert finish(one, list_id, theirs) == "done"


def test_a_claim_repeated_with_its_request_gives_the_same_lease_on_any_service(store: Store) -> None:
    one, other = Service(store), Service(store)
    list_id = new_list(one)
    assert claim(one, list_id, request="r").lease == claim(other, list_id, request="r").lease


def test_a_group_that_is_not_kept_was_never_believed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(store)
    list_id = new_list(service)
    lease = claim(service, list_id)
    write = store.write

    @contextmanager
    def full(list_ids: Any = ()) -> Iterator[Any]:
        with write(list_ids) as writer:
            yield writer
            raise StoreFull

    monkeypatch.setattr(store, "write", full)
    with pytest.raises(StoreFull):
        finish(service, list_id, lease)
    with pytest.raises(StoreFull):
        claim(service, list_id)
    monkeypatch.setattr(store, "write", write)
    assert found(service, list_id) == []
    assert finish(service, list_id, lease) == "done", "it is reported again as if for the first time"
    assert claim(service, list_id).index == 10
    assert len(found(service, list_id)) == 10


def test_an_error_of_one_command_changes_nothing_and_spoils_no_other(store: Store) -> None:
    service = Service(store)
    list_id = new_list(service)
    lease = claim(service, list_id)
    with pytest.raises(WrongState):
        service.grow(list_id, 200)
    assert finish(service, list_id, lease) == "done"
    with pytest.raises(NameTaken):
        new_list(service)
    with pytest.raises(NoSuchList):
        service.find("other")


def test_of_a_late_report_only_the_results_that_count_are_kept(store: Store) -> None:
    service = Service(store)
    list_id = new_list(service, size=10)
    lost = claim(service, list_id)
    service.take_back(list_id, [lost.lease])
    again = claim(service, list_id, "other")
    some = Report(again.lease, 0, 4, results=pack(range(4), ["a", "b", "c", "d"]))
    service.exchange(list_id, "me", Exchange("other", reports=(some,)))
    assert finish(service, list_id, lost) == "done"
    assert [value for _, value, _ in found(service, list_id)] == ["a", "b", "c", "d", *(f"r{i}" for i in range(4, 10))]


def test_a_rerun_withdraws_results_and_counts_them_anew(store: Store) -> None:
    service = Service(store)
    list_id = new_list(service)
    work_all(service, list_id, (3, 4))
    assert service.rerun(list_id, None, failed=True).changed == 20
    assert [index for index, _, _ in found(service, list_id)] == [i for i in range(100) if i % 10 not in (3, 4)]
    with service.view(service.find("n")) as view:
        assert (view.ledger.results, view.ledger.failed, view.ledger.state) == (80, 0, ListState.RUNNING)
        assert view.reader.withdrawn(list_id) == [], "they have been removed"
    assert [(lease.index, lease.size) for lease in work_all(service, list_id)] == [(i, 2) for i in range(3, 100, 10)]
    assert len(found(service, list_id)) == 100
    assert service.rerun(list_id, IntervalSet([(5, 8), (50, 60)]), failed=False).changed == 13
    assert len(found(service, list_id)) == 87


def test_pause_and_resume_reach_every_service(store: Store) -> None:
    one, other = Service(store), Service(store)
    list_id = new_list(one)
    claim(other, list_id)
    one.move(list_id, Move.PAUSE)
    reply = other.exchange(list_id, "me", Exchange("w", None, Want()))
    assert (reply.state, reply.leases) == ("paused", ())
    one.move(list_id, Move.RESUME)
    assert claim(other, list_id).index == 10


def test_snapshots_replace_the_journal_and_nothing_is_lost(store: Store) -> None:
    service = Service(store)
    list_id = new_list(service, size=100_000)
    with store.read() as reader:
        assert reader.journal(list_id, -1).snapshot is None
    leases = []
    for _ in range(600):
        leases.append(claim(service, list_id, f"worker-with-a-long-name-{len(leases):0100}"))
    with store.read() as reader:
        journal = reader.journal(list_id, -1)
    assert journal.snapshot is not None
    assert len(journal.rows) < 600
    fresh = Service(store)
    assert all(finish(fresh, list_id, lease) == "done" for lease in leases)


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["claim", "finish", "fail", "take", "rerun"])), max_size=60)
)
def test_services_that_take_turns_agree_with_one_another(steps: list[tuple[int, str]]) -> None:
    store = MemoryStore()
    services = [Service(store) for _ in range(3)]
    list_id = new_list(services[0], attempts=100)
    held: list[Lease] = []
    for at, step in steps:
        service = services[at]
        if step == "claim":
            held += service.exchange(list_id, "me", Exchange(f"w{at}", None, Want())).leases
        elif step == "rerun":
            service.rerun(list_id, IntervalSet([(0, 25)]), failed=False)
        elif held:
            lease = held.pop(0)
            if step == "finish":
                finish(service, list_id, lease)
            elif step == "take":
                service.take_back(list_id, [lease.lease])
            else:
                report = Report(lease.lease, lease.index, lease.index, failed=((lease.index, "no"),))
                service.exchange(list_id, "me", Exchange("w", reports=(report,)))
    with store.read() as reader:
        results = list(results_by_index(reader, list_id))
        ledger = services[0].ledgers.read(reader, list_id)
    assert all(result.index in ledger.done for result in results)
    assert ledger.results == len(results) == len({result.index for result in results})
    assert len({result.seq for result in results}) == len(results)


def test_what_is_no_error_of_ours_is_not_swallowed() -> None:
    service = Service(MemoryStore())
    with pytest.raises(TeamtaskError):
        service.exchange("nowhere", "me", Exchange("w", None, Want()))  # type: ignore[arg-type]  # an id of no list


def test_when_the_first_block_was_handed_out_is_kept_whatever_comes_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    date = 1_700_000_000.0
    monkeypatch.setattr("teamtask.service.ledgers.time.time", lambda: date)

    def started_at(service: Service) -> str | None:
        with service.view(service.find("n")) as view:
            return shown_list(view).started_at

    with closing(SqliteStore(str(tmp_path / "state"))) as store:
        service = Service(store)
        list_id = new_list(service, attempts=5)
        service.move(list_id, Move.PAUSE)
        service.exchange(list_id, "me", Exchange("w", None, Want()))
        service.move(list_id, Move.RESUME)
        assert started_at(service) is None
        date += 50
        first = claim(service, list_id)
        began = started_at(service)
        assert began == "2023-11-14T22:14:10Z"
        date += 50
        service.take_back(list_id, [first.lease])
        assert claim(service, list_id).index == 0
        assert started_at(service) == began
    with closing(SqliteStore(str(tmp_path / "state"))) as store:
        date += 50
        service = Service(store)
        claim(service, list_id)
        work_all(service, list_id)
        service.rerun(list_id, None, failed=False)
        claim(service, list_id)
        assert started_at(service) == began


def test_changes_of_the_same_group_and_the_note_of_the_start_do_not_undo_one_another(store: Store) -> None:
    service = Service(store)
    list_id = new_list(service)

    def relabel(writer: Writer) -> None:
        record = writer.list_by_id(list_id)
        changed = replace(decode_definition(record.definition), labels={"team": "maths"})
        writer.replace_definition(list_id, encode_definition(changed))

    asked = [to_asked(list_id, "me", Exchange("w", None, Want())), Asked(list_id, Sweep(), then=relabel)]
    for group in (asked, [Asked(list_id, Sweep(), then=relabel)]):
        service.ledgers.carry_out(group)
        with service.view(service.find("n")) as view:
            assert view.definition.labels == {"team": "maths"}
            assert view.definition.started_at is not None
