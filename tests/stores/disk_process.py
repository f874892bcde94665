"""A process that uses a SQLite store on a disk that fails it: `disk_process.py WHAT FOLDER [UID]`; prints JSON.

What it reports is judged by test_sqlite_disk.py. It may be root in a mount namespace of its own, so the disk is a
small tmpfs of which nobody else knows.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from contextlib import closing
from pathlib import Path

import teamtask.stores.sqlite.new_file  # noqa: F401 - imported before the user changes, who may not read the source
from teamtask.ledger.errors import TeamtaskError
from teamtask.ledger.ids import ListId
from teamtask.stores.open_store import open_store
from teamtask.stores.sqlite.sqlite_store import SqliteStore
from teamtask.stores.store import ListRecord, ResultRow, Store

LIST = ListId("a")


def refusal_of(path: Path) -> dict[str, object]:
    """Open a store and write to it; say how it was refused."""
    try:
        with closing(open_store(f"sqlite:{path}")) as store, store.write() as writer:
            writer.create_list(ListRecord(ListId("late"), "late", b"", 0.0))
    except TeamtaskError as error:
        return {"code": error.code, "message": error.message, "hint": error.hint}
    return {"code": None}


def write_until_refused(store: Store, version: int, payload_bytes: int) -> tuple[int, dict[str, object]]:
    """Commit versions from `version` on; the next version, and how it was refused."""
    while True:
        try:
            with store.write([LIST]) as writer:
                writer.append(LIST, version, b"e" * 100)
                writer.put_results(LIST, [ResultRow(version, version, 1, 1, 0, "w", os.urandom(payload_bytes))])
        except TeamtaskError as error:
            return version, {"code": error.code, "message": error.message, "hint": error.hint}
        version += 1


def kept(store: Store) -> dict[str, object]:
    """Return what is there."""
    with store.read() as reader:
        versions = [version for version, _events in reader.journal(LIST, -1).rows]
        return {
            "versions": versions == list(range(len(versions))),
            "results": versions == [row.seq for row in reader.results(LIST)],
            "count": len(versions),
            "wrong": store.verify(),
        }


def full(folder: Path, ballast_bytes: int) -> dict[str, object]:
    """Write until the disk is full, go on when there is space again, several times; then open anew."""
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(ballast_bytes))
    report: dict[str, object] = {"rounds": []}
    rounds = []
    version = 0
    path = folder / "state"
    with closing(SqliteStore(str(path))) as store:
        with store.write() as writer:
            writer.create_list(ListRecord(LIST, "a", b"", 0.0))
        for payload_bytes in (200, 3_000, 40_000):
            acknowledged, refusal = write_until_refused(store, version, payload_bytes)
            again = write_until_refused(store, acknowledged, payload_bytes)
            rounds.append({"refusal": refusal, "again": again[1], "acknowledged": again[0], "kept": kept(store)})
            size = ballast.stat().st_size
            os.truncate(ballast, size * 2 // 3)
            version = again[0]
    report["rounds"] = rounds
    with closing(SqliteStore(str(path))) as store:
        report["kept"] = kept(store)
        report["acknowledged"] = version
    return report


def full_before_start(folder: Path) -> dict[str, object]:
    """Open a store where nothing fits, then where there is space."""
    ballast = folder / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4_096))
    except OSError:
        pass
    refused = refusal_of(folder / "state")
    ballast.unlink()
    return {"refused": refused, "later": refusal_of(folder / "state")}


def limited(folder: Path) -> dict[str, object]:
    """As full, where a file may only have a certain size."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    path = folder / "state"
    with closing(SqliteStore(str(path))) as store:
        with store.write() as writer:
            writer.create_list(ListRecord(LIST, "a", b"", 0.0))
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
        acknowledged, refusal = write_until_refused(store, 0, 5_000)
        found = kept(store)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        with store.write([LIST]) as writer:
            writer.append(LIST, acknowledged, b"")
    return {"refusal": refusal, "acknowledged": acknowledged, "kept": found}


def inodes(folder: Path) -> dict[str, object]:
    """Open stores where no file can be created."""
    SqliteStore(str(folder / "old")).close()
    number = 0
    try:
        while True:
            (folder / f"file {number}").touch()
            number += 1
    except OSError:
        pass
    refused = {"new": refusal_of(folder / "new"), "old": refusal_of(folder / "old")}
    (folder / "file 0").unlink()
    (folder / "file 1").unlink()
    return {**refused, "later": refusal_of(folder / "old")}


def read_only(folder: Path) -> dict[str, object]:
    """Open stores on a disk that was made read-only."""
    SqliteStore(str(folder / "old")).close()
    if os.system(f"mount -o remount,ro '{folder}'"):  # noqa: S605 - a path of the test's own
        return {"skip": "this machine lets nobody mount a disk read-only"}
    return {"new": refusal_of(folder / "new"), "old": refusal_of(folder / "old")}


def forbidden(folder: Path, uid: int) -> dict[str, object]:
    """Open stores whose file, or folder, this user may not write."""
    cases = {}
    for case in ("file", "folder"):
        (folder / case).mkdir()
        SqliteStore(str(folder / case / "old")).close()
        for path in (folder, folder / case, folder / case / "old"):
            os.chown(path, uid, -1)
    (folder / "file" / "old").chmod(0o400)
    (folder / "folder").chmod(0o500)
    if os.getuid() != uid:
        os.setgid(uid)
        os.setuid(uid)
    for case in ("file", "folder"):
        cases[case] = refusal_of(folder / case / "old")
    cases["new"] = refusal_of(folder / "folder" / "new")
    (folder / "file" / "old").chmod(0o600)
    cases["later"] = refusal_of(folder / "file" / "old")
    return cases


def main(what: str, folder: Path, *rest: str) -> None:
    """Do one of the above."""
    reports = {
        "full": lambda: full(folder, 900_000),
        "full_before_start": lambda: full_before_start(folder),
        "limited": lambda: limited(folder),
        "inodes": lambda: inodes(folder),
        "read_only": lambda: read_only(folder),
        "forbidden": lambda: forbidden(folder, int(rest[0])),
    }
    print(json.dumps(reports[what]()))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
