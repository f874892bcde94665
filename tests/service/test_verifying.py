"""Whether a list's ledger, results and lines agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from teamtask.access import LOCAL
from teamtask.ledger.ids import UploadId
from teamtask.ledger.interval_set import IntervalSet
from teamtask.ledger.rules import BlockRule, Rules
from teamtask.service.creating import made_list
from teamtask.service.definition import Definition
from teamtask.service.service import Service
from teamtask.service.verifying import FINDINGS_MAX, verify_list
from teamtask.sources import lines_in_memory
from teamtask.stores.memory import MemoryStore
from teamtask.stores.store import ResultRow
from teamtask.wire.messages import Exchange, Report, Want
from teamtask.wire.requests import NewList
from teamtask.wire.result_batch import PICKLE, ResultBatch, pack, to_payload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from teamtask.ledger.ids import ListId


@pytest.fixture
def found() -> tuple[Service, ListId]:
    """A list of 1,000 numbers, of which every second one of the first hundred is done, then every other one."""
    service = Service(MemoryStore())
    definition = Definition({"kind": "range", "start": 0, "stop": 1000}, "f")
    list_id = service.create("nums", definition, Rules(block=BlockRule(size=100)), 1000, None)
    lease = service.exchange(list_id, "me", Exchange("w", want=Want())).leases[0]
    for first in (0, 1):
        indices = range(first, 100, 2)
        batch = pack(list(indices), list(indices), failed=[3])
        ranges = tuple((index, 1) for index in indices)
        report = Report(lease.lease, 0, 0, ranges=ranges, results=batch)
        service.exchange(list_id, "me", Exchange("w", reports=(report,)))
    return service, list_id


def wrong(service: Service) -> list[str]:
    return verify_list(service, service.find("nums"))


def change_row(service: Service, list_id: ListId, seq: int, rows: Sequence[ResultRow]) -> None:
    with service.store.write([list_id]) as writer:
        writer.replace_results(list_id, seq, rows)


def rows_of(service: Service, list_id: ListId) -> list[ResultRow]:
    with service.store.read() as reader:
        return list(reader.results(list_id))


def test_results_that_overlap_without_sharing_an_index_are_sound(found: tuple[Service, ListId]) -> None:
    assert wrong(found[0]) == []


def test_what_was_rerun_is_sound_before_and_after_its_results_are_removed(found: tuple[Service, ListId]) -> None:
    service, list_id = found
    service.rerun(list_id, IntervalSet([(10, 20)]), failed=False)
    assert wrong(service) == []
    with service.store.write([list_id]) as writer:
        rows = list(writer.results(list_id))
    assert sum(row.count for row in rows) == 90


def test_an_index_that_has_two_results_is_found(found: tuple[Service, ListId]) -> None:
    service, list_id = found
    batch = pack([4, 6], [0, 0])
    with service.store.write([list_id]) as writer:
        writer.put_results(list_id, [ResultRow(500, 4, 3, 2, 0, "w", to_payload(batch))])
    assert wrong(service) == [
        "2 indices, the first of them 4, have a result twice, the second time in the results of seq 500.",
        "There are results of seq 500, and the ledger has recorded only 100.",
        "102 results are kept, 2 of them not ok; the ledger says 100 and 2.",
    ]


def test_a_result_of_what_is_not_done_is_found(found: tuple[Service, ListId]) -> None:
    service, list_id = found
    with service.store.write([list_id]) as writer:
        writer.put_results(list_id, [ResultRow(500, 700, 1, 1, 0, "w", to_payload(pack([700], [1])))])
    assert wrong(service)[0] == "Index 700 has a result without being done, in the results of seq 500."


def test_a_result_that_is_lost_is_found(found: tuple[Service, ListId]) -> None:
    service, list_id = found
    change_row(service, list_id, 50, [])
    assert wrong(service) == ["50 results are kept, 1 of them not ok; the ledger says 100 and 2."]


@pytest.mark.parametrize(
    "harm",
    [
        lambda _batch: b"\xff",
        lambda batch: to_payload(replace(batch, values=b"[1,2")),
        lambda batch: to_payload(replace(batch, values=b"[1,2]")),
        lambda batch: to_payload(replace(batch, offsets=b"[0,4]")),
        lambda batch: to_payload(replace(batch, failed=(1, 2, 3))),
    ],
    ids=["payload", "torn values", "few values", "few offsets", "more failed"],
)
def test_results_that_cannot_be_read_or_counted_are_found(found: tuple[Service, ListId], harm: Any) -> None:
    service, list_id = found
    row = rows_of(service, list_id)[0]
    batch = pack(list(range(0, 100, 2)), list(range(50)), failed=[3])
    assert wrong(service) == []
    change_row(service, list_id, row.seq, [row._replace(payload=harm(batch))])
    findings = wrong(service)
    assert any("The results of seq 0 " in finding for finding in findings), findings


def test_pickled_results_are_counted_without_being_read() -> None:
    service = Service(MemoryStore())
    definition = Definition({"kind": "range", "start": 0, "stop": 2}, "f")
    list_id = service.create("nums", definition, Rules(), 2, None)
    for index in range(2):
        lease = service.exchange(list_id, "me", Exchange("w", want=Want())).leases[0]
        batch = ResultBatch(index, 1, b"nobody can read this", PICKLE)
        report = Report(lease.lease, index, index + 1, results=batch)
        service.exchange(list_id, "me", Exchange("w", reports=(report,)))
    assert wrong(service) == []


def test_lines_that_are_missing_are_found() -> None:
    service = Service(MemoryStore())
    source = lines_in_memory([b"a", b"b", b"c"])
    with service.store.write() as writer:
        writer.put_lines(UploadId("u"), 0, [b"a", b"b"])
    definition = Definition(source.definition(), source.fingerprint)
    service.create("nums", definition, Rules(), 3, UploadId("u"))
    assert wrong(service) == ["The list has 3 items, and not as many lines."]


def test_a_list_that_awaits_its_items_is_sound() -> None:
    service = Service(MemoryStore())
    made = made_list(NewList("nums", {"kind": "lines"}), LOCAL)
    service.create(made.name, made.definition, made.rules, made.size, None)
    assert wrong(service) == []


def test_there_is_an_end_of_findings(found: tuple[Service, ListId]) -> None:
    service, list_id = found
    with service.store.write([list_id]) as writer:
        rows = [ResultRow(1000 + n, 500 + n, 1, 1, 0, "w", to_payload(pack([500 + n], [1]))) for n in range(200)]
        writer.put_results(list_id, rows)
    assert len(wrong(service)) == FINDINGS_MAX
