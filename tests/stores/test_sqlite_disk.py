"""Disks that are full, out of inodes, read-only or not ours: an error that says so, nothing acknowledged lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

PROCESS = Path(__file__).with_name("disk_process.py")
# As root in a mount namespace; as any other user in a user namespace too, where the machine allows that.
UNSHARE = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--map-root-user", "--mount"]


def run(*command: str) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def on_disk(what: str, folder: Path, options: str) -> dict[str, Any]:
    """Run disk_process.py on a tmpfs of its own with these mount options."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare (util-linux) here to mount a small disk with")
    mount = f'mount -t tmpfs -o "{options}" none "$1" && '
    if subprocess.run(
        [*UNSHARE, "sh", "-c", mount + "true", "-", str(folder)], capture_output=True, check=False
    ).returncode:
        pytest.skip("this user may not mount a small disk here, not even in a namespace")
    python = f'exec "{sys.executable}" "{PROCESS}" {what} "$1"'
    report = run(*UNSHARE, "sh", "-c", mount + python, "-", str(folder))
    if "skip" in report:
        pytest.skip(report["skip"])
    return report


def check_kept(kept: dict[str, Any], acknowledged: int) -> None:
    assert kept == {"versions": True, "results": True, "count": acknowledged, "wrong": []}


def test_a_full_disk_stops_writing_and_loses_nothing(tmp_path: Path) -> None:
    report = on_disk("full", tmp_path, "size=2m")
    assert [round_["refusal"]["code"] for round_ in report["rounds"]] == ["store_full"] * 3
    for round_ in report["rounds"]:
        assert round_["again"]["code"] == "store_full"
        assert "space" in round_["refusal"]["message"]
        assert "Free some space" in round_["refusal"]["hint"]
        check_kept(round_["kept"], round_["acknowledged"])
    assert 0 < report["rounds"][0]["acknowledged"] < report["rounds"][1]["acknowledged"] <= report["acknowledged"]
    check_kept(report["kept"], report["acknowledged"])


def test_a_disk_that_is_full_from_the_start_is_named(tmp_path: Path) -> None:
    report = on_disk("full_before_start", tmp_path, "size=1m")
    assert report["refused"]["code"] == "store_full"
    assert report["later"]["code"] is None


def test_a_limit_on_the_size_of_files_is_a_full_disk(tmp_path: Path) -> None:
    report = run(sys.executable, str(PROCESS), "limited", str(tmp_path))
    assert report["refusal"]["code"] == "store_full"
    assert report["acknowledged"] > 0
    check_kept(report["kept"], report["acknowledged"])


def test_a_disk_without_inodes_is_named(tmp_path: Path) -> None:
    report = on_disk("inodes", tmp_path, "size=4m,nr_inodes=20")
    for case in ("new", "old"):
        assert report[case]["code"] == "store_not_writable", report[case]
        assert "no inode" in report[case]["message"]
        assert report[case]["hint"]
    assert report["later"]["code"] is None


def test_a_read_only_disk_is_named(tmp_path: Path) -> None:
    report = on_disk("read_only", tmp_path, "size=4m")
    for case in ("new", "old"):
        assert report[case]["code"] == "store_not_writable", report[case]
        assert "read-only" in report[case]["message"]


def test_a_file_or_folder_that_one_may_not_write_is_named() -> None:
    """As root in a child that becomes another user, for whom the modes bind."""
    uid = os.getuid() or 65_534
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders let no other user in
        report = run(sys.executable, str(PROCESS), "forbidden", folder, str(uid))
    for case, words in (
        ("file", "read-only or belongs"),
        ("folder", "folder is read-only"),
        ("new", "permission denied"),
    ):
        assert report[case]["code"] == "store_not_writable", report[case]
        assert words in report[case]["message"], report[case]
    assert report["later"]["code"] is None
