"""`network_file_system`: whether a file lies where SQLite's locks and shared memory do not hold between machines."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

# Names as the kernel gives them; file systems of FUSE are named fuse.NAME.
_NETWORK = re.compile(
    "9p|afpfs|afs|beegfs|ceph|cifs|coda|davfs|fhgfs|gfs2?|glusterfs|gpfs|lustre|ncpfs|nfs[34]?|ocfs2|orangefs|"
    "osxfuse|macfuse|pvfs2|smb[23]|smbfs|sshfs|vboxsf|vmhgfs|webdav"
)
# Of FUSE's file systems only these: of the many others most reach over a network, and the rest lock as they please.
_FUSE_LOCAL = re.compile("bindfs|cryfs|encfs|ext[234]|exfat|fuse-overlayfs|gocryptfs|mergerfs|ntfs|ntfs-3g|zfs")
_MACOS_MOUNT = re.compile(r"^.* on (?P<point>/.*) \((?P<kind>[^,)]+)", re.MULTILINE)
_OCTAL = re.compile(r"\\([0-7]{3})")


def network_file_system(path: str) -> str | None:
    """Return the kind of network file system (`nfs4`, `fuse.sshfs`) on which `path` lies, None when it is local."""
    kind = kind_at(str(Path(path).resolve()), _mounts())
    if kind is None:
        return None
    family, _, name = kind.partition(".")
    if family == "fuse" and name:
        return None if _FUSE_LOCAL.fullmatch(name) else kind
    return kind if _NETWORK.fullmatch(family) else None


def kind_at(path: str, mounts: list[tuple[str, str]]) -> str | None:
    """Return the kind of the mount that `path` lies in; of several the longest, of these the one mounted last."""
    found: tuple[int, str] | None = None
    for point, kind in mounts:
        below = point.rstrip("/") + "/"
        if (path + "/").startswith(below) and (found is None or len(below) >= found[0]):
            found = len(below), kind
    return found[1] if found else None


def parse_mountinfo(text: str) -> list[tuple[str, str]]:
    """Read Linux's /proc/self/mountinfo (proc(5)) as (mount point, kind)."""
    mounts = []
    for line in text.splitlines():
        fields, _, options = line.partition(" - ")
        point = _OCTAL.sub(lambda octal: chr(int(octal[1], 8)), fields.split(" ")[4])
        mounts.append((point, options.split(" ")[0]))
    return mounts


def parse_macos_mount(text: str) -> list[tuple[str, str]]:
    """Read the output of macOS's mount(8) as (mount point, kind)."""
    return [(found["point"], found["kind"]) for found in _MACOS_MOUNT.finditer(text)]


def _mounts() -> list[tuple[str, str]]:
    try:
        if sys.platform == "linux":
            text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
            return parse_mountinfo(text)
        done = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=5, check=True)
        return parse_macos_mount(done.stdout)
    except (OSError, subprocess.SubprocessError):
        return []  # then SQLite's own checks must do
