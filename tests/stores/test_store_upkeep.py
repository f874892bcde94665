"""compact, backup, verify: what a store needs besides reading and writing."""

from __future__ import annotations

import stat
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from teamtask.ledger.ids import ListId, UploadId
from teamtask.stores.sqlite.new_file import new_file
from teamtask.stores.sqlite.sqlite_store import SqliteStore
from teamtask.stores.store import ListGone, ListRecord, ResultRow, StoreNotWritable, UnknownUpload, Withdrawn

if TYPE_CHECKING:
    from conftest import Place

    from teamtask.stores.store import Reader, Store

DAY_SECONDS = 86_400


def fill(store: Store, name: str, rows: int = 20) -> ListId:
    """Make a list with some of everything, and some documents and audit entries."""
    list_id = ListId(f"id of {name}")
    with store.write() as writer:
        writer.create_list(ListRecord(list_id, name, b'{"a": 1}', 12.5))
        for version in range(5):
            writer.append(list_id, version, b"events %d" % version)
        writer.put_snapshot(list_id, 2, b"state of 2")
        writer.put_results(
            list_id, [ResultRow(3 * at, 10**39 + 5 * at, 5, 3, 1, "host", b"x" * 3_000) for at in range(rows)]
        )
        writer.withdraw_results(list_id, [Withdrawn(10**39, 7, 12)])
        for number, lines in enumerate([[b"a", b"", b"\0\n"], [b"%d" % line for line in range(30_000)]]):
            upload = UploadId(f"{name} {number}")
            writer.put_lines(upload, 0, lines)
            writer.attach_lines(list_id, upload, 3 * number)
        for number in range(150):
            writer.put_document(f"of {name}", f"key {number}", b"{}" * number)
            writer.add_audit(float(number), b"entry %d" % number)
        writer.forget_audit(10.0, 3)
    return list_id


def everything(reader: Reader) -> list[object]:
    """All that a reader shows, to be compared."""
    lists: list[object] = [
        (
            record,
            reader.journal(record.id, -1),
            list(reader.results(record.id)),
            list(reader.results_since(record.id, 0)),
            reader.withdrawn(record.id),
            list(reader.lines(record.id, 0, 10**9)),
        )
        for record in reader.lists()
    ]
    return [*lists, *reader.every_document(), *reader.audit(None, 1_000)]


def test_a_store_with_some_of_everything_has_nothing_wrong(store: Store) -> None:
    fill(store, "primes")
    fill(store, "hosts")
    with store.write() as writer:
        writer.put_lines(UploadId("unfinished"), 0, [b"a"])
    with store.write([ListId("id of hosts")]) as writer:
        writer.delete_list(ListId("id of hosts"))
    assert store.verify() == []


def test_compacting_changes_nothing_that_is_seen(store: Store) -> None:
    fill(store, "primes")
    gone = fill(store, "hosts", rows=2_000)
    with store.write([gone]) as writer:
        writer.delete_list(gone)
    with store.read() as reader:
        before = everything(reader)
    store.compact()
    with store.read() as reader:
        assert everything(reader) == before
        with pytest.raises(ListGone):
            reader.results(gone)
    assert store.verify() == []


def test_compacting_an_empty_store_is_no_error(store: Store) -> None:
    store.compact()
    store.compact()


@pytest.mark.parametrize("restarted", [False, True])
def test_an_abandoned_upload_is_removed_and_a_fresh_one_stays(*, place: Place, restarted: bool) -> None:
    """Where a store outlives who writes to it, a clock that begins anew gives every upload another day."""
    store = place.open()
    abandoned, fresh = UploadId("abandoned"), UploadId("fresh")
    with store.write() as writer:
        writer.put_lines(abandoned, 0, [b"a"] * 100_000)
    store.compact()
    if restarted:
        place.clock.now, place.clock.epoch = 5.0, "second"
        if place.outlives_writers:
            store.compact()
            with store.write() as writer:
                writer.put_lines(abandoned, 100_000, [b"goes on"])
            place.clock.now += DAY_SECONDS + 1
    else:
        with store.write() as writer:
            place.clock.now += DAY_SECONDS - 1
            writer.put_lines(fresh, 0, [b"f"])
            place.clock.now += 2
    with store.write() as writer:
        writer.put_lines(fresh, 0 if restarted else 1, [b"g"])
    store.compact()
    list_id = fill(store, "primes")
    with store.write([list_id]) as writer:
        with pytest.raises(UnknownUpload):
            writer.put_lines(abandoned, 100_000, [b"b"])
        with pytest.raises(UnknownUpload):
            writer.attach_lines(list_id, abandoned, 30_003)
        writer.attach_lines(list_id, fresh, 30_003)
        assert list(writer.lines(list_id, 30_003, 5)) == ([b"g"] if restarted else [b"f", b"g"])
    assert store.verify() == []


def test_a_backup_is_a_state_file_with_everything(store: Store, tmp_path: Path) -> None:
    fill(store, "primes")
    fill(store, "hosts")
    folder = tmp_path / "backups %20 ?"
    folder.mkdir()
    store.backup(str(folder / "copy.db"))
    assert [file.name for file in folder.iterdir()] == ["copy.db"]
    assert stat.S_IMODE((folder / "copy.db").stat().st_mode) == 0o600
    with closing(SqliteStore(str(folder / "copy.db"))) as copy:
        assert copy.verify() == []
        with store.read() as original, copy.read() as copied:
            assert everything(copied) == everything(original)
        with copy.write([ListId("id of hosts")]) as writer:
            writer.append(ListId("id of hosts"), 5, b"goes on")


def test_a_backup_never_replaces_a_file(store: Store, tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"precious")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.iterdir())
    for name in ("taken", "link", "folder"):
        with pytest.raises(StoreNotWritable, match="exists already"):
            store.backup(str(tmp_path / name))
    assert (tmp_path / "taken").read_bytes() == b"precious"
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_that_appears_during_a_backup_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "copy"

    def back_up() -> None:
        with new_file(str(path)) as unfinished:
            Path(unfinished).write_bytes(b"copy")
            path.write_bytes(b"precious")

    with pytest.raises(StoreNotWritable, match="exists already"):
        back_up()
    assert path.read_bytes() == b"precious"
    assert [file.name for file in tmp_path.iterdir()] == ["copy"]


def test_a_backup_into_no_folder_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreNotWritable):
        store.backup(str(tmp_path / "missing" / "copy.db"))


def test_a_backup_is_one_moment_of_a_store_that_others_write_to(store: Store, primes: ListId, tmp_path: Path) -> None:
    """Every commit adds one event and one result, so a copy with as many of each has cut none in two."""
    done = threading.Event()

    def write() -> None:
        version = 0
        while not done.is_set() and version < 3_000:
            with store.write([primes]) as writer:
                writer.append(primes, version, b"e")
                writer.put_results(primes, [ResultRow(version, version, 1, 1, 0, "w", b"p" * 500)])
            version += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(5):
            store.backup(str(tmp_path / f"copy {number}"))
    finally:
        done.set()
        thread.join()
    for number in range(5):
        with closing(SqliteStore(str(tmp_path / f"copy {number}"))) as copy, copy.read() as reader:
            versions = [version for version, _events in reader.journal(primes, -1).rows]
            assert versions == [row.seq for row in reader.results(primes)]
