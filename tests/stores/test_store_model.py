"""Any sequence of transactions leaves a store with what plain dicts and lists would hold."""

from __future__ import annotations

import math
import tempfile
from contextlib import ExitStack, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from teamtask.ledger.ids import ListId, UploadId
from teamtask.stores.memory import MemoryStore
from teamtask.stores.store import (
    AuditEntry,
    Journal,
    LinesNotAdjacent,
    ListGone,
    ListRecord,
    NameTaken,
    ResultRow,
    StaleVersion,
    UnknownUpload,
    Withdrawn,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from conftest import Place

    from teamtask.stores.store import Reader, Writer

NAMES = ["a", "b", "c"]
KINDS = ["answer", "token"]
DOCUMENTS = st.tuples(st.sampled_from(KINDS), st.sampled_from(NAMES), st.binary(max_size=4))
DATES = st.integers(0, 3).map(float)
INDICES = st.one_of(st.integers(0, 20), st.integers(10**39, 10**39 + 20))
SIZES = st.one_of(st.integers(1, 8), st.integers(1, 10**39))


@dataclass
class ListModel:
    record: ListRecord
    journal: dict[int, bytes] = field(default_factory=dict)
    snapshot: tuple[int, bytes] | None = None
    results: dict[int, ResultRow] = field(default_factory=dict)
    marks: set[Withdrawn] = field(default_factory=set)
    lines: list[bytes] = field(default_factory=list)
    uploads: list[UploadId] = field(default_factory=list)

    @property
    def version(self) -> int:
        return max([*self.journal, self.snapshot[0] if self.snapshot else -1, -1])


@dataclass
class Model:
    lists: dict[ListId, ListModel] = field(default_factory=dict)
    uploads: dict[UploadId, list[bytes] | None] = field(default_factory=dict)  # None: attached
    documents: dict[tuple[str, str], bytes] = field(default_factory=dict)
    audit: list[AuditEntry] = field(default_factory=list)  # oldest first
    audit_no: int = 0  # the highest that there was
    made: int = 0  # list ids are never used again
    spent: set[UploadId] = field(default_factory=set)  # those of deleted lists, which are not used again either

    def some_upload(self, data: st.DataObject) -> UploadId:
        names = (UploadId(f"upload {number}") for number in count())
        return data.draw(st.sampled_from(list(islice((name for name in names if name not in self.spent), 2))))


class Abandon(Exception):
    pass


class StoreMachine(RuleBasedStateMachine):
    """Transactions of several steps, some given up, and readers that stay while others write."""

    def __init__(self, make: Callable[[Path, ExitStack], Place]) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.place = make(Path(self.stack.enter_context(tempfile.TemporaryDirectory())), self.stack)
        self.store = self.place.open()
        self.model = Model()
        self.views: list[tuple[AbstractContextManager[Reader], Reader, Model]] = []

    @rule(data=st.data(), steps=st.integers(1, 9), gives_up=st.sampled_from([False, False, False, True]))
    def transact(self, data: st.DataObject, *, steps: int, gives_up: bool) -> None:
        model = deepcopy(self.model)
        with suppress(Abandon), self.store.write(list(model.lists)) as writer:
            for _ in range(steps):
                step = data.draw(st.sampled_from(STEPS + SITE_STEPS if model.lists else ["create", *SITE_STEPS]))
                getattr(self, step)(data, writer, model)
            if gives_up:
                raise Abandon
            self.compare(writer, model)
            self.model = model

    @rule(what=st.sampled_from(["look", "stop_looking", "compact", "wait_two_days", "open_again"]))
    def do_something_else(self, what: str) -> None:
        getattr(self, what)()

    def look(self) -> None:
        view = self.store.read()
        self.views.append((view, view.__enter__(), deepcopy(self.model)))

    def stop_looking(self) -> None:
        if self.views:
            view, reader, model = self.views.pop(0)
            self.compare(reader, model)
            view.__exit__(None, None, None)

    def compact(self) -> None:
        self.store.compact()

    def wait_two_days(self) -> None:
        self.place.clock.now += 2 * 86_400
        self.store.compact()
        self.model.uploads = {name: lines for name, lines in self.model.uploads.items() if lines is None}

    def open_again(self) -> None:
        while self.views:
            self.stop_looking()
        if not isinstance(self.store, MemoryStore):
            self.store.close()
            self.store = self.place.open()

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        with self.store.read() as reader:
            self.compare(reader, self.model)

    def teardown(self) -> None:
        try:
            while self.views:
                self.stop_looking()
            assert self.store.verify() == []
        finally:
            self.stack.close()

    # The steps of a transaction; each does the same to the writer and to the model.

    def create(self, data: st.DataObject, writer: Writer, model: Model) -> None:
        record = ListRecord(ListId(str(model.made)), data.draw(st.sampled_from(NAMES)), b"def", 1.5)
        if record.name in [found.record.name for found in model.lists.values()]:
            with pytest.raises(NameTaken):
                writer.create_list(record)
        else:
            writer.create_list(record)
            model.lists[record.id] = ListModel(record)
            model.made += 1

    def replace_definition(self, data: st.DataObject, writer: Writer, model: Model) -> None:
        if found := self.some_list(data, model):
            found.record = found.record._replace(definition=data.draw(st.binary(max_size=4)))
            writer.replace_definition(found.record.id, found.record.definition)

    def delete(self, data: st.DataObject, writer: Writer, model: Model) -> None:
        if found := self.some_list(data, model):
            writer.delete_list(found.record.id)
            del model.lists[found.record.id]
            model.spent.update(found.uploads)
            for read in (writer.results, writer.withdrawn):
                with pytest.raises(ListGone):
                    read(found.record.id)

    def append(self, data: st.DataObject, writer: Writer, model: Model) -> None:
        if found := self.some_list(data, model):
            if data.draw(st.booleans()):
                writer.journal(found.record.id, data.draw(st.integers(-1, found.version)))
            version = found.version + 1
            found.journal[version] = data.draw(st.binary(max_size=4))
            writer.append(found.record.id, version, found.journal[version])

    def append_wrongly(self, data: st.DataObject, writer: Writer, model: Model) -> None:
        if found := self.some_list(data, model):
            with pytest.raises(StaleVersion):
                writer.append(found.record.id, found.version + data.draw(st.sampled_from([-1, 0, 2])), b"")
            raise Abandon  # nothing else is left to do

    def put_snapshot(self, data: st.DataObject, writer: Writer, model: Model) -> None:
        if found := self.some_list(data, model):
            lowest = max(found.snapshot[0] if found.snapshot else 0, 0)
            version = data.draw(st.integers(lowest, max(found.version, lowest) + 1))
            found.snapshot = version, data.draw(st.binary(max_size=4))
            found.journal = {at: events for at, events in found.journal.items() if at > version}
            writer.put_snapshot(found.record.id, *found.snapshot)

    def put_results(self, data: st.DataObject, writer: Writer, model: Model) -> None:
        if found := self.some_list(data, model):
            seq = max((row.seq + row.count for row in found.results.values()), default=0)
            rows = []
            for index, size in data.draw(st.lists(st.tuples(INDICES, SIZES), max_size=3)):
                rows.append(ResultRow(seq, index, size, min(size, 3), 0, "w", b"p"))
                seq += rows[-1].count
            writer.put_results(found.record.id, rows)
            found.results.update((row.seq, row) for row in rows)

    def replace_results(self, data: st.DataObject, writer: Writer, model: Model) -> None:
        if (found := self.some_list(data, model)) and found.results:
            old = found.results.pop(data.draw(st.sampled_from(sorted(found.results))))
            rows = [old._replace(count=1, size=1, payload=b"new")] if data.draw(st.booleans()) else []
            writer.replace_results(found.record.id, old.seq, rows)
            found.results.update((row.seq, row) for row in rows)

    def mark(self, data: st.DataObject, writer: Writer, model: Model) -> None:
        if found := self.some_list(data, model):
            marks = data.draw(st.lists(st.builds(Withdrawn, INDICES, SIZES, st.integers(0, 9)), max_size=3))
            forgotten = data.draw(st.sets(st.sampled_from(sorted(found.marks)))) if found.marks else set()
            writer.withdraw_results(found.record.id, marks)
            writer.forget_withdrawn(found.record.id, sorted(forgotten))
            found.marks = found.marks.union(marks) - forgotten

    def put_lines(self, data: st.DataObject, writer: Writer, model: Model) -> None:
        name = model.some_upload(data)
        lines = data.draw(st.lists(st.binary(max_size=5), max_size=4))
        uploaded = model.uploads.get(name, [])
        if uploaded is None:
            with pytest.raises(UnknownUpload):
                writer.put_lines(name, 0, lines)
            return
        if name in model.uploads:
            with pytest.raises(LinesNotAdjacent):
                writer.put_lines(name, len(uploaded) + 1, lines)
        writer.put_lines(name, len(uploaded), lines)
        model.uploads[name] = uploaded + lines

    def attach(self, data: st.DataObject, writer: Writer, model: Model) -> None:
        if found := self.some_list(data, model):
            name = model.some_upload(data)
            lines = model.uploads.get(name)
            if lines is None:
                with pytest.raises(UnknownUpload):
                    writer.attach_lines(found.record.id, name, len(found.lines))
                return
            with pytest.raises(LinesNotAdjacent):
                writer.attach_lines(found.record.id, name, len(found.lines) + 1)
            writer.attach_lines(found.record.id, name, len(found.lines))
            found.lines += lines
            found.uploads.append(name)
            model.uploads[name] = None

    def put_document(self, data: st.DataObject, writer: Writer, model: Model) -> None:
        kind, key, value = data.draw(DOCUMENTS)
        writer.put_document(kind, key, value)
        model.documents[kind, key] = value

    def delete_document(self, data: st.DataObject, writer: Writer, model: Model) -> None:
        kind, key, _value = data.draw(DOCUMENTS)
        assert writer.delete_document(kind, key) == (model.documents.pop((kind, key), None) is not None)

    def forget_documents(self, data: st.DataObject, writer: Writer, model: Model) -> None:
        kind, limit = data.draw(st.sampled_from(KINDS)), data.draw(st.integers(0, 3))
        found = sorted((document.put_at, document.key) for document in writer.every_document() if document.kind == kind)
        before = data.draw(st.sampled_from([put_at for put_at, _key in found] + [math.inf]))
        forgotten = [key for put_at, key in found if put_at < before][:limit]
        assert writer.forget_documents(kind, before, limit) == len(forgotten)
        for key in forgotten:
            del model.documents[kind, key]

    def add_audit(self, data: st.DataObject, writer: Writer, model: Model) -> None:
        date, entry = data.draw(DATES), data.draw(st.binary(max_size=4))
        writer.add_audit(date, entry)
        (added,) = writer.audit(None, 1)
        assert added.no > model.audit_no
        model.audit_no = added.no
        model.audit.append(AuditEntry(added.no, date, entry))

    def forget_audit(self, data: st.DataObject, writer: Writer, model: Model) -> None:
        before, limit = data.draw(DATES), data.draw(st.integers(0, 3))
        old = sorted((entry for entry in model.audit if entry.date < before), key=lambda entry: (entry.date, entry.no))
        assert writer.forget_audit(before, limit) == len(old[:limit])
        model.audit = [entry for entry in model.audit if entry not in old[:limit]]

    def some_list(self, data: st.DataObject, model: Model) -> ListModel | None:
        return model.lists[data.draw(st.sampled_from(sorted(model.lists)))] if model.lists else None

    def compare(self, reader: Reader, model: Model) -> None:
        records = sorted((found.record for found in model.lists.values()), key=lambda found: found.name)
        assert reader.lists() == records
        assert reader.lists("a", 1) == [record for record in records if record.name > "a"][:1]
        documents = sorted((*name, value) for name, value in model.documents.items())
        assert [tuple(document[:3]) for document in reader.every_document()] == documents
        for kind in KINDS:
            later = [(key, value) for found, key, value in documents if found == kind and key > "a"]
            assert reader.documents(kind, "a", 1) == later[:1]
        newest_first = model.audit[::-1]
        assert reader.audit(None, 1_000) == newest_first
        assert reader.audit(model.audit_no, 1) == [entry for entry in newest_first if entry.no < model.audit_no][:1]
        for list_id, found in model.lists.items():
            assert reader.list_by_id(list_id) == found.record
            assert reader.list_named(found.record.name) == found.record
            for after in {-1, found.snapshot[0] if found.snapshot else -1, found.version}:
                snapshot = found.snapshot if found.snapshot and found.snapshot[0] > after else None
                rows = [(version, found.journal[version]) for version in sorted(found.journal) if version > after]
                assert reader.journal(list_id, after) == Journal(snapshot, rows)
            by_seq = [row for _seq, row in sorted(found.results.items())]
            by_index = sorted(by_seq, key=lambda row: (row.index, row.seq))
            assert list(reader.results_since(list_id, 0)) == by_seq
            for index in (0, 10, 10**39 + 10):
                beyond = [row for row in by_index if row.index + row.size > index]
                assert list(reader.results(list_id, index=index)) == beyond
            assert reader.withdrawn(list_id) == sorted(found.marks)
            assert list(reader.lines(list_id, 0, 10**6)) == found.lines
            assert list(reader.lines(list_id, 1, 3)) == found.lines[1:4]


STEPS = [
    "create", "delete", "append", "append_wrongly", "put_snapshot", "put_results", "replace_results", "mark",
    "put_lines", "attach", "replace_definition",
]  # fmt: skip
SITE_STEPS = ["put_document", "delete_document", "forget_documents", "add_audit", "forget_audit"]


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgres"])
def test_any_sequence_of_transactions_leaves_what_plain_dicts_would_hold(
    kind: str, make_place: Callable[[str, Path, ExitStack], Place]
) -> None:
    run_state_machine_as_test(
        lambda: StoreMachine(lambda folder, stack: make_place(kind, folder, stack)),
        settings=settings(max_examples=40, stateful_step_count=20),
    )
