"""A process that writes to a store: `writer_process.py URL NAME COMMITS PAYLOAD_BYTES`.

It waits for a line on stdin, then commits as often as told (0: until it is killed), and prints each version that was
acknowledged, after it was. What it appends names it, so that a reader can tell who wrote what. When the store is away
it tries again, from what it then reads.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing, suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from teamtask.ledger.ids import ListId
from teamtask.stores.open_store import open_store
from teamtask.stores.store import ListRecord, NameTaken, ResultRow, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamtask.stores.store import Store

LIST = ListId("shared")


def main(url: str, name: str, commits: int, payload_bytes: int) -> None:
    """Write; see above."""
    os.write(1, b"ready\n")
    sys.stdin.readline()
    with closing(patiently(lambda: open_store(url))) as store:
        patiently(lambda: begin(store))
        known = -1
        for number in range(commits) if commits else count():
            known = patiently(
                lambda known=known, number=number: commit(store, known, f"{name} {number}", payload_bytes)
            )
            os.write(1, b"%d\n" % known)


def patiently(do: Callable[[], Any]) -> Any:
    """Do it until the store is there to do it."""
    while True:
        try:
            return do()
        except StoreUnavailable:
            time.sleep(0.01)


def begin(store: Store) -> None:
    """Make the list unless another has."""
    with store.write() as writer, suppress(NameTaken):
        writer.create_list(ListRecord(LIST, "shared", b"", 0.0))


def commit(store: Store, known: int, name: str, payload_bytes: int) -> int:
    """Append to what is there, with a result; the version."""
    with store.write([LIST]) as writer:
        journal = writer.journal(LIST, known)
        known = max([known, *[version for version, _events in journal.rows]])
        known = max(known, journal.snapshot[0] if journal.snapshot else -1) + 1
        writer.append(LIST, known, name.encode())
        writer.put_results(LIST, [ResultRow(known, known, 1, 1, 0, name, os.urandom(payload_bytes))])
        if known % 50 == 49:
            writer.put_snapshot(LIST, known, b"%d" % known)
    return known


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
