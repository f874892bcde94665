"""What a SQLite store asks of the machine: its clock, its processes, its disks."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from teamtask.ledger.ids import UploadId
from teamtask.stores.sqlite import file_system
from teamtask.stores.sqlite.file_system import kind_at, network_file_system, parse_macos_mount, parse_mountinfo
from teamtask.stores.sqlite.machine import boot_epoch, machine_clock, process_is_dead, this_process
from teamtask.stores.sqlite.sqlite_store import SqliteStore
from teamtask.stores.store import StoreNotWritable, UnknownUpload

if TYPE_CHECKING:
    from pathlib import Path

IN_A_CHILD = """
from teamtask.stores.sqlite.machine import machine_clock, this_process
print(*machine_clock())
print(this_process())
"""


def child() -> tuple[float, str, str]:
    done = subprocess.run([sys.executable, "-c", IN_A_CHILD], capture_output=True, text=True, check=True)
    clock, process = done.stdout.splitlines()
    now, epoch = clock.split()
    return float(now), epoch, process


def test_all_processes_of_a_machine_read_the_same_clock() -> None:
    before = machine_clock()
    now, epoch, _process = child()
    after = machine_clock()
    assert before.epoch == epoch == after.epoch == boot_epoch()
    assert before.now < now < after.now


def test_a_process_is_dead_when_it_has_ended_and_not_before() -> None:
    assert not process_is_dead(this_process())
    assert process_is_dead(child()[2])


def test_a_process_that_has_ended_and_was_not_waited_for_is_dead() -> None:
    command = [sys.executable, "-c", f"{IN_A_CHILD}\nimport sys; sys.stdout.flush(); sys.stdin.read()"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    name = [process.stdout.readline().strip() for _ in range(2)][1]
    assert not process_is_dead(name)
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert process_is_dead(name)
    process.stdout.close()
    process.wait()
    assert process_is_dead(name)


def test_a_process_id_that_is_used_again_is_another_process() -> None:
    namespace, pid, _started = this_process().split(" ", 2)
    assert process_is_dead(f"{namespace} {pid} 1")


def test_of_another_container_nobody_knows() -> None:
    assert not process_is_dead("pid:[1] 999999999 1")


UPLOADS = """
import sys
from teamtask.ledger.ids import UploadId
from teamtask.stores.sqlite.sqlite_store import SqliteStore
store = SqliteStore(sys.argv[1])
with store.write() as writer:
    writer.put_lines(UploadId("theirs"), 0, [b"a"])
store.close()
"""


def test_the_upload_of_a_dead_process_is_removed_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "state")
    subprocess.run([sys.executable, "-c", UPLOADS, path], check=True)
    with closing(SqliteStore(path)) as store:
        with store.write() as writer:
            writer.put_lines(UploadId("ours"), 0, [b"a"])
        store.compact()
        with store.write() as writer:
            writer.put_lines(UploadId("ours"), 1, [b"b"])
            with pytest.raises(UnknownUpload):
                writer.put_lines(UploadId("theirs"), 1, [b"b"])
        assert store.verify() == []


MOUNTINFO = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 27 0:40 / /home rw - nfs4 server:/home rw
41 40 0:41 / /home/ann/my\040disk rw shared:2 master:3 - ext4 /dev/vdb rw
42 27 0:42 / /mnt/c rw - 9p C:\134 rw
43 27 0:43 / /media/x rw - fuse.sshfs ann@host: rw
44 27 0:44 / /media/y rw - fuse.gocryptfs y rw
45 27 0:45 / /media/z rw - fuseblk /dev/sdb1 rw
46 27 0:46 / /srv rw - ext4 /dev/vdc rw
47 46 0:47 / /srv rw - cifs //server/share rw
"""
MACOS = """/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse)
//ann@server/My%20Share on /Volumes/My Share (on it) (smbfs, nodev, nosuid, mounted by ann)
server:/export on /Volumes/export (nfs)
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/state", "ext4"),
        ("/home/ann/state", "nfs4"),
        ("/homeless/state", "ext4"),
        ("/home/ann/my disk/state", "ext4"),
        ("/home/ann/my disk 2/state", "nfs4"),
        ("/mnt/c/state", "9p"),
        ("/srv/state", "cifs"),
        ("/proc", "proc"),
    ],
)
def test_a_path_lies_in_the_innermost_mount_that_was_made_last(path: str, kind: str) -> None:
    assert kind_at(path, parse_mountinfo(MOUNTINFO)) == kind


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/Users/ann", "apfs"), ("/Volumes/My Share (on it)/x", "smbfs"), ("/Volumes/export/x", "nfs")],
)
def test_the_mounts_of_macos_are_understood(path: str, kind: str) -> None:
    assert kind_at(path, parse_macos_mount(MACOS)) == kind


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/x", None),
        ("/home/x", "nfs4"),
        ("/mnt/c/x", "9p"),
        ("/media/x/x", "fuse.sshfs"),
        ("/media/y/x", None),
        ("/media/z/x", None),
        ("/srv/x", "cifs"),
    ],
)
def test_network_file_systems_are_told_from_local_ones(
    monkeypatch: pytest.MonkeyPatch, path: str, kind: str | None
) -> None:
    # The mounts are another machine's: no test can mount a network file system.
    monkeypatch.setattr(file_system, "_mounts", lambda: parse_mountinfo(MOUNTINFO))
    assert network_file_system(path) == kind


def test_a_store_on_a_network_file_system_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = [("/", "ext4"), (str(tmp_path.resolve()), "nfs4")]
    monkeypatch.setattr(file_system, "_mounts", lambda: mounts)  # as above
    with pytest.raises(StoreNotWritable, match=r"network file system \(nfs4\).*locks") as refusal:
        SqliteStore(str(tmp_path / "state"))
    assert "--state" in str(refusal.value.hint)
    assert list(tmp_path.iterdir()) == []


def test_the_disk_that_tests_run_on_is_local(tmp_path: Path) -> None:
    assert kind_at(str(tmp_path.resolve()), file_system._mounts()) is not None
    assert network_file_system(str(tmp_path)) is None
