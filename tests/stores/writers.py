"""Processes of writer_process.py: started, let go at the same moment, and what they were told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from teamtask.ledger.ids import ListId

if TYPE_CHECKING:
    from teamtask.stores.store import Store

WRITER = Path(__file__).with_name("writer_process.py")
LIST = ListId("shared")


def start_writer(url: str, name: str, commits: int, payload_bytes: int = 100) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(WRITER), url, name, str(commits), str(payload_bytes)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def let_go(*processes: subprocess.Popen[bytes]) -> None:
    """Let processes that are ready begin at the same moment."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()


def acknowledged(process: subprocess.Popen[bytes]) -> list[int]:
    """The versions that it was told are kept, once it has ended."""
    output, _errors = process.communicate()
    whole, _, _cut = output.rpartition(b"\n")
    return [int(line) for line in whole.split(b"\n") if line]


def whole_versions(store: Store) -> list[int]:
    """Check that the store is whole and the versions of its list have no gap; return them."""
    assert store.verify() == []
    with store.read() as reader:
        journal = reader.journal(LIST, -1)
        versions = [row.seq for row in reader.results(LIST)]
    latest = max([journal.snapshot[0] if journal.snapshot else -1, *[version for version, _events in journal.rows]])
    assert versions == list(range(latest + 1))
    return versions
